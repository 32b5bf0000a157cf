import type { KubeObject } from '../../api/resource.ts';
import { ResourceInformer } from '../../client/informer.ts';
import type { ControllerContext } from '../shared/controller.ts';
import { metaOf } from '../shared/meta.ts';

interface Monitor {
  informer: ResourceInformer<KubeObject>;
  stop: AbortController;
}

/** The metadata of objects of the resources that quotas count, watched while any quota does. */
export class CountedObjects {
  readonly #context: ControllerContext;
  readonly #gone: (resource: string, namespace: string) => void;
  readonly #monitors = new Map<string, Monitor>();

  constructor(context: ControllerContext, gone: (resource: string, namespace: string) => void) {
    this.#context = context;
    this.#gone = gone;
  }

  /** Starts and stops watches so that just these resources ('deployments.apps') are watched. */
  async want(resources: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    for (const [name, { stop }] of this.#monitors) {
      if (resources.has(name)) continue;
      stop.abort();
      this.#monitors.delete(name);
    }
    const missing = [...resources].filter((name) => !this.#monitors.has(name));
    if (missing.length === 0) return;
    const { client, clock, log, discovery } = this.#context;
    const { resources: served } = await discovery.discover();
    for (const resource of served) {
      const name = resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
      const able = resource.namespaced && ['list', 'watch'].every((verb) => resource.verbs.includes(verb));
      if (!missing.includes(name) || this.#monitors.has(name) || !able) continue;
      const informer = new ResourceInformer<KubeObject>({ client, resource, metadataOnly: true, clock, log });
      informer.subscribe({ deleted: (object) => this.#gone(name, metaOf(object).namespace ?? '') });
      const stop = new AbortController();
      this.#monitors.set(name, { informer, stop });
      informer.run(AbortSignal.any([signal, stop.signal])).catch(() => undefined);
    }
  }

  /** The objects of a namespace; undefined where the resource is not served, or not known yet. */
  list(resource: string, namespace: string): KubeObject[] | undefined {
    const informer = this.#monitors.get(resource)?.informer;
    return informer?.synced ? informer.list(namespace) : undefined;
  }

  async whenSynced(resource: string, signal: AbortSignal): Promise<void> {
    await this.#monitors.get(resource)?.informer.whenSynced(signal);
  }
}
