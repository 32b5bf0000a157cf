import { NETWORKPOLICIES } from '../../../api/gen/resources.ts';
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../../../api/gen/types/networking-v1.ts';
import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, formatSelector, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { at, checkFormat, checkLabelSelector, child } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { portName, portNumber } from '../validation/formats.ts';
import { cidrProblems, ipFamily, ipToBigInt } from '../validation/ip.ts';
import { cidrWarnings } from '../validation/ip-warnings.ts';

function defaults({ spec }: NetworkPolicy): void {
  if (!spec) return;
  spec.podSelector ??= {};
  if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
    for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
  }
}

/** Mirrors ValidateNetworkPolicySpec of pkg/apis/networking/validation/validation.go. */
function validate({ spec }: NetworkPolicy): FieldError[] {
  const errors: Errors = [];
  checkLabelSelector(errors, 'spec.podSelector', spec?.podSelector);
  (spec?.ingress ?? []).forEach((rule, index) => {
    const here = at('spec.ingress', index);
    (rule.ports ?? []).forEach((port, number) =>
      validatePort(errors, at(child(here, 'ports'), number), port),
    );
    (rule.from ?? []).forEach((peer, number) => validatePeer(errors, at(child(here, 'from'), number), peer));
  });
  (spec?.egress ?? []).forEach((rule, index) => {
    const here = at('spec.egress', index);
    (rule.ports ?? []).forEach((port, number) =>
      validatePort(errors, at(child(here, 'ports'), number), port),
    );
    (rule.to ?? []).forEach((peer, number) => validatePeer(errors, at(child(here, 'to'), number), peer));
  });
  const types = spec?.policyTypes ?? [];
  if (types.length > 2) {
    errors.push(invalid('spec.policyTypes', types, 'may not specify more than two policyTypes'));
  }
  types.forEach((type, index) => {
    if (type === 'Ingress' || type === 'Egress') return;
    errors.push(notSupported(at('spec.policyTypes', index), type, ['Ingress', 'Egress']));
  });
  return errors;
}

function validatePort(errors: Errors, path: string, { protocol, port, endPort }: NetworkPolicyPort): void {
  if (protocol !== undefined && !['TCP', 'UDP', 'SCTP'].includes(protocol)) {
    errors.push(notSupported(child(path, 'protocol'), protocol, ['TCP', 'UDP', 'SCTP']));
  }
  const end = child(path, 'endPort');
  if (port === undefined) {
    if (endPort !== undefined) {
      errors.push(invalid(end, endPort, 'may not be specified when `port` is not specified'));
    }
  } else if (typeof port === 'string') {
    if (endPort !== undefined) {
      errors.push(invalid(end, endPort, 'may not be specified when `port` is non-numeric'));
    }
    checkFormat(errors, child(path, 'port'), port, portName(port));
  } else {
    checkFormat(errors, child(path, 'port'), port, portNumber(port));
    if (endPort === undefined) return;
    if (endPort < port) errors.push(invalid(end, port, 'must be greater than or equal to `port`'));
    checkFormat(errors, end, endPort, portNumber(endPort));
  }
}

function validatePeer(errors: Errors, path: string, peer: NetworkPolicyPeer): void {
  checkLabelSelector(errors, child(path, 'podSelector'), peer.podSelector);
  checkLabelSelector(errors, child(path, 'namespaceSelector'), peer.namespaceSelector);
  const block = peer.ipBlock;
  if (!block && !peer.podSelector && !peer.namespaceSelector) {
    errors.push(required(path, 'must specify a peer'));
  }
  if (!block) return;
  const here = child(path, 'ipBlock');
  if (!block.cidr) errors.push(required(child(here, 'cidr')));
  else {
    const problems = cidrProblems(block.cidr);
    checkFormat(errors, child(here, 'cidr'), block.cidr, problems);
    if (problems.length === 0) validateExcept(errors, child(here, 'except'), block.cidr, block.except ?? []);
  }
  if (peer.podSelector || peer.namespaceSelector) {
    errors.push(forbidden(path, 'may not specify both ipBlock and another peer'));
  }
}

function validateExcept(errors: Errors, path: string, cidr: string, except: readonly string[]): void {
  except.forEach((part, index) => {
    const problems = cidrProblems(part);
    checkFormat(errors, at(path, index), part, problems);
    if (problems.length === 0 && !isStrictSubset(part, cidr)) {
      errors.push(invalid(at(path, index), part, 'must be a strict subset of `cidr`'));
    }
  });
}

function isStrictSubset(inner: string, outer: string): boolean {
  const [innerAddress = '', innerBits = ''] = inner.split('/');
  const [outerAddress = '', outerBits = ''] = outer.split('/');
  if (ipFamily(innerAddress) !== ipFamily(outerAddress) || Number(innerBits) <= Number(outerBits))
    return false;
  const shift = BigInt((ipFamily(outerAddress) === 'IPv4' ? 32 : 128) - Number(outerBits));
  return ipToBigInt(innerAddress) >> shift === ipToBigInt(outerAddress) >> shift;
}

function warnings({ spec }: NetworkPolicy): string[] {
  const ofPeers = (path: string, peers: readonly NetworkPolicyPeer[] | undefined): string[] =>
    (peers ?? []).flatMap(({ ipBlock }, index) => {
      const block = child(at(path, index), 'ipBlock');
      return ipBlock
        ? [
            ...cidrWarnings(child(block, 'cidr'), ipBlock.cidr),
            ...(ipBlock.except ?? []).flatMap((part, place) =>
              cidrWarnings(at(child(block, 'except'), place), part),
            ),
          ]
        : [];
    });
  return [
    ...(spec?.ingress ?? []).flatMap((rule, index) =>
      ofPeers(child(at('spec.ingress', index), 'from'), rule.from),
    ),
    ...(spec?.egress ?? []).flatMap((rule, index) => ofPeers(child(at('spec.egress', index), 'to'), rule.to)),
  ];
}

/** Mirrors pkg/registry/networking/networkpolicy/strategy.go. */
export const networkpolicies = define(NETWORKPOLICIES, {
  shortNames: ['netpol'],
  strategy: {
    defaults,
    generation: true,
    validateCreate: validate,
    validateUpdate: validate,
    warningsOnCreate: warnings,
    warningsOnUpdate: warnings,
  },
  columns: [
    nameColumn(),
    column('Pod-Selector', 'string', ({ spec }) => formatSelector(spec?.podSelector)),
    ageColumn(),
  ],
});
