import type { Service, ServiceSpec } from '../../../api/gen/types/core-v1.ts';

/** Small questions about services that defaulting, validation and allocation share. */

export const isHeadless = (spec: ServiceSpec | undefined): boolean =>
  spec?.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';

export const needsClusterIp = (spec: ServiceSpec | undefined): boolean =>
  ['ClusterIP', 'NodePort', 'LoadBalancer'].includes(spec?.type ?? '');

/** Whether ports of nodes lead to it. */
export function needsNodePorts(spec: ServiceSpec | undefined): boolean {
  if (spec?.type === 'NodePort') return true;
  return spec?.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false;
}

export const mayHaveNodePorts = (spec: ServiceSpec | undefined): boolean =>
  spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';

export function isExternallyAccessible(spec: ServiceSpec | undefined): boolean {
  const external = needsClusterIp(spec) && (spec?.externalIPs?.length ?? 0) > 0;
  return mayHaveNodePorts(spec) || external;
}

export const needsHealthCheck = (spec: ServiceSpec | undefined): boolean =>
  spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** The cluster's addresses that the service holds, 'None' left out. */
export function heldAddresses(service: Service | undefined): string[] {
  return (service?.spec?.clusterIPs ?? []).filter((address) => address !== '' && address !== 'None');
}

/** The node ports that the service holds, each once. */
export function heldNodePorts(service: Service | undefined): number[] {
  const ports = (service?.spec?.ports ?? []).map((port) => port.nodePort ?? 0);
  if (service?.spec?.healthCheckNodePort) ports.push(service.spec.healthCheckNodePort);
  return [...new Set(ports.filter((port) => port !== 0))];
}
