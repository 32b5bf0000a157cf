import type { Service, ServicePort, ServiceSpec } from '../../../api/gen/types/core-v1.ts';
import { duplicate, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import {
  at,
  checkEnum,
  checkFormat,
  checkLabels,
  checkOptionalEnum,
  checkPortOrName,
  child,
  key,
} from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from '../validation/formats.ts';
import { cidrProblems, ipFamily, ipProblems } from '../validation/ip.ts';
import { endpointIpProblems } from './endpoint-ip.ts';
import { isExternallyAccessible, isHeadless, needsHealthCheck } from './service-rules.ts';

const MAX_AFFINITY_SECONDS = 86400;
const OF_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'";

/** Mirrors validateService of pkg/apis/core/validation/validation.go. */
export function validateService(errors: Errors, service: Service): void {
  const spec = service.spec ?? {};
  if (!spec.ports?.length && !isHeadless(spec) && spec.type !== 'ExternalName') {
    errors.push(required('spec.ports'));
  }
  validateType(errors, spec);
  validatePorts(errors, spec);
  checkLabels(errors, 'spec.selector', spec.selector);
  validateAffinity(errors, spec);
  validateClusterIps(errors, spec);
  (spec.externalIPs ?? []).forEach((address, index) => {
    const field = at('spec.externalIPs', index);
    const problems = ipProblems(address);
    checkFormat(errors, field, address, problems.length > 0 ? problems : endpointIpProblems(address));
  });
  checkEnum(errors, 'spec.type', spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']);
  validateLoadBalancer(errors, spec, service);
  validateTraffic(errors, spec);
}

function validateType(errors: Errors, spec: ServiceSpec): void {
  if (isHeadless(spec) && (spec.type === 'LoadBalancer' || spec.type === 'NodePort')) {
    const why = `may not be set to 'None' for ${spec.type} services`;
    errors.push(invalid('spec.clusterIPs[0]', 'None', why));
  }
  if (spec.type !== 'ExternalName') return;
  const why = 'may not be set for ExternalName services';
  if (spec.clusterIPs?.length) errors.push(forbidden('spec.clusterIPs', why));
  if (spec.ipFamilies?.length) errors.push(forbidden('spec.ipFamilies', why));
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbidden('spec.ipFamilyPolicy', why));
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (name === '') errors.push(required('spec.externalName'));
  else checkFormat(errors, 'spec.externalName', name, dnsSubdomain(name));
}

function validatePorts(errors: Errors, spec: ServiceSpec): void {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  ports.forEach((port, index) => {
    validatePort(errors, at('spec.ports', index), port, ports.length > 1, names);
  });
  if (spec.type === 'ClusterIP') {
    ports.forEach((port, index) => {
      if (!port.nodePort) return;
      const field = child(at('spec.ports', index), 'nodePort');
      errors.push(forbidden(field, "may not be used when `type` is 'ClusterIP'"));
    });
  }
  const nodePorts = new Set<string>();
  const pairs = new Set<string>();
  ports.forEach((port, index) => {
    const here = at('spec.ports', index);
    const node = `${port.protocol}/${port.nodePort}`;
    if (port.nodePort && nodePorts.has(node)) {
      errors.push(duplicate(child(here, 'nodePort'), port.nodePort));
    }
    nodePorts.add(node);
    const pair = `${port.protocol}/${port.port}`;
    if (pairs.has(pair)) errors.push(duplicate(here, { protocol: port.protocol, port: port.port }));
    pairs.add(pair);
  });
}

function validatePort(
  errors: Errors,
  path: string,
  port: ServicePort,
  requireName: boolean,
  names: Set<string>,
): void {
  if (requireName && !port.name) errors.push(required(child(path, 'name')));
  else if (port.name) {
    checkFormat(errors, child(path, 'name'), port.name, dnsLabel(port.name));
    if (names.has(port.name)) errors.push(duplicate(child(path, 'name'), port.name));
    names.add(port.name);
  }
  checkFormat(errors, child(path, 'port'), port.port ?? 0, portNumber(port.port));
  checkEnum(errors, child(path, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  checkPortOrName(errors, child(path, 'targetPort'), port.targetPort ?? 0);
  if (port.appProtocol !== undefined) {
    checkFormat(errors, child(path, 'appProtocol'), port.appProtocol, qualifiedName(port.appProtocol));
  }
}

function validateAffinity(errors: Errors, spec: ServiceSpec): void {
  checkEnum(errors, 'spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']);
  const config = spec.sessionAffinityConfig;
  const field = 'spec.sessionAffinityConfig';
  if (spec.sessionAffinity === 'None' && config) {
    errors.push(forbidden(field, 'must not be set when session affinity is None'));
  }
  if (spec.sessionAffinity !== 'ClientIP') return;
  const why = 'when session affinity type is ClientIP';
  const timeout = config?.clientIP?.timeoutSeconds;
  if (!config) errors.push(required(field, why));
  else if (!config.clientIP) errors.push(required(child(field, 'clientIP'), why));
  else if (timeout === undefined) errors.push(required(child(field, 'clientIP', 'timeoutSeconds'), why));
  else if (timeout <= 0 || timeout > MAX_AFFINITY_SECONDS) {
    const limits = `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`;
    errors.push(invalid(child(field, 'clientIP', 'timeoutSeconds'), timeout, limits));
  }
}

/** Mirrors ValidateServiceClusterIPsRelatedFields. */
/** Mirrors ValidateServiceClusterIPsRelatedFields. */
export function validateClusterIps(errors: Errors, spec: ServiceSpec): void {
  if (spec.type === 'ExternalName') return;
  const addresses = spec.clusterIPs ?? [];
  const families = spec.ipFamilies ?? [];
  const field = 'spec.clusterIPs';
  if (spec.clusterIP) {
    if (addresses.length === 0) errors.push(required(field));
    else if (addresses[0] !== spec.clusterIP) {
      errors.push(invalid(field, addresses, 'first value must match `clusterIP`'));
    }
  } else if (addresses.length > 0) {
    errors.push(invalid(field, addresses, 'must be empty when `clusterIP` is not specified'));
  }
  families.forEach((family, index) => {
    if (!['IPv4', 'IPv6'].includes(family)) {
      errors.push(notSupported(at('spec.ipFamilies', index), family, ['IPv4', 'IPv6']));
    }
    if (families.indexOf(family) < index) errors.push(duplicate(at('spec.ipFamilies', index), family));
  });
  checkOptionalEnum(errors, 'spec.ipFamilyPolicy', spec.ipFamilyPolicy, [
    'PreferDualStack',
    'RequireDualStack',
    'SingleStack',
  ]);
  let valid = true;
  addresses.forEach((address, index) => {
    if (index === 0 && address === 'None') {
      if (addresses.length > 1) {
        valid = false;
        errors.push(invalid(field, addresses, "'None' must be the first and only value"));
      }
      return;
    }
    const problems = ipProblems(address);
    if (problems.length > 0) valid = false;
    checkFormat(errors, at(field, index), address, problems);
  });
  if (addresses.length > 2) errors.push(invalid(field, addresses, 'may only hold up to 2 values'));
  if (!valid) return;
  if (addresses.length > 1 && new Set(addresses.map(ipFamily)).size < 2) {
    errors.push(invalid(field, addresses, 'may specify no more than one IP for each IP family'));
  }
  if (isHeadless(spec)) return;
  addresses.forEach((address, index) => {
    const family = families[index];
    if (family === undefined || ipFamily(address) === family) return;
    const why = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
    errors.push(invalid(at(field, index), address, why));
  });
}

const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';

function validateLoadBalancer(errors: Errors, spec: ServiceSpec, service: Service): void {
  const isBalancer = spec.type === 'LoadBalancer';
  if (spec.loadBalancerSourceRanges?.length) {
    const field = 'spec.LoadBalancerSourceRanges';
    if (!isBalancer) errors.push(forbidden(field, OF_LOAD_BALANCER));
    spec.loadBalancerSourceRanges.forEach((range, index) => {
      checkFormat(errors, at(field, index), range.trim(), cidrProblems(range.trim()));
    });
  }
  const annotation = service.metadata?.annotations?.[SOURCE_RANGES];
  if (!spec.loadBalancerSourceRanges?.length && annotation !== undefined) {
    const field = key('metadata.annotations', SOURCE_RANGES);
    if (!isBalancer) errors.push(forbidden(field, OF_LOAD_BALANCER));
    for (const range of annotation.trim() === '' ? [] : annotation.split(',')) {
      checkFormat(errors, field, range.trim(), cidrProblems(range.trim()));
    }
  }
  if (!isBalancer && spec.allocateLoadBalancerNodePorts !== undefined) {
    errors.push(forbidden('spec.allocateLoadBalancerNodePorts', OF_LOAD_BALANCER));
  }
  if (spec.loadBalancerClass === undefined) return;
  const field = 'spec.loadBalancerClass';
  if (!isBalancer) errors.push(forbidden(field, OF_LOAD_BALANCER));
  else checkFormat(errors, field, spec.loadBalancerClass, qualifiedName(spec.loadBalancerClass));
}

function validateTraffic(errors: Errors, spec: ServiceSpec): void {
  const external = spec.externalTrafficPolicy;
  if (!isExternallyAccessible(spec)) {
    if (external) {
      const why = 'may only be set for externally-accessible services';
      errors.push(invalid('spec.externalTrafficPolicy', external, why));
    }
  } else {
    checkEnum(errors, 'spec.externalTrafficPolicy', external, ['Cluster', 'Local']);
  }
  const healthPort = spec.healthCheckNodePort;
  if (!needsHealthCheck(spec)) {
    if (healthPort) {
      const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
      errors.push(invalid('spec.healthCheckNodePort', healthPort, why));
    }
  } else if (healthPort) {
    checkFormat(errors, 'spec.healthCheckNodePort', healthPort, portNumber(healthPort));
  }
  checkOptionalEnum(errors, 'spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']);
  checkOptionalEnum(errors, 'spec.trafficDistribution', spec.trafficDistribution, [
    'PreferClose',
    'PreferSameZone',
    'PreferSameNode',
  ]);
}

/** What an update may not change. Mirrors validateUpgradeDowngradeClusterIPs and its likes. */
export function validateServiceChanges(errors: Errors, spec: ServiceSpec, old: ServiceSpec): void {
  if (
    needsHealthCheck(spec) &&
    needsHealthCheck(old) &&
    spec.healthCheckNodePort !== old.healthCheckNodePort
  ) {
    errors.push(forbidden('spec.healthCheckNodePort', 'field is immutable'));
  }
  if (spec.type === 'LoadBalancer' && old.type === 'LoadBalancer') {
    if (spec.loadBalancerClass !== old.loadBalancerClass) {
      errors.push(
        invalid('spec.loadBalancerClass', spec.loadBalancerClass ?? null, 'may not change once set'),
      );
    }
  }
  if (spec.type === 'ExternalName' || old.type === 'ExternalName') return;
  if (isHeadless(spec) && isHeadless(old)) return;
  checkList(errors, 'spec.clusterIPs', 'clusterIP', spec, spec.clusterIPs ?? [], old.clusterIPs ?? []);
  if (isHeadless(spec) !== isHeadless(old)) return;
  checkList(errors, 'spec.ipFamilies', 'ipFamily', spec, spec.ipFamilies ?? [], old.ipFamilies ?? []);
}

function checkList(
  errors: Errors,
  path: string,
  what: string,
  spec: ServiceSpec,
  now: readonly string[],
  before: readonly string[],
): void {
  if (before.length > now.length && now.length === 0) {
    errors.push(invalid(at(path, 0), now, `primary ${what} can not be unset`));
  }
  before.forEach((value, index) => {
    if (index < now.length && now[index] !== value) {
      errors.push(invalid(at(path, index), now, 'may not change once set'));
    }
  });
  if (before.length > now.length && now.length === 1 && spec.ipFamilyPolicy !== 'SingleStack') {
    const why = `must be set to 'SingleStack' when releasing the secondary ${what}`;
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy ?? null, why));
  }
}
