import { BlockList, isIPv4 } from 'node:net';
import type { Service } from '../api/gen/types/core-v1.ts';
import type { EndpointSlice } from '../api/gen/types/discovery-v1.ts';
import { chooseEndpoints, endpointsOf, type NodePlace, type ProxiedEndpoint } from './endpoints.ts';
import { FAMILY_TERMS, type Family } from './family.ts';
import {
  isExternallyAccessible,
  proxiedPorts,
  usesLocalEndpoints,
  type ProxiedPort,
} from './service-ports.ts';
import { MASQUERADE_RULE, type Container } from './skeleton.ts';

/** What one Service wants to stand in our table. Plain data: two of them can be compared. */
export interface ServiceRules {
  /** Chain name to its rules. */
  chains: Map<string, readonly string[]>;
  /** Name of a set of client addresses to the seconds after which a client is forgotten. */
  affinitySets: Map<string, number>;
  elements: ReadonlyArray<readonly [container: Container, key: string, verdict: string]>;
}

export interface RulesContext extends NodePlace {
  family: Family;
  /** Pod ranges of the family. */
  clusterCidrs: readonly string[];
  /** Addresses of the node in the family. */
  nodeIps: readonly string[];
}

/** Pure: the rules of one Service on this node. Mirrors pkg/proxy/nftables/proxier.go, syncProxyRules. */
export function buildServiceRules(
  service: Service,
  slices: readonly EndpointSlice[],
  context: RulesContext,
): ServiceRules {
  const builder = new RulesBuilder(context);
  for (const port of proxiedPorts(service, context.family)) {
    builder.addPort(port, endpointsOf(port, slices, context.family, context.nodeName));
  }
  return builder.rules;
}

/** nft names know no colon. */
const nameOf = (address: string): string => address.replaceAll(':', '.');

/** Endpoint chains exist for session affinity alone, one for each endpoint of a port. */
const endpointChain = (port: ProxiedPort, { ip, port: target }: ProxiedEndpoint): string =>
  `endpoint-${port.key}/${nameOf(ip)}/${target}`;

const affinitySet = (port: ProxiedPort, { ip, port: target }: ProxiedEndpoint): string =>
  `affinity-${port.affinitySeconds}-${port.key}/${nameOf(ip)}/${target}`;

class RulesBuilder {
  readonly rules: ServiceRules;
  readonly #elements: Array<readonly [Container, string, string]> = [];
  readonly #context: RulesContext;
  readonly #ip: string;

