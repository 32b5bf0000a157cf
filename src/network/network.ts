import { NODES } from '../api/gen/resources.ts';
import type { Node } from '../api/gen/types/core-v1.ts';
import { rfc3339, type Clock } from '../base/clock.ts';
import { runCommand, type RunCommand } from '../base/command.ts';
import { messageOf, SlipwayError } from '../base/errors.ts';
import { startHealthServer } from '../base/health-server.ts';
import { runTogether, untilAborted } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import { WorkQueue } from '../base/work-queue.ts';
import type { Client } from '../client/client.ts';
import { dropManagedFields, ResourceInformer } from '../client/informer.ts';
import { cniConfig, writeCniConfig } from './cni-config.ts';
import { acceptForwarding, applyTable, masqueradeTable, tableStands } from './firewall.ts';
import { applyRoutes, desiredRoutes, internalIpOf, podCidrsOf, type IpFamily } from './routes.ts';

export interface NetworkOptions {
  client: Client;
  /** The Node that this process serves. */
  nodeName: string;
  /** Pod ranges of the whole cluster, one or (with a comma) one of each family: '10.244.0.0/16'. */
  clusterCidr: string;
  /** Where containerd looks for its network configuration. Default /etc/cni/net.d. */
  cniConfDir?: string;
  clock: Clock;
  log: Logger;
  /** Runs ip, nft, iptables and sh. Default: the system's. */
  run?: RunCommand;
  /** Where /healthz and /metrics answer (127.0.0.1:10260). Not served where absent. */
  metrics?: { address: string; port: number };
}

const SYNC = 'sync';
/** Nodes that join together are routed together. */
const GATHER_MS = 20;
/** The kernel forgets routes when a link goes down, and a flushed ruleset tells nobody: we look by ourselves. */
const CHECK_MS = 30_000;

/**
 * Connects the node's pods to those of all other nodes, by routes, until the signal aborts. What it set up stays
 * when it stops: pods keep talking.
 */
export async function runNetwork(options: NetworkOptions, signal: AbortSignal): Promise<void> {
  const network = new PodNetwork(options);
  const health = options.metrics
    ? await startHealthServer({
        ...options.metrics,
        problem: () => network.problem(),
        metrics: () => network.metrics(),
      })
    : undefined;
  try {
    await network.run(signal);
  } finally {
    await health?.close();
  }
}

class PodNetwork {
  readonly #options: Required<Pick<NetworkOptions, 'run' | 'cniConfDir'>> & NetworkOptions;
  readonly #clusterCidrs: readonly string[];
  readonly #nodes: ResourceInformer<Node>;
  readonly #queue: WorkQueue;
  readonly #tables = new Map<IpFamily, string>();
  readonly #unroutable = new Set<string>();
  #problem: string | undefined = 'the nodes are not known yet';
  #syncs = 0;
  #routes = 0;

