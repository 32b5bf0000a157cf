import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GaugeConfiguration } from 'prom-client';
import { HookMetrics } from './admission/webhooks/hook-metrics.ts';
import type { Fairness } from './fairness/fairness.ts';
import { observeFairness } from './fairness/fairness-metrics.ts';
import type { PathHandler } from './path-handler.ts';
import type { ApiResponse, RequestContext, RequestInfo } from './request-context.ts';

/** What the gauges read when they are asked. */
export interface MetricSources {
  watchers(): Array<{ group: string; resource: string; count: number }>;
  objects(): Array<{ resource: string; count: number }>;
  inFlight(): { reads: number; writes: number };
  storeBytes(): Promise<number>;
}

const BUCKETS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 5, 10, 15, 30, 60];

/** The server's metrics, under upstream's names. */
export class ServerMetrics {
  readonly #registry = new Registry();
  readonly hooks = new HookMetrics(this.#registry);
  readonly #requests: Counter<'verb' | 'group' | 'version' | 'resource' | 'subresource' | 'code'>;
  readonly #durations: Histogram<'verb' | 'group' | 'version' | 'resource' | 'subresource' | 'scope'>;
  readonly #auditErrors: Counter<'plugin'>;
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;

  constructor() {
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: 'apiserver_request_total',
      help: 'Requests by verb, resource and code.',
      labelNames: ['verb', 'group', 'version', 'resource', 'subresource', 'code'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'apiserver_request_duration_seconds',
      help: 'Time to answer, in seconds; watches and streams are left out.',
      labelNames: ['verb', 'group', 'version', 'resource', 'subresource', 'scope'],
      buckets: BUCKETS,
      registers,
    });
    this.#auditErrors = new Counter({
      name: 'apiserver_audit_error_total',
      help: 'Audit events that could not be kept.',
      labelNames: ['plugin'],
      registers,
    });
    this.#delay = monitorEventLoopDelay({ resolution: 10 });
    this.#delay.enable();
    const delay = this.#delay;
    this.#gauge({
      name: 'slipway_event_loop_delay_max_seconds',
      help: 'The longest stall of the event loop since the last scrape.',
      collect() {
        this.set(delay.max / 1e9);
        delay.reset();
      },
    });
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Counts audit events that did not get into the log. */
  auditLost(events: number): void {
    this.#auditErrors.inc({ plugin: 'log' }, events);
  }

  /** Adds the gauges that look at the rest of the server. */
  observeSources(sources: MetricSources): void {
    this.#gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Watches that run.',
      labelNames: ['group', 'resource', 'verb'],
      collect() {
        this.reset();
        for (const { group, resource, count } of sources.watchers()) {
          this.set({ group, resource, verb: 'WATCH' }, count);
        }
      },
    });
    this.#gauge({
      name: 'apiserver_storage_objects',
      help: 'Objects in the store, by resource.',
      labelNames: ['resource'],
      collect() {
        this.reset();
        for (const { resource, count } of sources.objects()) this.set({ resource }, count);
      },
    });
    this.#gauge({
      name: 'apiserver_current_inflight_requests',
      help: 'Requests under way.',
      labelNames: ['request_kind'],
      collect() {
        const { reads, writes } = sources.inFlight();
        this.set({ request_kind: 'readOnly' }, reads);
        this.set({ request_kind: 'mutating' }, writes);
      },
    });
    this.#gauge({
      name: 'apiserver_storage_size_bytes',
      help: 'Size of the store on disk.',
      async collect() {
        this.set(await sources.storeBytes());
      },
    });
  }

  observeFairness(fairness: Fairness): void {
    observeFairness(this.#registry, fairness);
  }

  /** APIServices of others that cannot be used. */
  observeApiServices(unavailable: () => string[]): void {
    this.#gauge({
      name: 'aggregator_unavailable_apiservice',
      help: 'APIServices that cannot be used.',
      labelNames: ['name'],
      collect() {
        this.reset();
        for (const name of unavailable()) this.set({ name }, 1);
      },
    });
  }

  /** `rewriting`: whether values may still be kept with an old key. */
  observeEncryption(rewriting: () => boolean): void {
    this.#gauge({
      name: 'slipway_encryption_rewriting',
      help: 'Whether values that are kept with an old key are being written anew since the start.',
      collect() {
        this.set(rewriting() ? 1 : 0);
      },
    });
  }

  #gauge<T extends string>(options: GaugeConfiguration<T>): void {
    this.#registry.registerMetric(new Gauge({ ...options, registers: [] }));
  }

  observe(info: RequestInfo, longRunning: boolean, code: number, seconds: number): void {
    // Unknown paths all count as one, so that a scanner cannot fill the registry with labels.
    const resource = code === 404 && info.name === '' ? '' : info.resource;
    const labels = {
      verb: info.verb.toUpperCase(),
      group: resource === '' ? '' : info.group,
      version: resource === '' ? '' : info.version,
      resource,
      subresource: resource === '' ? '' : info.subresource,
    };
    if (info.isResourceRequest && resource === '') return;
    this.#requests.inc({ ...labels, code: String(code) });
    if (longRunning) return;
    let scope = info.namespace === '' ? 'cluster' : 'namespace';
    if (info.name !== '') scope = 'resource';
    this.#durations.observe({ ...labels, scope }, seconds);
  }

  async text(): Promise<{ contentType: string; body: Buffer }> {
    return { contentType: this.#registry.contentType, body: Buffer.from(await this.#registry.metrics()) };
  }

  close(): void {
    this.#delay.disable();
  }
}

/** /metrics. */
export class MetricsHandler implements PathHandler {
  readonly #metrics: ServerMetrics;

  constructor(metrics: ServerMetrics) {
    this.#metrics = metrics;
  }

  async handle(context: RequestContext, response: ApiResponse): Promise<boolean> {
    if (context.info.path !== '/metrics') return false;
    const { contentType, body } = await this.#metrics.text();
    response.send(200, contentType, body);
    return true;
  }
}
