import { ENDPOINTS } from '../../../api/gen/resources.ts';
import type { Endpoints, EndpointAddress, EndpointPort } from '../../../api/gen/types/core-v1.ts';
import { isIP } from 'node:net';
import { invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { at, checkEnum, checkFormat, child, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from '../validation/formats.ts';
import { ipProblems } from '../validation/ip.ts';
import { endpointIpProblems } from './endpoint-ip.ts';
import { ipWarnings } from '../validation/ip-warnings.ts';

/** Mirrors validateEndpointSubsets of pkg/apis/core/validation/validation.go. */
function validate(endpoints: Endpoints, old?: Endpoints): FieldError[] {
  const errors: Errors = [];
  if (old && sameJson(endpoints.subsets, old.subsets)) return errors;
  (endpoints.subsets ?? []).forEach((subset, index) => {
    const here = at('subsets', index);
    if (!subset.addresses?.length && !subset.notReadyAddresses?.length) {
      errors.push(required(here, 'must specify `addresses` or `notReadyAddresses`'));
    }
    for (const field of ['addresses', 'notReadyAddresses'] as const) {
      (subset[field] ?? []).forEach((address, number) => {
        validateAddress(errors, at(child(here, field), number), address);
      });
    }
    const ports = subset.ports ?? [];
    ports.forEach((port, number) =>
      validatePort(errors, at(child(here, 'ports'), number), port, ports.length > 1),
    );
  });
  return errors;
}

function validateAddress(errors: Errors, path: string, address: EndpointAddress): void {
  const problems = ipProblems(address.ip);
  checkFormat(errors, child(path, 'ip'), address.ip, problems);
  // Said twice by upstream: by what looks at special addresses too.
  if (isIP(address.ip) === 0)
    errors.push(invalid(child(path, 'ip'), address.ip, 'must be a valid IP address'));
  if (address.hostname)
    checkFormat(errors, child(path, 'hostname'), address.hostname, dnsLabel(address.hostname));
  if (address.nodeName !== undefined) {
    checkFormat(errors, child(path, 'nodeName'), address.nodeName, dnsSubdomain(address.nodeName));
  }
  if (problems.length === 0)
    checkFormat(errors, child(path, 'ip'), address.ip, endpointIpProblems(address.ip));
}

function validatePort(errors: Errors, path: string, port: EndpointPort, requireName: boolean): void {
  if (requireName && !port.name) errors.push(required(child(path, 'name')));
  else if (port.name) checkFormat(errors, child(path, 'name'), port.name, dnsLabel(port.name));
  checkFormat(errors, child(path, 'port'), port.port ?? 0, portNumber(port.port));
  checkEnum(errors, child(path, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  if (port.appProtocol !== undefined) {
    checkFormat(errors, child(path, 'appProtocol'), port.appProtocol, qualifiedName(port.appProtocol));
  }
}

/** Three of the addresses with their ports, as printEndpoints. */
function summary({ subsets }: Endpoints): string {
  const all = (subsets ?? []).flatMap((subset) => {
    const ports = subset.ports ?? [];
    const addresses = subset.addresses ?? [];
    if (ports.length === 0) return addresses.map((address) => address.ip);
    return ports.flatMap((port) => addresses.map((address) => `${host(address.ip)}:${port.port}`));
  });
  if (all.length === 0) return '<none>';
  const shown = all.slice(0, 3).join(',');
  return all.length > 3 ? `${shown} + ${all.length - 3} more...` : shown;
}

const host = (ip: string | undefined): string => (ip?.includes(':') ? `[${ip}]` : (ip ?? ''));

function addressWarnings({ metadata, subsets }: Endpoints): string[] {
  if (metadata?.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller') return [];
  return (subsets ?? []).flatMap((subset, index) =>
    (['addresses', 'notReadyAddresses'] as const).flatMap((list) =>
      (subset[list] ?? []).flatMap(({ ip }, place) =>
        ipWarnings(child(at(child(at('subsets', index), list), place), 'ip'), ip),
      ),
    ),
  );
}

/** Mirrors pkg/registry/core/endpoint/strategy.go. */
export const endpoints = define(ENDPOINTS, {
  shortNames: ['ep'],
  deprecationWarning: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  strategy: {
    allowCreateOnUpdate: true,
    defaults({ subsets }) {
      for (const subset of subsets ?? []) {
        for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
      }
    },
    warningsOnCreate: addressWarnings,
    warningsOnUpdate: addressWarnings,
    validateCreate: (object) => validate(object),
    validateUpdate: (object, old) => validate(object, old),
  },
  columns: [nameColumn(), column('Endpoints', 'string', summary), ageColumn()],
});
