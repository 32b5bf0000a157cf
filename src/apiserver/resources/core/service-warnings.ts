import type { LoadBalancerStatus, Service } from '../../../api/gen/types/core-v1.ts';
import { at } from '../validation/checks.ts';
import { cidrWarnings, ipWarnings } from '../validation/ip-warnings.ts';

/** Mirrors pkg/api/service/warnings.go. */
export function serviceWarnings({ metadata, spec = {} }: Service): string[] {
  const { type, clusterIP, clusterIPs = [], externalIPs = [], loadBalancerIP } = spec;
  const warnings: string[] = [];
  if (metadata?.annotations?.['service.kubernetes.io/topology-aware-hints'] !== undefined) {
    const now = 'please use service.kubernetes.io/topology-mode instead';
    warnings.push(`annotation service.kubernetes.io/topology-aware-hints is deprecated, ${now}`);
  }
  const byName = type === 'ExternalName';
  const headless = type === 'ClusterIP' && clusterIP === 'None';
  if (clusterIP && !headless && !byName) {
    clusterIPs.forEach((ip, index) => warnings.push(...ipWarnings(at('spec.clusterIPs', index), ip)));
  }
  if (headless) {
    const ignored = (field: string): number =>
      warnings.push(`spec.${field} is ignored for headless services`);
    if (loadBalancerIP) ignored('loadBalancerIP');
    if (externalIPs.length > 0) ignored('externalIPs');
    if (spec.sessionAffinity !== 'None') ignored('SessionAffinity');
  }
  externalIPs.forEach((ip, index) => warnings.push(...ipWarnings(at('spec.externalIPs', index), ip)));
  if (externalIPs.length > 0 && !headless && !byName) {
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  }
  if (loadBalancerIP) warnings.push(...ipWarnings('spec.loadBalancerIP', loadBalancerIP));
  (spec.loadBalancerSourceRanges ?? []).forEach((range, index) =>
    warnings.push(...cidrWarnings(at('spec.loadBalancerSourceRanges', index), range)),
  );
  if (byName && externalIPs.length > 0) {
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  }
  if (!byName && spec.externalName) {
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  }
  if (spec.trafficDistribution === 'PreferClose') {
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  }
  return warnings;
}

/** Of the addresses at which a load balancer is reached: a Service's or an Ingress's. */
export function loadBalancerWarnings(status: Pick<LoadBalancerStatus, 'ingress'> | undefined): string[] {
  return (status?.ingress ?? []).flatMap(({ ip }, index) =>
    ip ? ipWarnings(at('status.loadBalancer.ingress', index), ip) : [],
  );
}
