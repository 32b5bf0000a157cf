import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ObjectFeed } from '../authz/object-feed.ts';
import type { RegistryEnv } from '../registry/registry-env.ts';
import type { ServiceResolver } from '../webhook-client/service-resolver.ts';
import { AggregatedProxy } from './aggregated-proxy.ts';
import { AutoRegistration } from './auto-registration.ts';
import { Backends } from './backend.ts';
import type { ProxyIdentity } from './backend.ts';
import { RemoteApis } from './remote-apis.ts';

export interface AggregatorOptions {
  env: RegistryEnv;
  feed: ObjectFeed;
  resolver: ServiceResolver;
  /** What this server shows to aggregated ones; asked anew for each connection. */
  identity: () => ProxyIdentity | undefined;
  clock: Clock;
  log: Logger;
}

/** The API servers of others behind this one. */
export class Aggregator {
  readonly remotes: RemoteApis;
  readonly proxy: AggregatedProxy;
  readonly registration: AutoRegistration;
  readonly #backends: Backends;

  constructor(options: AggregatorOptions) {
    const { env, feed, clock, log } = options;
    this.#backends = new Backends(options);
    this.remotes = new RemoteApis({ env, feed, backends: this.#backends, clock, log });
    this.proxy = new AggregatedProxy({ remotes: this.remotes, backends: this.#backends, log });
    this.registration = new AutoRegistration({ store: env.store, table: env.table, feed, clock, log });
  }

  async stop(): Promise<void> {
    await this.registration.stop();
    await this.remotes.stop();
    this.#backends.close();
  }
}
