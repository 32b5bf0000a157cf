import { ENDPOINTSLICES } from '../../../api/gen/resources.ts';
import type { Endpoint, EndpointSlice } from '../../../api/gen/types/discovery-v1.ts';
import { duplicate, invalid, notSupported, required, tooMany } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { endpointIpProblems } from '../core/endpoint-ip.ts';
import { define } from '../define.ts';
import { at, checkEnum, checkFormat, checkImmutable, child, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain, labelValue, qualifiedName } from '../validation/formats.ts';
import { ipFamily, ipProblems } from '../validation/ip.ts';
import { ipWarnings } from '../validation/ip-warnings.ts';

const TYPES = ['FQDN', 'IPv4', 'IPv6'];

/** Mirrors ValidateEndpointSlice of pkg/apis/discovery/validation/validation.go. */
function validate(slice: EndpointSlice, old?: EndpointSlice): FieldError[] {
  const errors: Errors = [];
  if (!slice.addressType) errors.push(required('addressType'));
  else if (!TYPES.includes(slice.addressType)) {
    errors.push(notSupported('addressType', slice.addressType, TYPES));
  }
  validatePorts(errors, slice);
  if (old && sameJson(slice.endpoints, old.endpoints)) return errors;
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > 1000) errors.push(tooMany('endpoints', endpoints.length, 1000));
  endpoints.forEach((endpoint, index) => {
    validateEndpoint(errors, at('endpoints', index), endpoint, slice.addressType);
  });
  return errors;
}

function validatePorts(errors: Errors, slice: EndpointSlice): void {
  const ports = slice.ports ?? [];
  if (ports.length > 20000) errors.push(tooMany('ports', ports.length, 20000));
  const names = new Set<string>();
  ports.forEach((port, index) => {
    const here = at('ports', index);
    const name = port.name ?? '';
    if (name !== '') checkFormat(errors, child(here, 'name'), name, dnsLabel(name));
    if (names.has(name)) errors.push(duplicate(child(here, 'name'), name));
    names.add(name);
    checkEnum(errors, child(here, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
    if (port.appProtocol !== undefined) {
      checkFormat(errors, child(here, 'appProtocol'), port.appProtocol, qualifiedName(port.appProtocol));
    }
  });
}

function validateEndpoint(errors: Errors, path: string, endpoint: Endpoint, type: string): void {
  const field = child(path, 'addresses');
  const addresses = endpoint.addresses ?? [];
  if (addresses.length === 0) errors.push(required(field, 'must contain at least 1 address'));
  else if (addresses.length > 100) errors.push(tooMany(field, addresses.length, 100));
  addresses.forEach((address, index) => {
    if (type === 'FQDN') {
      checkFormat(errors, at(field, index), address, dnsSubdomain(address.replace(/\.$/, '')));
      return;
    }
    const problems = ipProblems(address);
    checkFormat(errors, at(field, index), address, problems);
    if (problems.length > 0) return;
    if (!type.startsWith('IPv')) return;
    if (ipFamily(address) !== type) errors.push(invalid(field, address, `must be an ${type} address`));
    checkFormat(errors, at(field, index), address, endpointIpProblems(address));
  });
  if (endpoint.nodeName !== undefined) {
    checkFormat(errors, child(path, 'nodeName'), endpoint.nodeName, dnsSubdomain(endpoint.nodeName));
  }
  if (endpoint.hostname !== undefined) {
    checkFormat(errors, child(path, 'hostname'), endpoint.hostname, dnsLabel(endpoint.hostname));
  }
  for (const hint of ['forZones', 'forNodes'] as const) {
    const hints = endpoint.hints?.[hint] ?? [];
    const here = child(path, 'hints', hint);
    if (hints.length > 8) errors.push(tooMany(here, hints.length, 8));
    hints.forEach(({ name }, index) => {
      const nameField = child(at(here, index), 'name');
      if (hints.findIndex((one) => one.name === name) < index) errors.push(duplicate(nameField, name));
      checkFormat(errors, nameField, name, hint === 'forZones' ? labelValue(name) : dnsSubdomain(name));
    });
  }
}

/** Three of a list, and how many more there are. */
function some(values: readonly string[], none: string): string {
  if (values.length === 0) return none;
  const shown = values.slice(0, 3).join(',');
  return values.length > 3 ? `${shown} + ${values.length - 3} more...` : shown;
}

/** The controllers put what they copy right: one need not look at their slices. */
const CONTROLLERS = new Set(['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']);

function addressWarnings({ metadata, endpoints }: EndpointSlice): string[] {
  if (CONTROLLERS.has(metadata?.labels?.['endpointslice.kubernetes.io/managed-by'] ?? '')) return [];
  return (endpoints ?? []).flatMap(({ addresses }: Partial<Endpoint>, index) =>
    (addresses ?? []).flatMap((address, place) =>
      ipWarnings(at(child(at('endpoints', index), 'addresses'), place), address),
    ),
  );
}

function dropTopology({ endpoints }: EndpointSlice): void {
  for (const endpoint of endpoints ?? []) delete endpoint.deprecatedTopology;
}

/** Mirrors pkg/registry/discovery/endpointslice/strategy.go. */
export const endpointslices = define(ENDPOINTSLICES, {
  strategy: {
    // Every change of the addresses counts: consumers compare generations.
    generation: (slice, old) =>
      !sameJson(
        [slice.endpoints, slice.ports, slice.metadata?.labels],
        [old.endpoints, old.ports, old.metadata?.labels],
      ),
    // What zones an endpoint is in has a field of its own since v1.
    prepareForCreate: dropTopology,
    prepareForUpdate: dropTopology,
    defaults({ ports }) {
      for (const port of ports ?? []) {
        port.name ??= '';
        port.protocol ??= 'TCP';
      }
    },
    warningsOnCreate: (slice) => [
      ...(slice.addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []),
      ...addressWarnings(slice),
    ],
    warningsOnUpdate: addressWarnings,
    validateCreate: (slice) => validate(slice),
    validateUpdate(slice, old) {
      const errors = validate(slice, old);
      checkImmutable(errors, 'addressType', slice.addressType, old.addressType);
      return errors;
    },
  },
  columns: [
    nameColumn(),
    column('AddressType', 'string', ({ addressType }) => addressType),
    column('Ports', 'string', ({ ports }) =>
      some(
        (ports ?? []).map((one) => String(one.port ?? '*')),
        '<unset>',
      ),
    ),
    column('Endpoints', 'string', ({ endpoints }) =>
      some(
        (endpoints ?? []).flatMap((one) => one.addresses ?? []),
        '<unset>',
      ),
    ),
    ageColumn(),
  ],
});
