import type { Service } from '../api/gen/types/core-v1.ts';
import type { EndpointSlice } from '../api/gen/types/discovery-v1.ts';
import type { RunCommand } from '../base/command.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { cleanStaleFlows, type UdpFrontend } from './conntrack.ts';
import { endpointsOf } from './endpoints.ts';
import { familyOf, familyOfCidr, type Family } from './family.ts';
import { NftTable } from './nft-table.ts';
import { buildServiceRules } from './rules.ts';
import { proxiedPorts } from './service-ports.ts';

export interface FamilyProxyOptions {
  family: Family;
  nodeName: string;
  /** Pod ranges of the cluster, of any family. */
  clusterCidrs: readonly string[];
  run: RunCommand;
  log: Logger;
}

/** Where the node is and how it is reached; changes with the Node object. */
export interface NodeFacts {
  zone: string;
  ips: readonly string[];
}

/** The proxy of one IP family: turns changed Services into rules and keeps UDP flows off gone endpoints. */
export class FamilyProxy {
  readonly #options: FamilyProxyOptions;
  readonly #clusterCidrs: readonly string[];
  readonly #table: NftTable;
  /** UDP ports by Service, with their endpoints as text to see a change by. */
  readonly #udp = new Map<string, { frontends: UdpFrontend[]; backends: string }>();
  #cleanFlows = false;
  #node: NodeFacts = { zone: '', ips: [] };

  constructor(options: FamilyProxyOptions) {
    this.#options = options;
    this.#clusterCidrs = options.clusterCidrs.filter((cidr) => familyOfCidr(cidr) === options.family);
    const { family, run, log } = options;
    this.#table = new NftTable({ family, run, log, clusterCidrs: this.#clusterCidrs });
  }

  /** Takes over the node's facts; true where they changed, and every Service must be looked at again. */
  setNode(node: NodeFacts): boolean {
    const ips = node.ips.filter((ip) => familyOf(ip) === this.#options.family).sort();
    if (node.zone === this.#node.zone && ips.join() === this.#node.ips.join()) return false;
    this.#node = { zone: node.zone, ips };
    const elements = ips.map((ip) => ['nodeport-ips', ip, ''] as const);
    // No Service has a name without a slash.
    this.#table.rules.update('node', { chains: new Map(), affinitySets: new Map(), elements });
    return true;
  }

  /** Computes the rules of one Service; undefined where it is gone. Nothing is written yet. */
  update(key: string, service: Service | undefined, slices: readonly EndpointSlice[]): void {
    const { family, nodeName } = this.#options;
    if (!service) {
      this.#table.rules.update(key, undefined);
      this.#udp.delete(key);
      return;
    }
    const context = {
      family,
      nodeName,
      zone: this.#node.zone,
      nodeIps: this.#node.ips,
      clusterCidrs: this.#clusterCidrs,
    };
    this.#table.rules.update(key, buildServiceRules(service, slices, context));
    const frontends = proxiedPorts(service, family)
      .filter(({ protocol }) => protocol === 'udp')
      .map((port) => ({ port, endpoints: endpointsOf(port, slices, family, nodeName) }));
    if (frontends.length === 0) {
      this.#udp.delete(key);
      return;
    }
    const backends = JSON.stringify(frontends);
    if (this.#udp.get(key)?.backends === backends) return;
    this.#udp.set(key, { frontends, backends });
    this.#cleanFlows = true;
  }

  /** Writes what differs to the kernel, then forgets UDP flows that lead nowhere. */
  async sync(options: { removeStale: boolean }): Promise<boolean> {
    const wrote = await this.#table.sync(options);
    if (this.#cleanFlows) {
      this.#cleanFlows = false;
      await this.#clean();
    }
    return wrote;
  }

  async #clean(): Promise<void> {
    const { run, family, log } = this.#options;
    const frontends = [...this.#udp.values()].flatMap(({ frontends }) => frontends);
    try {
      const forgotten = await cleanStaleFlows(run, family, frontends, this.#node.ips);
      if (forgotten > 0) log.info({ family, forgotten }, 'forgot UDP flows to endpoints that are gone');
    } catch (error) {
      // The rules stand; the flows end by themselves after their timeout.
      log.warn({ family, err: messageOf(error) }, 'cannot look through the kernel UDP flows');
    }
  }

  get hasStaleChains(): boolean {
    return this.#table.rules.hasStaleChains;
  }

  /** Whether our table stands in the kernel. */
  async check(): Promise<boolean> {
    return await this.#table.check();
  }
}