  constructor(context: RulesContext) {
    this.#context = context;
    this.#ip = FAMILY_TERMS[context.family].ip;
    this.rules = { chains: new Map(), affinitySets: new Map(), elements: this.#elements };
  }

  addPort(port: ProxiedPort, endpoints: readonly ProxiedEndpoint[]): void {
    const choice = chooseEndpoints(port, endpoints, this.#context);
    const clusterChain = `cluster-${port.key}`;
    const localChain = `local-${port.key}`;
    if (choice.cluster.length > 0) this.#policyChain(port, clusterChain, choice.cluster);
    if (usesLocalEndpoints(port) && choice.local.length > 0)
      this.#policyChain(port, localChain, choice.local);
    this.#hairpins(port, [...choice.cluster, ...choice.local]);

    const hasInternal = port.internalPolicyLocal ? choice.local.length > 0 : choice.any;
    this.#elements.push(['cluster-ips', port.clusterIp, '']);
    const target = `${port.clusterIp} . ${port.protocol} . ${port.port}`;
    if (hasInternal) {
      const chain = port.internalPolicyLocal ? localChain : clusterChain;
      this.#elements.push(['service-ips', target, `goto ${chain}`]);
    } else {
      this.#elements.push(['no-endpoint-services', target, refusal(choice.any)]);
    }
    if (isExternallyAccessible(port)) this.#external(port, choice, clusterChain, localChain);
  }

  #external(
    port: ProxiedPort,
    choice: { cluster: ProxiedEndpoint[]; local: ProxiedEndpoint[]; any: boolean },
    clusterChain: string,
    localChain: string,
  ): void {
    const chain = `external-${port.key}`;
    const reachable = port.externalPolicyLocal ? choice.local.length > 0 : choice.any;
    if (choice.any) {
      this.rules.chains.set(chain, this.#externalRules(port, reachable, clusterChain, localChain));
    }
    const firewall = `firewall-${port.key}`;
    const guarded = port.loadBalancerIps.length > 0 && port.loadBalancerSourceRanges.length > 0;
    if (guarded) this.rules.chains.set(firewall, [this.#sourceRangeRule(port)]);
    for (const ip of [...port.externalIps, ...port.loadBalancerIps]) {
      const target = `${ip} . ${port.protocol} . ${port.port}`;
      if (choice.any) this.#elements.push(['service-ips', target, `goto ${chain}`]);
      if (!reachable) this.#elements.push(['no-endpoint-services', target, refusal(choice.any)]);
      if (guarded && port.loadBalancerIps.includes(ip)) {
        this.#elements.push(['firewall-ips', target, `goto ${firewall}`]);
      }
    }
    if (port.nodePort === undefined) return;
    const target = `${port.protocol} . ${port.nodePort}`;
    if (choice.any) this.#elements.push(['service-nodeports', target, `goto ${chain}`]);
    if (!reachable) this.#elements.push(['no-endpoint-nodeports', target, refusal(choice.any)]);
  }

  #externalRules(port: ProxiedPort, reachable: boolean, clusterChain: string, localChain: string): string[] {
    // The endpoint may be on another node: its answer must come back here.
    if (!port.externalPolicyLocal) return [MASQUERADE_RULE, `goto ${clusterChain}`];
    const rules: string[] = [];
    // Pods and the node itself are inside: the external policy does not bind them.
    if (this.#context.clusterCidrs.length > 0) {
      rules.push(`${this.#ip} saddr { ${this.#context.clusterCidrs.join(', ')} } goto ${clusterChain}`);
    }
    rules.push(`fib saddr type local ${MASQUERADE_RULE}`, `fib saddr type local goto ${clusterChain}`);
    if (reachable) rules.push(`goto ${localChain}`);
    return rules;
  }

  #sourceRangeRule(port: ProxiedPort): string {
    const sources = new Set(port.loadBalancerSourceRanges);
    // A node that owns the balancer's address calls it from that very address.
    if (this.#context.nodeIps.some((ip) => [...sources].some((range) => rangeContains(range, ip)))) {
      for (const ip of port.loadBalancerIps) sources.add(ip);
    }
    return `${this.#ip} saddr != { ${[...sources].join(', ')} } drop`;
  }

  /** A pod that reaches itself through a Service must see another address than its own as the client. */
  #hairpins(port: ProxiedPort, endpoints: readonly ProxiedEndpoint[]): void {
    const seen = new Set<string>();
    for (const { ip, port: target, local } of endpoints) {
      const key = `${ip} . ${ip} . ${port.protocol} . ${target}`;
      if (!local || seen.has(key)) continue;
      seen.add(key);
      this.#elements.push(['hairpin-connections', key, '']);
    }
  }

  /** One chain that spreads new connections over the endpoints, keeping known clients where they were. */
  #policyChain(port: ProxiedPort, chain: string, endpoints: readonly ProxiedEndpoint[]): void {
    const pick = `numgen random mod ${endpoints.length}`;
    if (port.affinitySeconds === undefined) {
      const targets = endpoints.map(({ ip, port: target }, index) => `${index} : ${ip} . ${target}`);
      this.rules.chains.set(chain, [
        `meta l4proto ${port.protocol} dnat ${this.#ip} addr . port to ${pick} map { ${targets.join(', ')} }`,
      ]);
      return;
    }
    const rules: string[] = [];
    for (const endpoint of endpoints) {
      const own = endpointChain(port, endpoint);
      const clients = affinitySet(port, endpoint);
      rules.push(`${this.#ip} saddr @${clients} goto ${own}`);
      this.rules.affinitySets.set(clients, port.affinitySeconds);
      const { ip, port: target } = endpoint;
      const address = this.#context.family === 'IPv6' ? `[${ip}]` : ip;
      this.rules.chains.set(own, [
        `update @${clients} { ${this.#ip} saddr }`,
        `meta l4proto ${port.protocol} dnat to ${address}:${target}`,
      ]);
    }
    const jumps = endpoints.map((endpoint, index) => `${index} : goto ${endpointChain(port, endpoint)}`);
    this.rules.chains.set(chain, [...rules, `${pick} vmap { ${jumps.join(', ')} }`]);
  }
}

/** Without any endpoint the client is told; where only this node has none, another node may be tried: silence. */
const refusal = (hasEndpoints: boolean): string => (hasEndpoints ? 'drop' : 'goto reject-chain');

/** Whether an address lies in a range of the same family. */
export function rangeContains(range: string, ip: string): boolean {
  const [network = '', bits] = range.split('/');
  const list = new BlockList();
  list.addSubnet(network, Number(bits), isIPv4(network) ? 'ipv4' : 'ipv6');
  return list.check(ip, isIPv4(ip) ? 'ipv4' : 'ipv6');
}
