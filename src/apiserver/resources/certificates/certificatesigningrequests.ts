import { X509Certificate } from 'node:crypto';
import { CERTIFICATESIGNINGREQUESTS } from '../../../api/gen/resources.ts';
import type {
  CertificateSigningRequest,
  CertificateSigningRequestSpec,
} from '../../../api/gen/types/certificates-v1.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import { parseCertificateRequest } from '../../../pki/parse.ts';
import { pemBlocks } from '../../../pki/pem.ts';
import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { StrategyContext } from '../../resource-definition.ts';
import { ageColumn, column, humanDuration, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { at, checkFormat, child, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain } from '../validation/formats.ts';
import { jsonQuote } from '../../json-quote.ts';

type Csr = CertificateSigningRequest;
type Conditions = NonNullable<NonNullable<Csr['status']>['conditions']>;

const DECIDED = ['Approved', 'Denied', 'Failed'];
const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

/** `domain/path`, the domain of at least two labels. Mirrors ValidateSignerName of pkg/apis/core/validation/names.go. */
export function validateSignerName(errors: Errors, path: string, name: string): void {
  if (name === '') {
    errors.push(required(path));
    return;
  }
  const segments = name.split('/');
  const [domain = '', rest = ''] = segments;
  if (segments.length !== 2) {
    const why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    errors.push(invalid(path, name, why));
    return;
  }
  if (domain.length > MAX_DOMAIN) errors.push(tooLong(path, MAX_DOMAIN));
  checkLabels(errors, path, domain, dnsLabel);
  if (domain.split('.').length < 2) {
    errors.push(invalid(path, domain, 'should be a domain with at least two segments separated by dots'));
  }
  checkLabels(errors, path, rest, dnsSubdomain);
  if (name.length > MAX_SIGNER_NAME) errors.push(tooLong(path, MAX_SIGNER_NAME));
}

const MAX_DOMAIN = 253;
/** A domain, and a path of as much with a label and a dot in front. */
const MAX_SIGNER_NAME = MAX_DOMAIN + 1 + 63 + 1 + 253;

/** The first label that is wrong says enough. */
function checkLabels(
  errors: Errors,
  path: string,
  text: string,
  problemsOf: (label: string) => string[],
): void {
  const label = text.split('.').find((part) => problemsOf(part).length > 0);
  if (label === undefined) return;
  const problems = problemsOf(label).map((why) => `validating label ${jsonQuote(label)}: ${why}`);
  checkFormat(errors, path, text, problems);
}

/** Mirrors validateCertificateSigningRequest of pkg/apis/certificates/validation/validation.go. */
function validate(csr: Csr): FieldError[] {
  const errors: Errors = [];
  const spec = csr.spec;
  const problem = requestProblem(spec.request ?? '');
  if (problem !== undefined) errors.push(invalid('spec.request', spec.request ?? null, problem));
  const usages = spec.usages ?? [];
  if (usages.length === 0) errors.push(required('spec.usages'));
  usages.forEach((usage, index) => {
    if (!USAGES.includes(usage)) errors.push(notSupported(at('spec.usages', index), usage, USAGES));
  });
  usages.forEach((usage, index) => {
    if (usages.indexOf(usage) < index) errors.push(duplicate(at('spec.usages', index), usage));
  });
  if (spec.signerName === 'kubernetes.io/legacy-unknown') {
    const why = 'the legacy signerName is not allowed via this API version';
    errors.push(invalid('spec.signerName', spec.signerName, why));
  } else {
    validateSignerName(errors, 'spec.signerName', spec.signerName ?? '');
  }
  const seconds = spec.expirationSeconds;
  if (seconds !== undefined && seconds < 600) {
    const why = 'may not specify a duration less than 600 seconds (10 minutes)';
    errors.push(invalid('spec.expirationSeconds', seconds, why));
  }
  validateConditions(errors, csr.status?.conditions ?? []);
  const broken = certificateProblem(csr.status?.certificate ?? '');
  if (broken !== undefined) errors.push(invalid('status.certificate', '<certificate data>', broken));
  return errors;
}

function requestProblem(base64: string): string | undefined {
  const pem = Buffer.from(base64, 'base64').toString('utf8');
  if (blocksOf(pem)[0]?.label !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST';
  try {
    parseCertificateRequest(pem);
    return undefined;
  } catch (error) {
    const [der] = pemBlocks(pem, 'CERTIFICATE REQUEST');
    return (der?.length ?? 0) < 2 ? 'asn1: syntax error: truncated tag or length' : messageOf(error);
  }
}

interface Block {
  label: string;
  hasHeaders: boolean;
}

function blocksOf(pem: string): Block[] {
  return [...pem.matchAll(/-----BEGIN ([^-]+)-----([^]*?)-----END \1-----/g)].map(
    ([, label = '', body = '']) => ({ label, hasHeaders: body.includes(':') }),
  );
}

function validateConditions(errors: Errors, conditions: Conditions): void {
  const path = 'status.conditions';
  const seen = new Set<string>();
  conditions.forEach((condition, index) => {
    const here = at(path, index);
    if (!condition.type) errors.push(required(child(here, 'type')));
    const allowed = DECIDED.includes(condition.type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (!condition.status) errors.push(required(child(here, 'status')));
    else if (!allowed.includes(condition.status)) {
      errors.push(notSupported(child(here, 'status'), condition.status, allowed));
    }
    const other = condition.type === 'Approved' ? 'Denied' : condition.type === 'Denied' ? 'Approved' : '';
    if (other !== '' && seen.has(other)) {
      errors.push(invalid(path, condition.type, 'Approved and Denied conditions are mutually exclusive'));
    }
    if (seen.has(condition.type)) errors.push(duplicate(child(here, 'type'), condition.type));
    seen.add(condition.type);
  });
}

/** Nothing but PEM blocks of certificates. */
function certificateProblem(base64: string): string | undefined {
  if (base64 === '') return undefined;
  const pem = Buffer.from(base64, 'base64').toString('utf8');
  const blocks = blocksOf(pem);
  const strange = blocks.find(({ label }) => label !== 'CERTIFICATE');
  if (strange) return `only CERTIFICATE PEM blocks are allowed, found ${jsonQuote(strange.label)}`;
  if (blocks.some(({ hasHeaders }) => hasHeaders)) return 'no PEM block headers are permitted';
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block';
  try {
    for (const block of pemBlocks(pem, 'CERTIFICATE')) parseBlock(block);
    return undefined;
  } catch {
    // What the parser here says of it is of no use to anyone.
    return 'x509: malformed certificate';
  }
}

/** Throws on what is no certificate. */
function parseBlock(der: Buffer): X509Certificate {
  return new X509Certificate(der);
}

/** Who may change what: approvers decide, signers issue, nobody takes a decision back. */
function validateUpdate(csr: Csr, old: Csr, mayDecide: boolean, mayIssue: boolean): FieldError[] {
  const errors = validate(csr);
  const of = (object: Csr, type: string) =>
    (object.status?.conditions ?? []).filter((one) => one.type === type);
  for (const type of DECIDED) {
    const now = of(csr, type);
    const before = of(old, type);
    const quoted = JSON.stringify(type);
    if (now.length < before.length) {
      errors.push(forbidden('status.conditions', `updates may not remove a condition of type ${quoted}`));
    } else if (!mayDecide && type !== 'Failed') {
      if (now.length > before.length) {
        errors.push(forbidden('status.conditions', `updates may not add a condition of type ${quoted}`));
      } else if (!sameJson(now, before)) {
        errors.push(forbidden('status.conditions', `updates may not modify a condition of type ${quoted}`));
      }
    }
  }
  if ((csr.status?.certificate ?? '') !== (old.status?.certificate ?? '')) {
    if (!mayIssue) errors.push(forbidden('status.certificate', 'updates may not set certificate content'));
    else if (old.status?.certificate) {
      const why = 'updates may not modify existing certificate content';
      errors.push(forbidden('status.certificate', why));
    }
  }
  return errors;
}

/** The request speaks for whoever makes it: the server writes that down, whatever the client says. */
function prepareForCreate(csr: Csr, { request }: StrategyContext): void {
  const { user } = request;
  const { username: _a, uid: _b, groups: _c, extra: _d, ...asked } = csr.spec;
  const spec: CertificateSigningRequestSpec = { ...asked, username: user.name };
  if (user.uid) spec.uid = user.uid;
  if (user.groups.length > 0) spec.groups = [...user.groups];
  if (Object.keys(user.extra).length > 0) spec.extra = { ...user.extra };
  csr.spec = spec;
  csr.status = {};
}

function fillTimes(csr: Csr, old: Csr, now: number): void {
  const time = rfc3339(now);
  for (const condition of csr.status?.conditions ?? []) {
    condition.lastUpdateTime ??= time;
    if (condition.lastTransitionTime) continue;
    const before = old.status?.conditions?.find(
      (one) => one.type === condition.type && one.status === condition.status,
    );
    condition.lastTransitionTime = before?.lastTransitionTime ?? time;
  }
}

/** `kubectl certificate approve` sends conditions without what the status knows besides. */
function prepareApproval(csr: Csr, old: Csr, { now }: StrategyContext): void {
  csr.spec = old.spec;
  const conditions = csr.status?.conditions;
  csr.status = { ...old.status };
  if (conditions && conditions.length > 0) csr.status.conditions = conditions;
  else delete csr.status.conditions;
  fillTimes(csr, old, now);
}

/** Mirrors extractCSRStatus of pkg/printers/internalversion/printers.go. */
function stateText({ status }: Csr): string {
  const has = (type: string) => status?.conditions?.some((one) => one.type === type);
  let text = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  if (has('Failed')) text += ',Failed';
  if (status?.certificate) text += ',Issued';
  return text;
}

/** Mirrors pkg/registry/certificates/certificates/strategy.go. */
export const certificatesigningrequests = define(CERTIFICATESIGNINGREQUESTS, {
  shortNames: ['csr'],
  strategy: {
    generation: false,
    // Upstream lets any name pass that can be in a path.
    validateName: () => [],
    defaults(csr) {
      if (csr.spec && !csr.spec.usages?.length) delete csr.spec.usages;
    },
    prepareForCreate,
    prepareForUpdate(csr, old) {
      csr.spec = old.spec;
      if (old.status) csr.status = old.status;
    },
    validateCreate: validate,
    validateUpdate: (csr, old) => validateUpdate(csr, old, false, false),
  },
  subresources: [
    {
      type: 'part',
      name: 'status',
      prepareForUpdate(csr, old, { now }) {
        csr.spec = old.spec;
        fillTimes(csr, old, now);
      },
      validateUpdate: (csr, old) => validateUpdate(csr, old, false, true),
    },
    {
      type: 'part',
      name: 'approval',
      prepareForUpdate: prepareApproval,
      validateUpdate: (csr, old) => validateUpdate(csr, old, true, false),
    },
  ],
  fields: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
  selectableFields: ['spec.signerName'],
  columns: [
    nameColumn(),
    ageColumn(),
    column('SignerName', 'string', ({ spec }) => spec.signerName || '<none>'),
    column('Requestor', 'string', ({ spec }) => spec.username ?? ''),
    column('RequestedDuration', 'string', ({ spec }) =>
      spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    column('Condition', 'string', stateText),
  ],
});
