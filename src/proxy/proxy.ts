import { existsSync } from 'node:fs';
import { ENDPOINTSLICES, NODES, SERVICES } from '../api/gen/resources.ts';
import type { Node, Service } from '../api/gen/types/core-v1.ts';
import type { EndpointSlice } from '../api/gen/types/discovery-v1.ts';
import type { Clock } from '../base/clock.ts';
import { runCommand, type RunCommand } from '../base/command.ts';
import { messageOf, SlipwayError } from '../base/errors.ts';
import { startHealthServer } from '../base/health-server.ts';
import { runTogether, untilAborted } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import { nextTurn } from '../base/next-turn.ts';
import { WorkQueue } from '../base/work-queue.ts';
import type { Client } from '../client/client.ts';
import { dropManagedFields, ResourceInformer } from '../client/informer.ts';
import { familyOfCidr, type Family } from './family.ts';
import { FamilyProxy, type NodeFacts } from './family-proxy.ts';
import { HealthChecks, type HealthCheck } from './health-checks.ts';
import { ProxyMetrics } from './metrics.ts';
import { PROXY_NAME_LABEL } from './service-ports.ts';

export interface ProxyOptions {
  client: Client;
  /** The Node that this process serves. */
  nodeName: string;
  /** Pod ranges of the cluster, one or (with a comma) one of each family: '10.244.0.0/16'. */
  clusterCidr: string;
  /** Addresses that node ports are served on; default: the internal and external ones of the Node object. */
  nodeIps?: readonly string[];
  clock: Clock;
  log: Logger;
  /** Runs nft and conntrack. Default: the system's. */
  run?: RunCommand;
  /** Where /healthz answers, for load balancers (upstream: 0.0.0.0:10256). Not served where absent. */
  health?: { address: string; port: number };
  /** Where /metrics and /healthz answer (upstream: 127.0.0.1:10249). Not served where absent. */
  metrics?: { address: string; port: number };
}

/** Changes that come together become one transaction; more than this makes a new endpoint wait. */
const GATHER_MS = 10;
/** Emptied chains are deleted this much later, when the kernel has let go of the elements that named them. */
const STALE_MS = 1_500;
/** How often to look whether somebody has flushed the whole ruleset. */
const CHECK_MS = 30_000;
/** A proxy that has failed for so long sends traffic to endpoints that are gone. */
const UNHEALTHY_MS = 60_000;
const YIELD_EVERY = 100;
const SYNC = 'sync';

/**
 * Turns Services and EndpointSlices into nftables rules until the signal aborts. The rules stay when it stops:
 * traffic goes on, and the next start replaces them in one step.
 */
export async function runProxy(options: ProxyOptions, signal: AbortSignal): Promise<void> {
  const proxy = new ServiceProxy(options);
  const answers = { problem: () => proxy.problem(), metrics: () => proxy.metrics.text() };
  const addresses = [options.health, options.metrics].filter((address) => address !== undefined);
  const started: Array<{ close(): Promise<void> }> = [];
  for (const address of addresses) started.push(await startHealthServer({ ...address, ...answers }));
  try {
    await proxy.run(signal);
  } finally {
    await Promise.all(started.map((server) => server.close()));
  }
}

class ServiceProxy {
  readonly metrics = new ProxyMetrics();
  readonly #options: ProxyOptions;
  readonly #services: ResourceInformer<Service>;
  readonly #slices: ResourceInformer<EndpointSlice>;
  readonly #nodes: ResourceInformer<Node>;
  readonly #families: FamilyProxy[];
  readonly #queue: WorkQueue;
  readonly #healthChecks: HealthChecks;
  readonly #dirty = new Set<string>();
  #started = false;
  #removeStale = false;
  #failingSinceMs: number | undefined;

