import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import type { Clock } from '../base/clock.ts';
import { untilAborted } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from './client.ts';
import { ResourceInformer } from './informer.ts';
import type { Informer, InformerOptions } from './informer.ts';

type Shared = Omit<
  InformerOptions<KubeObject>,
  'client' | 'resource' | 'clock' | 'log' | 'random' | 'indexes'
>;

/** One informer for each resource of a process, shared by all who read it. */
export class InformerFactory {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #informers = new Map<string, ResourceInformer<KubeObject>>();
  readonly #running: Array<Promise<void>> = [];
  #signal: AbortSignal | undefined;

  constructor(client: Client, clock: Clock, log: Logger) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * The shared informer of a resource. Options other than `indexes` count for the first call alone: agree
   * on them. One that is asked for while the factory runs starts at once.
   */
  for<T extends KubeObject>(
    resource: ResourceInfo<T>,
    options: {
      indexes?: InformerOptions<T>['indexes'];
      trim?: (object: T) => T;
      metadataOnly?: boolean;
      namespace?: string;
      labelSelector?: string;
      fieldSelector?: string;
    } = {},
  ): Informer<T> {
    const scope = [options.namespace, options.labelSelector, options.fieldSelector, options.metadataOnly];
    const key = [
      resource.group,
      resource.version,
      resource.resource,
      ...scope.map((part) => part ?? ''),
    ].join('|');
    let informer = this.#informers.get(key) as ResourceInformer<T> | undefined;
    if (!informer) {
      const { indexes: _, ...rest } = options;
      const shared = rest as Shared as Omit<InformerOptions<T>, 'client' | 'resource' | 'clock' | 'log'>;
      informer = new ResourceInformer<T>({
        client: this.#client,
        resource,
        clock: this.#clock,
        log: this.#log,
        ...shared,
      });
      this.#informers.set(key, informer as unknown as ResourceInformer<KubeObject>);
      if (this.#signal) this.#running.push(informer.run(this.#signal));
    }
    for (const [name, of] of Object.entries(options.indexes ?? {})) informer.addIndex(name, of);
    return informer;
  }

  /** Runs every informer until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const informer of this.#informers.values()) this.#running.push(informer.run(signal));
    await untilAborted(signal);
    await Promise.all(this.#running);
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.whenSynced(signal)));
  }
}
