import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { AdmissionChain } from './admission-chain.ts';
import type { ApiHandlerOptions } from './api-handler.ts';
import type { ApiServerOptions } from './api-server-options.ts';
import { impersonate } from './authn/impersonation.ts';
import { OBJECT_CODEC } from './codec/object-codec.ts';
import { withGenericDefinitions } from './definitions.ts';
import { DiscoveryHandler } from './discovery/discovery-handler.ts';
import type { HealthCheck } from './health/health-handler.ts';
import { HealthHandler } from './health/health-handler.ts';
import type { HttpLimits } from './http/limits.ts';
import { InFlight } from './in-flight.ts';
import { MetricsHandler, ServerMetrics } from './metrics.ts';
import { OpenApiHandler } from './openapi/openapi-handler.ts';
import { createPolicy } from './policy.ts';
import type { Policy } from './policy.ts';
import type { Random, RegistryEnv } from './registry/registry-env.ts';
import { ResourceTable } from './registry/resource-table.ts';
import { ServerObjectStore } from './registry/server-object-store.ts';
import { VersionHandler, versionInfo } from './version-handler.ts';
import { CacheFeed } from './watch-cache/cache-feed.ts';
import { ParsedObjects } from './watch-cache/cache-entry.ts';
import { WatchCache } from './watch-cache/watch-cache.ts';
import { WatchHub } from './watch/watch-hub.ts';

const PARSED_BYTES = 32 * 1024 * 1024;

export interface ControlPlaneOptions extends Omit<ApiServerOptions, 'limits'> {
  clock: Clock;
  log: Logger;
  limits: HttpLimits;
  random: Random;
  clientCa: () => string;
  serverAddress: () => string;
}

/** The parts of the server behind HTTP, wired together. */
export class ControlPlane {
  readonly options: ControlPlaneOptions;
  readonly cache: WatchCache;
  readonly table: ResourceTable;
  readonly store: ServerObjectStore;
  readonly env: RegistryEnv;
  readonly hub: WatchHub;
  readonly policy: Policy;
  readonly metrics = new ServerMetrics();
  readonly #inFlight = new InFlight();
  /** Names of start-up steps that are not done yet; while there are any, /readyz fails. */
  readonly pendingSteps = new Set<string>(['bootstrap']);
  stopping = false;

  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const controlPlane = new ControlPlane(options);
    await controlPlane.cache.start();
    return controlPlane;
  }

  private constructor(options: ControlPlaneOptions) {
    this.options = options;
    const { storage, clock, log, random } = options;
    this.cache = new WatchCache({
      storage,
      clock,
      log,
      ...(options.watchWindow ? { window: options.watchWindow } : {}),
    });
    const parsed = new ParsedObjects(options.parsedCacheBytes ?? PARSED_BYTES, OBJECT_CODEC.parse);
    this.table = new ResourceTable(this.cache, parsed);
    this.store = new ServerObjectStore(this.table, () => this.env);
    this.policy = createPolicy({
      reader: this.store,
      feed: new CacheFeed(this.cache, parsed),
      clientCa: options.clientCa,
      requestHeader: options.requestHeader,
      serviceAccounts: options.serviceAccounts,
      clock,
      log,
    });
    for (const definition of withGenericDefinitions([])) this.table.add(definition);
    this.hub = new WatchHub({ cache: this.cache, clock, log });
    const admission = new AdmissionChain([]);
    this.env = { storage, cache: this.cache, parsed, clock, log, random, admission, store: this.store };
    this.metrics.observeSources({
      watchers: () => this.hub.counts(),
      objects: () =>
        this.cache.resources().map(({ info, size }) => ({ resource: qualifiedName(info), count: size })),
      inFlight: () => ({ reads: this.#inFlight.reads, writes: this.#inFlight.writes }),
      storeBytes: () => storage.size(),
    });
  }

  handlerOptions(): ApiHandlerOptions {
    const { clock, log, limits } = this.options;
    const { authenticator, authorizer } = this.policy;
    return {
      env: this.env,
      table: this.table,
      hub: this.hub,
      authenticator,
      authorizer,
      impersonate: (request, user) => impersonate(user, request.headers, authorizer),
      paths: [
        new HealthHandler(this.#healthChecks()),
        new VersionHandler(versionInfo(this.options.build ?? { version: '0.0.0', commit: '', date: '' })),
        new MetricsHandler(this.metrics),
        new OpenApiHandler({ table: this.table, gzipThresholdBytes: limits.gzipThresholdBytes }),
        new DiscoveryHandler({
          table: this.table,
          serverAddress: this.options.serverAddress,
          gzipThresholdBytes: limits.gzipThresholdBytes,
        }),
      ],
      limits,
      inFlight: this.#inFlight,
      metrics: this.metrics,
      clock,
      log,
    };
  }

  stop(): void {
    this.hub.stop();
    this.policy.stop();
    this.cache.stop();
    this.metrics.close();
  }

  #healthChecks(): HealthCheck[] {
    const both = { livez: true, readyz: true };
    const ready = { livez: false, readyz: true };
    return [
      { name: 'ping', ...both, check: () => undefined },
      {
        name: 'etcd',
        ...both,
        check: async () => {
          await this.options.storage.currentRevision();
        },
      },
      {
        name: 'informer-sync',
        ...ready,
        check: () => {
          if (!this.cache.ready) throw new Error('the watch cache does not follow the store');
        },
      },
      {
        name: 'poststarthook/bootstrap',
        ...ready,
        check: () => {
          if (this.pendingSteps.size > 0)
            throw new Error(`not finished: ${[...this.pendingSteps].join(', ')}`);
        },
      },
      {
        name: 'shutdown',
        ...ready,
        check: () => {
          if (this.stopping) throw new Error('process is shutting down');
        },
      },
    ];
  }
}

function qualifiedName(info: { group: string; resource: string }): string {
  return info.group === '' ? info.resource : `${info.resource}.${info.group}`;
}
