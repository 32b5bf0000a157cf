import type { Service, ServicePort } from '../api/gen/types/core-v1.ts';
import { familyOf, familyOfCidr, type Family } from './family.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** One port of one Service in one IP family: what rules are made for. Mirrors pkg/proxy/serviceport.go. */
export interface ProxiedPort {
  /** 'namespace/name/tcp/80': unique in the cluster, and fit to be part of an nft name. */
  key: string;
  protocol: Protocol;
  /** Name by which EndpointSlices know the port; '' for the nameless one. */
  name: string;
  port: number;
  clusterIp: string;
  nodePort: number | undefined;
  externalIps: readonly string[];
  loadBalancerIps: readonly string[];
  loadBalancerSourceRanges: readonly string[];
  /** Seconds that a client stays with its endpoint; undefined without session affinity. */
  affinitySeconds: number | undefined;
  internalPolicyLocal: boolean;
  externalPolicyLocal: boolean;
}

/** Services that carry this label belong to another proxy. */
export const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
const DEFAULT_AFFINITY_SECONDS = 10_800;
const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };
const NAME = /^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$/;

const isPort = (value: number | undefined): value is number =>
  value !== undefined && Number.isInteger(value) && value > 0 && value <= 65_535;

/** The ports of a Service that this proxy serves in a family; none for headless, external and foreign ones. */
export function proxiedPorts(service: Service, family: Family): ProxiedPort[] {
  const { metadata, spec, status } = service;
  const { namespace = '', name = '' } = metadata ?? {};
  if (!spec || spec.type === 'ExternalName' || metadata?.labels?.[PROXY_NAME_LABEL] !== undefined) return [];
  if (!NAME.test(namespace) || !NAME.test(name)) return [];
  const clusterIps = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
  const clusterIp = clusterIps.find((ip) => familyOf(ip) === family);
  if (clusterIp === undefined) return [];
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  const ofFamily = (addresses: ReadonlyArray<string | undefined>) =>
    [...new Set(addresses.filter((ip): ip is string => familyOf(ip) === family))].sort();
  // An ingress of mode Proxy is a load balancer that wants its traffic sent through it.
  const ingress = (status?.loadBalancer?.ingress ?? []).filter(({ ipMode = 'VIP' }) => ipMode === 'VIP');
  const common = {
    clusterIp,
    externalIps: ofFamily(spec.externalIPs ?? []),
    loadBalancerIps: spec.type === 'LoadBalancer' ? ofFamily(ingress.map(({ ip }) => ip)) : [],
    loadBalancerSourceRanges: (spec.loadBalancerSourceRanges ?? [])
      .map((range) => range.trim())
      .filter((range) => familyOfCidr(range) === family)
      .sort(),
    affinitySeconds:
      spec.sessionAffinity === 'ClientIP'
        ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS)
        : undefined,
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
    externalPolicyLocal:
      (external || (spec.externalIPs ?? []).length > 0) && spec.externalTrafficPolicy === 'Local',
  };
  return (spec.ports ?? []).flatMap((port) => proxiedPort(`${namespace}/${name}`, port, external, common));
}

function proxiedPort(
  service: string,
  port: ServicePort,
  external: boolean,
  common: Omit<ProxiedPort, 'key' | 'protocol' | 'name' | 'port' | 'nodePort'>,
): ProxiedPort[] {
  const protocol = PROTOCOLS[port.protocol ?? 'TCP'];
  if (protocol === undefined || !isPort(port.port)) return [];
  const nodePort = external && isPort(port.nodePort) ? port.nodePort : undefined;
  const key = `${service}/${protocol}/${port.port}`;
  return [{ key, protocol, name: port.name ?? '', port: port.port, nodePort, ...common }];
}

/** Whether the port can be reached by an address other than its cluster IP. */
export function isExternallyAccessible(port: ProxiedPort): boolean {
  return port.nodePort !== undefined || port.externalIps.length > 0 || port.loadBalancerIps.length > 0;
}

/** Whether some traffic to the port may go to endpoints on any node. */
export function usesClusterEndpoints(port: ProxiedPort): boolean {
  // An external policy of Local still lets pods and the node itself take any endpoint.
  return !port.internalPolicyLocal || isExternallyAccessible(port);
}

/** Whether some traffic to the port goes to endpoints on this node alone. */
export function usesLocalEndpoints(port: ProxiedPort): boolean {
  return port.internalPolicyLocal || (port.externalPolicyLocal && isExternallyAccessible(port));
}
