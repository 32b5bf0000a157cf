import { createPrivateKey, createPublicKey, randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import { bitString, context, encode, integer, oid, sequence, set, time, decode, type Node } from './der.ts';
import { encodeExtensions, type ExtensionFields, type KeyUsage } from './extensions.ts';
import {
  generateKeyPair,
  keyIdentifier,
  signatureAlgorithm,
  signWith,
  spkiDer,
  type KeyAlgorithm,
} from './keys.ts';
import { encodeName, type AlternativeNames, type Subject } from './names.ts';
import { parseCertificate, parseCertificateRequest } from './parse.ts';
import { splitCertificates, toPem } from './pem.ts';

const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** Clocks of servers differ: a certificate that was asked for is valid five minutes before it is made, as upstream has it. */
export const BACKDATE_MS = 5 * 60_000;
/**
 * What the operator issues is valid a day before: a server whose clock falls back by hours (a battery, a time zone) goes on
 * believing the others, however young the cluster is.
 */
export const ISSUE_BACKDATE_MS = 24 * HOUR_MS;

/** A certificate (with the intermediates to serve after it) and its private key. */
export interface Identity {
  certPem: string;
  keyPem: string;
}

/** How long a certificate is valid from now on. */
interface Validity {
  durationMs: number;
}

export interface AuthorityOptions {
  commonName: string;
  clock: Clock;
  /** Ten years where absent. */
  validity?: Validity;
  algorithm?: KeyAlgorithm;
  /** Signs this CA, which is then an intermediate that may sign leaves only; self-signed where absent. */
  parent?: Identity;
  /** 16 random bytes where absent. */
  serial?: Uint8Array;
}

/** A root or, with `parent`, an intermediate CA. */
export function createCertificateAuthority(options: AuthorityOptions): Identity {
  const { privateKeyPem: keyPem } = generateKeyPair(options.algorithm);
  const subject: Subject = { commonName: options.commonName, organizations: [] };
  const certPem = certify({
    ca: options.parent ?? { certPem: '', keyPem },
    subject,
    publicKey: createPublicKey(keyPem),
    usages: ['digital signature', 'key encipherment', 'cert sign', 'crl sign'],
    names: { dnsNames: [options.commonName] },
    authority: options.parent ? { pathLength: 0 } : {},
    validity: options.validity ?? { durationMs: 3650 * DAY_MS },
    backdateMs: ISSUE_BACKDATE_MS,
    clock: options.clock,
    serial: options.serial,
  });
  return { certPem, keyPem };
}

export interface IssueOptions extends Subject, Partial<AlternativeNames> {
  ca: Identity;
  usages: readonly KeyUsage[];
  clock: Clock;
  /** A year where absent. Never longer than the CA's own. */
  validity?: Validity;
  algorithm?: KeyAlgorithm;
  /** Certifies this key instead of a new one. */
  keyPem?: string;
  serial?: Uint8Array;
}

/** A leaf certificate with its key; `certPem` carries the intermediates where `ca` is not a root. */
export function issueCertificate(options: IssueOptions): Identity {
  const keyPem = options.keyPem ?? generateKeyPair(options.algorithm).privateKeyPem;
  const certPem = certify({
    ...options,
    subject: { commonName: options.commonName, organizations: options.organizations },
    publicKey: createPublicKey(keyPem),
    names: options,
    validity: options.validity ?? { durationMs: 365 * DAY_MS },
    backdateMs: ISSUE_BACKDATE_MS,
  });
  return { certPem, keyPem };
}

export interface RequestOptions extends Subject, Partial<AlternativeNames> {
  keyPem: string;
  usages?: readonly KeyUsage[];
}

/** A PEM CSR, signed by the key it is for. */
export function createCertificateRequest(options: RequestOptions): string {
  const key = createPrivateKey(options.keyPem);
  const extensions = encodeExtensions({ usages: options.usages ?? [], names: options });
  const empty = encode(extensions).length === 2;
  const attribute = sequence(oid('1.2.840.113549.1.9.14'), set(extensions));
  const info = sequence(
    integer(Buffer.from([0])),
    encodeName(options),
    decode(spkiDer(createPublicKey(key))),
    context(0, empty ? [] : [attribute]),
  );
  return toPem('CERTIFICATE REQUEST', encode(signed(info, key)));
}

export interface SignRequestOptions {
  ca: Identity;
  requestPem: string;
  /** Replaces what the request asks for. */
  usages: readonly KeyUsage[];
  validity: Validity;
  clock: Clock;
  serial?: Uint8Array;
}

/** Signs a verified CSR with its own subject and names; the answer carries the chain up to the root. */
export function signCertificateRequest(options: SignRequestOptions): string {
  const request = parseCertificateRequest(options.requestPem);
  return certify({
    ...options,
    subject: { commonName: request.commonName, organizations: request.organizations },
    publicKey: request.publicKey,
    names: request,
    backdateMs: BACKDATE_MS,
  });
}

interface CertifyOptions {
  ca: Identity;
  subject: Subject;
  publicKey: KeyObject;
  usages: readonly KeyUsage[];
  names: Partial<AlternativeNames>;
  authority?: ExtensionFields['certificateAuthority'];
  validity: Validity;
  /** How long before now it is valid already, as far as the CA is. */
  backdateMs: number;
  clock: Clock;
  serial?: Uint8Array | undefined;
}

/** Builds, signs and wraps a certificate; `ca.certPem` is '' for a self-signed one. */
function certify(options: CertifyOptions): string {
  const caKey = createPrivateKey(options.ca.keyPem);
  const issuer = options.ca.certPem === '' ? undefined : parseCertificate(options.ca.certPem);
  if (issuer && !issuer.isCertificateAuthority) {
    throw new SlipwayError('E_NOT_A_CA', `"${issuer.subject.commonName}" is not a certificate authority`);
  }
  const nowMs = options.clock.now();
  const notAfterMs = Math.min(nowMs + options.validity.durationMs, issuer?.notAfterMs ?? Infinity);
  const notBeforeMs = Math.max(nowMs - options.backdateMs, issuer?.notBeforeMs ?? 0);
  if (notAfterMs <= nowMs) {
    throw new SlipwayError(
      'E_CA_EXPIRED',
      `the certificate authority "${issuer?.subject.commonName ?? ''}" has expired`,
    );
  }
  const spki = spkiDer(options.publicKey);
  const extensions = encodeExtensions({
    usages: options.usages,
    names: options.names,
    subjectEmpty: options.subject.commonName === '' && options.subject.organizations.length === 0,
    ...(options.authority ? { certificateAuthority: options.authority } : {}),
    subjectKeyId: keyIdentifier(spki),
    authorityKeyId: issuer
      ? (issuer.subjectKeyId ?? keyIdentifier(spkiDer(issuer.publicKey)))
      : keyIdentifier(spki),
  });
  const tbs = sequence(
    context(0, [integer(Buffer.from([2]))]),
    integer(options.serial ?? randomSerial()),
    signatureAlgorithm(caKey),
    // The issuer's name must be byte for byte the CA's subject, whoever encoded it.
    issuer ? subjectNode(options.ca.certPem) : encodeName(options.subject),
    sequence(time(notBeforeMs), time(notAfterMs)),
    encodeName(options.subject),
    decode(spki),
    context(3, [extensions]),
  );
  const own = toPem('CERTIFICATE', encode(signed(tbs, caKey)));
  const chain = issuer
    ? splitCertificates(options.ca.certPem).filter((pem) => !parseCertificate(pem).selfSigned)
    : [];
  return [own, ...chain].join('');
}

function subjectNode(pem: string): Node {
  const der = new X509Certificate(pem).raw;
  const tbs = decode(der).value[0];
  if (typeof tbs !== 'object' || !Array.isArray(tbs.value)) throw new Error('DER: no certificate');
  const name = tbs.value[5];
  if (typeof name !== 'object') throw new Error('DER: no subject');
  return name;
}

function signed(body: Node, key: KeyObject): Node {
  return sequence(body, signatureAlgorithm(key), bitString(signWith(key, encode(body))));
}

/** 127 random bits: positive without a leading zero byte, and more than the 64 that browsers ask for. */
function randomSerial(): Buffer {
  const bytes = randomBytes(16);
  bytes.writeUInt8(((bytes[0] ?? 0) & 0x7f) | 0x40, 0);
  return bytes;
}
