import type { Service, ServiceSpec } from '../../src/api/gen/types/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../../src/api/gen/types/discovery-v1.ts';
import { buildServiceRules, type RulesContext, type ServiceRules } from '../../src/proxy/rules.ts';

export const CONTEXT: RulesContext = {
  family: 'IPv4',
  nodeName: 'node',
  zone: 'z1',
  clusterCidrs: ['10.244.0.0/16'],
  nodeIps: ['10.77.0.11'],
};

export function service(
  spec: ServiceSpec,
  status: Service['status'] = {},
  labels: Record<string, string> = {},
): Service {
  const ports = spec.ports ?? [{ port: 80, protocol: 'TCP' }];
  return {
    metadata: { namespace: 'default', name: 'web', labels },
    spec: { clusterIP: '10.96.0.10', ...spec, ports },
    status,
  };
}

/** 'a' to 'z' stand for the addresses 10.244.0.1 to 26, upper case for endpoints of this node. */
export function slice(
  letters: string,
  extra: (letter: string) => Partial<Endpoint> = () => ({}),
): EndpointSlice {
  const endpoints = letters.split('').map((letter): Endpoint => ({
    addresses: [`10.244.0.${letter.toLowerCase().charCodeAt(0) - 96}`],
    nodeName: letter === letter.toUpperCase() ? 'node' : 'other',
    ...extra(letter),
  }));
  return { addressType: 'IPv4', endpoints, ports: [{ port: 8080, protocol: 'TCP' }] };
}

/** Rules as lines: chains with what is in them, then elements. */
export function lines(rules: ServiceRules): string[] {
  return [
    ...[...rules.affinitySets].map(([name, seconds]) => `set ${name} ${seconds}`),
    ...[...rules.chains].flatMap(([name, chain]) => chain.map((rule) => `${name}: ${rule}`)),
    ...rules.elements.map(
      ([container, key, verdict]) => `${container} { ${key}${verdict ? ` : ${verdict}` : ''} }`,
    ),
  ];
}

export function build(
  object: Service,
  slices: EndpointSlice[],
  context: Partial<RulesContext> = {},
): string[] {
  return lines(buildServiceRules(object, slices, { ...CONTEXT, ...context }));
}