  constructor(options: NetworkOptions) {
    this.#options = { run: runCommand, cniConfDir: '/etc/cni/net.d', ...options };
    this.#clusterCidrs = options.clusterCidr.split(',').map((cidr) => cidr.trim());
    if (this.#clusterCidrs.some((cidr) => !/^[0-9a-fA-F.:]+\/\d{1,3}$/.test(cidr))) {
      throw new SlipwayError(
        'E_CLUSTER_CIDR',
        `the cluster range must be a CIDR: current value is "${options.clusterCidr}"`,
        {
          hint: 'give it as 10.244.0.0/16, or one of each IP family as 10.244.0.0/16,fd00:10:244::/56',
        },
      );
    }
    const { client, clock, log } = options;
    this.#nodes = new ResourceInformer({ client, clock, log, resource: NODES, trim: trimNode });
    this.#queue = new WorkQueue({
      clock,
      workers: 1,
      initialMs: 200,
      maxMs: 15_000,
      process: () => this.#sync(),
      onError: (_key, error) => {
        this.#problem = messageOf(error);
        log.error({ err: messageOf(error) }, 'the pod network could not be set up, trying again');
      },
    });
  }

  problem(): string | undefined {
    return this.#problem;
  }

  metrics(): string {
    return (
      `# TYPE slipway_network_syncs_total counter\nslipway_network_syncs_total ${this.#syncs}\n` +
      `# TYPE slipway_network_routes gauge\nslipway_network_routes ${this.#routes}\n` +
      `# TYPE slipway_network_unroutable_nodes gauge\nslipway_network_unroutable_nodes ${this.#unroutable.size}\n`
    );
  }

  async run(signal: AbortSignal): Promise<void> {
    let started = false;
    const touch = () => started && this.#queue.addAfter(SYNC, GATHER_MS);
    this.#nodes.subscribe({
      added: touch,
      updated: (old, node) => describe(old) !== describe(node) && touch(),
      deleted: touch,
    });
    await runTogether(
      [
        (both) => this.#nodes.run(both),
        async (both) => {
          await this.#nodes.whenSynced(both);
          started = true;
          this.#queue.add(SYNC);
          await untilAborted(both);
        },
        async (both) => {
          while (!both.aborted) {
            await this.#options.clock.sleep(CHECK_MS, both).catch(() => {});
            if (started) this.#queue.add(SYNC);
          }
        },
      ],
      signal,
    );
    await this.#queue.stop();
  }

  async #sync(): Promise<void> {
    const { nodeName, log } = this.#options;
    const nodes = this.#nodes.list();
    const own = this.#nodes.get(nodeName);
    const podCidrs = own ? podCidrsOf(own) : [];
    if (!own || podCidrs.length === 0) {
      // Routes that stand stay: a Node that is being registered again keeps its pods.
      const problem = own ? 'the node has no pod range yet' : `there is no Node named ${nodeName} yet`;
      if (this.#problem !== problem) log.info({ nodeName }, problem);
      this.#problem = problem;
      return;
    }
    const families = ([4, 6] as const).filter((family) =>
      podCidrs.some((cidr) => cidr.includes(':') === (family === 6)),
    );
    let routes = 0;
    for (const family of families) {
      await this.#allowForwarding(family);
      routes += await this.#route(family, nodes);
      await this.#masquerade(family, podCidrs, nodes);
    }
    await this.#configurePods(own, podCidrs);
    await this.#reportReady(own);
    this.#routes = routes;
    this.#syncs++;
    this.#problem = undefined;
  }

  async #allowForwarding(family: IpFamily): Promise<void> {
    const { run, log } = this.#options;
    const setting = family === 4 ? 'ipv4/ip_forward' : 'ipv6/conf/all/forwarding';
    const path = `/proc/sys/net/${setting}`;
    await run('sh', ['-c', `[ "$(cat ${path})" = 1 ] || echo 1 > ${path}`]);
    if (await acceptForwarding(run, family, this.#clusterCidrs)) {
      log.info({ family }, 'the firewall drops what the host forwards: added an exception for pods');
    }
  }

  async #route(family: IpFamily, nodes: readonly Node[]): Promise<number> {
    const { run, log, nodeName } = this.#options;
    const wanted = desiredRoutes(nodes, nodeName, family);
    const { changed, failed } = await applyRoutes(run, family, wanted);
    if (changed > 0) log.info({ family, changed, routes: wanted.length }, 'routes to pods changed');
    const now = new Set(failed.map(({ destination, via }) => `${destination} via ${via}`));
    for (const route of now) {
      if (this.#unroutable.has(route)) continue;
      log.error({ route }, 'no route to a node: its internal address is on no network of this node');
    }
    for (const route of this.#unroutable) if (!now.has(route)) this.#unroutable.delete(route);
    for (const route of now) this.#unroutable.add(route);
    return wanted.length - failed.length;
  }

  async #masquerade(family: IpFamily, podCidrs: readonly string[], nodes: readonly Node[]): Promise<void> {
    const { run } = this.#options;
    const table = masqueradeTable({ family, podCidrs, nodes, clusterCidrs: this.#clusterCidrs });
    if (table === undefined) return;
    if (this.#tables.get(family) === table && (await tableStands(run, family))) return;
    await applyTable(run, family, table);
    this.#tables.set(family, table);
  }

  async #configurePods(own: Node, podCidrs: readonly string[]): Promise<void> {
    const { run, cniConfDir, log } = this.#options;
    const address = internalIpOf(own, 4) ?? internalIpOf(own, 6);
    const mtu = address === undefined ? undefined : mtuOf(await run('ip', ['-j', 'addr', 'show']), address);
    const config = cniConfig({ podCidrs, ...(mtu === undefined ? {} : { mtu }) });
    if (await writeCniConfig(cniConfDir, config)) log.info({ podCidrs, mtu }, 'CNI configuration written');
  }

  /** Tells the scheduler (by way of the node lifecycle's taints) that pods here have a network. */
  async #reportReady(own: Node): Promise<void> {
    const { client, clock, nodeName } = this.#options;
    const known = own.status?.conditions?.find(({ type }) => type === 'NetworkUnavailable');
    if (known?.status === 'False') return;
    const time = rfc3339(clock.now());
    const condition = {
      type: 'NetworkUnavailable',
      status: 'False',
      reason: 'RouteCreated',
      message: 'routes to the pods of all nodes are set',
      lastHeartbeatTime: time,
      lastTransitionTime: time,
    };
    await client.patch(
      NODES,
      { name: nodeName },
      { status: { conditions: [condition] } },
      {
        type: 'strategic',
        subresource: 'status',
      },
    );
  }
}

/** The MTU of the interface that has an address, from `ip -j addr show`. */
export function mtuOf(json: string, address: string): number | undefined {
  const links = JSON.parse(json) as Array<{ mtu?: number; addr_info?: Array<{ local?: string }> }>;
  return links.find(({ addr_info = [] }) => addr_info.some(({ local }) => local === address))?.mtu;
}

/** What of a Node matters here, to tell a heartbeat from a change. */
function describe(node: Node): string {
  return JSON.stringify([node.spec?.podCIDR, node.spec?.podCIDRs, node.status]);
}

function trimNode(node: Node): Node {
  const { addresses = [], conditions = [] } = node.status ?? {};
  const { podCIDR, podCIDRs } = node.spec ?? {};
  const network = conditions.filter(({ type }) => type === 'NetworkUnavailable');
  node.status = {
    addresses,
    // A heartbeat's time is no change.
    conditions: network.map(({ type, status }) => ({ type, status })),
  };
  node.spec = {
    ...(podCIDR === undefined ? {} : { podCIDR }),
    ...(podCIDRs === undefined ? {} : { podCIDRs }),
  };
  return dropManagedFields(node);
}