  constructor(options: ProxyOptions) {
    this.#options = options;
    const { client, clock, log, nodeName } = options;
    const common = { client, clock, log };
    this.#services = new ResourceInformer({
      ...common,
      resource: SERVICES,
      labelSelector: `!${PROXY_NAME_LABEL}`,
    });
    this.#slices = new ResourceInformer({
      ...common,
      resource: ENDPOINTSLICES,
      labelSelector: `!${PROXY_NAME_LABEL},!service.kubernetes.io/headless`,
      indexes: { service: (slice) => [serviceOf(slice)] },
      trim: trimSlice,
    });
    this.#nodes = new ResourceInformer({
      ...common,
      resource: NODES,
      fieldSelector: `metadata.name=${nodeName}`,
      trim: trimNode,
    });
    const run = options.run ?? runCommand;
    const clusterCidrs = parseClusterCidr(options.clusterCidr);
    const families: Family[] = existsSync('/proc/sys/net/ipv6') ? ['IPv4', 'IPv6'] : ['IPv4'];
    this.#families = families.map((family) => new FamilyProxy({ family, nodeName, clusterCidrs, run, log }));
    this.#healthChecks = new HealthChecks(log);
    this.#queue = new WorkQueue({
      clock,
      workers: 1,
      initialMs: 100,
      maxMs: 10_000,
      process: () => this.#sync(),
      onError: (_key, error) => this.#failed(error),
    });
  }

  /** Why the proxy is not healthy, for /healthz. */
  problem(): string | undefined {
    if (!this.#started) return 'the first rules are not written yet';
    const since = this.#failingSinceMs;
    if (since !== undefined && this.#options.clock.monotonicMs() - since > UNHEALTHY_MS) {
      return 'nft has refused the rules for more than a minute';
    }
    if (this.#nodes.get(this.#options.nodeName)?.metadata?.deletionTimestamp)
      return 'the node is being deleted';
    return undefined;
  }

  async run(signal: AbortSignal): Promise<void> {
    const informers = [this.#services, this.#slices, this.#nodes];
    this.#subscribe();
    await runTogether(
      [
        ...informers.map((informer) => (both: AbortSignal) => informer.run(both)),
        async (both) => {
          // Half of the state would send traffic to nowhere: the old rules stand until all is known.
          await Promise.all(informers.map((informer) => informer.whenSynced(both)));
          this.#started = true;
          this.#queue.add(SYNC);
          await untilAborted(both);
        },
        (both) => this.#watchTable(both),
      ],
      signal,
    );
    await this.#queue.stop();
    this.#healthChecks.close();
  }

  #subscribe(): void {
    const touch = (key: string) => {
      this.#dirty.add(key);
      if (this.#started) this.#queue.addAfter(SYNC, GATHER_MS);
    };
    const service = (object: Service) => touch(keyOf(object));
    this.#services.subscribe({
      added: service,
      updated: (_old, object) => service(object),
      deleted: service,
    });
    const slice = (object: EndpointSlice) => touch(serviceOf(object));
    this.#slices.subscribe({
      added: slice,
      updated: (old, object) => {
        slice(old);
        slice(object);
      },
      deleted: slice,
    });
    const node = () => this.#started && this.#queue.addAfter(SYNC, GATHER_MS);
    this.#nodes.subscribe({ added: node, updated: node, deleted: node });
  }

  async #sync(): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    const facts = this.#nodeFacts();
    const changed = this.#families.map((family) => family.setNode(facts));
    if (changed.includes(true)) for (const object of this.#services.list()) this.#dirty.add(keyOf(object));
    let count = 0;
    for (const key of this.#dirty) {
      this.#dirty.delete(key);
      this.#update(key);
      if (++count % YIELD_EVERY === 0) await nextTurn();
    }
    const removeStale = this.#removeStale;
    this.#removeStale = false;
    let wrote = false;
    for (const family of this.#families) wrote = (await family.sync({ removeStale })) || wrote;
    this.#healthChecks.sync(this.#wantedHealthChecks());
    this.#failingSinceMs = undefined;
    if (wrote) this.metrics.written(clock.monotonicMs() - startMs, clock.now());
    if (this.#families.some((family) => family.hasStaleChains)) {
      clock.after(STALE_MS, () => {
        this.#removeStale = true;
        this.#queue.add(SYNC);
      });
    }
  }

  #update(key: string): void {
    const [namespace = '', name = ''] = key.split('/');
    const service = this.#services.get(name, namespace);
    const slices = service ? this.#slices.byIndex('service', key) : [];
    for (const family of this.#families) family.update(key, service, slices);
  }

  #failed(error: unknown): void {
    this.#failingSinceMs ??= this.#options.clock.monotonicMs();
    this.metrics.failed();
    this.#options.log.error({ err: messageOf(error) }, 'the rules could not be written, trying again');
  }

  /** Reconciles against the kernel itself: Debian's nftables.service, among others, flushes every table. */
  async #watchTable(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(CHECK_MS, signal).catch(() => {});
      if (signal.aborted || !this.#started) continue;
      try {
        for (const family of this.#families) if (!(await family.check())) this.#queue.add(SYNC);
      } catch (error) {
        this.#options.log.warn({ err: messageOf(error) }, 'cannot look at the tables');
      }
    }
  }

  #nodeFacts(): NodeFacts {
    const node = this.#nodes.get(this.#options.nodeName);
    const addresses = (node?.status?.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
      .map(({ address }) => address);
    return {
      zone: node?.metadata?.labels?.['topology.kubernetes.io/zone'] ?? '',
      ips: this.#options.nodeIps ?? addresses,
    };
  }

  #wantedHealthChecks(): Map<number, HealthCheck> {
    const checks = new Map<number, HealthCheck>();
    for (const service of this.#services.list()) {
      const { type, externalTrafficPolicy, healthCheckNodePort } = service.spec ?? {};
      if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || !healthCheckNodePort) continue;
      const here = new Set<string>();
      for (const { endpoints = [] } of this.#slices.byIndex('service', keyOf(service))) {
        for (const { addresses, conditions, nodeName } of endpoints) {
          if (nodeName === this.#options.nodeName && conditions?.ready !== false)
            here.add(addresses[0] ?? '');
        }
      }
      const { namespace = '', name = '' } = service.metadata ?? {};
      checks.set(healthCheckNodePort, { namespace, name, localEndpoints: here.size });
    }
    return checks;
  }
}

