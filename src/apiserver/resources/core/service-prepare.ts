import type { Service, ServiceSpec } from '../../../api/gen/types/core-v1.ts';
import { invalid } from '../../field-error.ts';
import { sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { ipFamily } from '../validation/ip.ts';
import { validateClusterIps } from './service-validation.ts';
import {
  isExternallyAccessible,
  isHeadless,
  mayHaveNodePorts,
  needsClusterIp,
  needsHealthCheck,
} from './service-rules.ts';

/** Mirrors SetDefaults_Service of pkg/apis/core/v1/defaults.go. */
export function defaultService(service: Service): void {
  service.spec ??= {};
  const { spec } = service;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (
    spec.sessionAffinity === 'ClientIP' &&
    spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined
  ) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10800 } };
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') {
      port.targetPort = port.port;
    }
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (needsClusterIp(spec)) spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type !== 'LoadBalancer') return;
  spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of service.status?.loadBalancer?.ingress ?? []) {
    if (ingress.ip) ingress.ipMode ??= 'VIP';
  }
}

/**
 * `clusterIP` is the first of `clusterIPs`; clients that know only one of the two write one of the two.
 * Mirrors normalizeClusterIPs of pkg/registry/core/service/storage/storage.go.
 */
export function normalizeClusterIps(spec: ServiceSpec, old: ServiceSpec | undefined): void {
  const sameList = sameJson(spec.clusterIPs, old?.clusterIPs);
  if (!old) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  if (old.clusterIP && !spec.clusterIP) {
    if (sameList) delete spec.clusterIPs;
    return;
  }
  if (spec.clusterIP && spec.clusterIP !== old.clusterIP && sameList) spec.clusterIPs = [spec.clusterIP];
  if (spec.clusterIP && !spec.clusterIPs?.length && spec.clusterIP !== old.clusterIP) {
    spec.clusterIPs = [spec.clusterIP];
  }
}

