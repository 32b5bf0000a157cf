import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { ResourceInformer } from '../../client/informer.ts';
import type { ControllerContext } from '../shared/controller.ts';
import type { ServedResource } from '../shared/discovery.ts';
import { trimForGraph } from './graph.ts';

/** Objects that come and go by the thousand and own nothing. */
const IGNORED = new Set(['events', 'events.events.k8s.io']);

const SYNC_MS = 30_000;

export interface MonitorHandler {
  changed(resource: ResourceInfo, object: KubeObject): void;
  gone(resource: ResourceInfo, object: KubeObject): void;
}

interface Monitor {
  informer: ResourceInformer<KubeObject>;
  stop: AbortController;
  running: Promise<void>;
}

/** One metadata watch for each resource that can be deleted, kept in step with what the server serves. */
export class Monitors {
  readonly #context: ControllerContext;
  readonly #handler: MonitorHandler;
  readonly #monitors = new Map<string, Monitor>();
  readonly #byKind = new Map<string, ServedResource>();

  constructor(context: ControllerContext, handler: MonitorHandler) {
    this.#context = context;
    this.#handler = handler;
  }

  /** Starts and stops watches; resolves when the new ones have synced. False where discovery had holes. */
  async update(signal: AbortSignal): Promise<boolean> {
    const { resources, failures } = await this.#context.discovery.discover();
    const wanted = new Map<string, ServedResource>();
    for (const resource of resources) {
      this.#byKind.set(`${resource.group}/${resource.kind}`, resource);
      const id = resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
      const able = ['delete', 'list', 'watch'].every((verb) => resource.verbs.includes(verb));
      if (able && !IGNORED.has(id)) wanted.set(id, resource);
    }
    // A group that did not answer is not gone: its watches stay.
    if (failures.length === 0)
      for (const [id, monitor] of this.#monitors) if (!wanted.has(id)) this.#stop(id, monitor);
    for (const [id, resource] of wanted) if (!this.#monitors.has(id)) this.#start(id, resource, signal);
    const synced = [...this.#monitors.values()].map(({ informer, stop }) =>
      informer.whenSynced(AbortSignal.any([signal, stop.signal])).catch(() => {}),
    );
    // One resource that cannot be listed must not hold up all the others: owners that are missing from the
    // graph are asked for at the server.
    await Promise.race([Promise.all(synced), this.#context.clock.sleep(SYNC_MS, signal).catch(() => {})]);
    return failures.length === 0;
  }

  /** The resource of an owner reference; undefined for a kind that is not served. */
  resourceOf(apiVersion: string, kind: string): ResourceInfo | undefined {
    const slash = apiVersion.indexOf('/');
    return this.#byKind.get(`${slash === -1 ? '' : apiVersion.slice(0, slash)}/${kind}`);
  }

  async stopped(): Promise<void> {
    await Promise.all([...this.#monitors.values()].map(({ running }) => running));
  }

  #start(id: string, resource: ServedResource, signal: AbortSignal): void {
    const { client, clock, log } = this.#context;
    const informer = new ResourceInformer<KubeObject>({
      client,
      resource,
      metadataOnly: true,
      trim: trimForGraph,
      clock,
      log,
    });
    informer.subscribe({
      added: (object) => this.#handler.changed(resource, object),
      updated: (_, object) => this.#handler.changed(resource, object),
      deleted: (object) => this.#handler.gone(resource, object),
    });
    const stop = new AbortController();
    const running = informer.run(AbortSignal.any([signal, stop.signal]));
    this.#monitors.set(id, { informer, stop, running });
  }

  #stop(id: string, { informer, stop }: Monitor): void {
    stop.abort();
    this.#monitors.delete(id);
    this.#context.log.debug(
      { resource: id, objects: informer.list().length },
      'resource is no longer served',
    );
  }
}