/** Splits and checks a cluster range; one range, or one of each family with a comma between. */
export function parseClusterCidr(text: string): string[] {
  const cidrs = text.split(',').map((part) => part.trim());
  const bad = cidrs.find((cidr) => familyOfCidr(cidr) === undefined);
  if (bad === undefined) return cidrs;
  throw new SlipwayError('E_CLUSTER_CIDR', `the cluster range must be a CIDR: current value is "${bad}"`, {
    hint: 'give it as 10.244.0.0/16, or one of each IP family as 10.244.0.0/16,fd00:10:244::/56',
  });
}

function keyOf(object: Service): string {
  return `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
}

function serviceOf(slice: EndpointSlice): string {
  const { namespace = '', labels } = slice.metadata ?? {};
  return `${namespace}/${labels?.['kubernetes.io/service-name'] ?? ''}`;
}

/** Keeps of a slice what rules are made of: a cluster has as many endpoints as pods. */
function trimSlice(slice: EndpointSlice): EndpointSlice {
  for (const endpoint of slice.endpoints ?? []) {
    delete endpoint.targetRef;
    delete endpoint.deprecatedTopology;
  }
  if (slice.metadata) delete slice.metadata.annotations;
  return dropManagedFields(slice);
}

/** A Node changes with every heartbeat; images and conditions are none of our business. */
function trimNode(node: Node): Node {
  if (node.status) {
    const { addresses } = node.status;
    node.status = addresses ? { addresses } : {};
  }
  return dropManagedFields(node);
}