/** What was allocated before stays where the update says nothing of it. Mirrors patchAllocatedValues. */
export function keepAllocated(spec: ServiceSpec, old: ServiceSpec): void {
  if (needsClusterIp(old) && needsClusterIp(spec)) {
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if (!spec.clusterIPs?.length && spec.clusterIP === old.clusterIP && old.clusterIPs) {
      spec.clusterIPs = [...old.clusterIPs];
    }
  }
  if (mayHaveNodePorts(old) && mayHaveNodePorts(spec)) keepNodePorts(spec, old);
  if (needsHealthCheck(old) && needsHealthCheck(spec) && !spec.healthCheckNodePort) {
    if (old.healthCheckNodePort) spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

/** Ports are the same by protocol and number; a node port that is now given elsewhere is free for no other. */
function keepNodePorts(spec: ServiceSpec, old: ServiceSpec): void {
  const taken = new Set((spec.ports ?? []).map((port) => `${port.protocol}/${port.nodePort ?? 0}`));
  for (const port of spec.ports ?? []) {
    if (port.nodePort) continue;
    const before = old.ports?.find((one) => one.port === port.port && one.protocol === port.protocol);
    if (before?.nodePort && !taken.has(`${port.protocol}/${before.nodePort}`)) {
      port.nodePort = before.nodePort;
      taken.add(`${port.protocol}/${before.nodePort}`);
    }
  }
}

/**
 * A service that changes its type sheds what only the old type has, unless the client set it anew.
 * Mirrors dropTypeDependentFields of pkg/registry/core/service/strategy.go.
 */
export function dropTypeFields(spec: ServiceSpec, old: ServiceSpec): void {
  const drop = (field: keyof ServiceSpec) => {
    if (sameJson(spec[field], old[field])) delete spec[field];
  };
  if (needsClusterIp(old) && !needsClusterIp(spec)) {
    drop('clusterIP');
    drop('clusterIPs');
    drop('ipFamilies');
    drop('ipFamilyPolicy');
    drop('internalTrafficPolicy');
  }
  if (mayHaveNodePorts(old) && !mayHaveNodePorts(spec)) {
    const before = new Set((old.ports ?? []).map((port) => port.nodePort ?? 0));
    const unchanged = (spec.ports ?? []).every((port) => before.has(port.nodePort ?? 0));
    if (unchanged) for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (needsHealthCheck(old) && !needsHealthCheck(spec)) drop('healthCheckNodePort');
  if (old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    drop('allocateLoadBalancerNodePorts');
    drop('loadBalancerClass');
  }
  if (isExternallyAccessible(old) && !isExternallyAccessible(spec)) drop('externalTrafficPolicy');
}

/** Chooses the families of a service among those of the cluster. Mirrors initIPFamilyFields. */
export function chooseFamilies(
  errors: Errors,
  spec: ServiceSpec,
  old: ServiceSpec | undefined,
  clusterFamilies: readonly string[],
): void {
  if (!needsClusterIp(spec)) return;
  const [primary = 'IPv4'] = clusterFamilies;
  if (old && needsClusterIp(old)) {
    if (!spec.ipFamilies?.length && old.ipFamilies) spec.ipFamilies = [...old.ipFamilies];
    spec.ipFamilyPolicy ??= old.ipFamilyPolicy ?? 'SingleStack';
  }
  const anywhere = isHeadless(spec) && !Object.keys(spec.selector ?? {}).length;
  // The endpoints of such a service are whatever someone writes down: no family can be ruled out.
  spec.ipFamilyPolicy ??= anywhere ? 'RequireDualStack' : 'SingleStack';
  validateClusterIps(errors, spec);
  if (errors.length > 0) return;
  checkSingleStack(errors, spec);
  inferFamilies(errors, spec, clusterFamilies);
  if (errors.length > 0) return;
  if (anywhere) {
    if (!spec.ipFamilies?.length) spec.ipFamilies = [primary];
    const [first = primary] = spec.ipFamilies;
    if (spec.ipFamilyPolicy !== 'SingleStack' && spec.ipFamilies.length === 1) {
      spec.ipFamilies = [first, first === 'IPv4' ? 'IPv6' : 'IPv4'];
    }
    return;
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack' && clusterFamilies.length < 2) {
    const why = 'this cluster is not configured for dual-stack services';
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, why));
  }
  (spec.ipFamilies ?? []).forEach((family, index) => {
    if (clusterFamilies.includes(family)) return;
    errors.push(invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'));
  });
  if (errors.length > 0) return;
  if (!spec.ipFamilies?.length) spec.ipFamilies = [primary];
  if (spec.ipFamilyPolicy !== 'SingleStack' && spec.ipFamilies.length === 1 && clusterFamilies.length > 1) {
    const [first = primary] = spec.ipFamilies;
    spec.ipFamilies = [first, first === 'IPv4' ? 'IPv6' : 'IPv4'];
  }
}

function checkSingleStack(errors: Errors, spec: ServiceSpec): void {
  if (spec.ipFamilyPolicy !== 'SingleStack') return;
  for (const [count, what] of [
    [spec.clusterIPs?.length, 'cluster IPs'],
    [spec.ipFamilies?.length, 'IP families'],
  ] as const) {
    if (count !== 2) continue;
    const why = `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`;
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, why));
  }
}

/** Families that the client did not name follow from its addresses. */
function inferFamilies(errors: Errors, spec: ServiceSpec, clusterFamilies: readonly string[]): void {
  const addresses = spec.clusterIPs ?? [];
  for (const [index, address] of addresses.entries()) {
    if (address === 'None') return;
    if (index < (spec.ipFamilies?.length ?? 0)) continue;
    const family = ipFamily(address);
    if (clusterFamilies.includes(family)) spec.ipFamilies = [...(spec.ipFamilies ?? []), family];
    else {
      const why = `${family} is not configured on this cluster`;
      errors.push(invalid(`spec.clusterIPs[${index}]`, addresses, why));
    }
  }
}

/** A node port serves one port of each protocol. */
export function checkNodePortsOnce(errors: Errors, spec: ServiceSpec): void {
  if (!mayHaveNodePorts(spec)) return;
  const ports = (spec.ports ?? []).map(({ protocol, nodePort }) =>
    nodePort ? `${protocol}/${nodePort}` : '',
  );
  ports.forEach((port, index) => {
    if (port === '' || ports.indexOf(port) === index) return;
    const why = 'provided port is already allocated';
    errors.push(invalid(`spec.ports[${index}].nodePort`, spec.ports?.[index]?.nodePort, why));
  });
}
