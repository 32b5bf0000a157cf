import type { Clock } from '../base/clock.ts';
import { messageOf, SlipwayError } from '../base/errors.ts';
import { clusterIdentities, type IdentityOptions, type IdentitySpec } from './identities.ts';
import {
  createCertificateAuthority,
  DAY_MS,
  ISSUE_BACKDATE_MS,
  issueCertificate,
  type Identity,
} from './issue.ts';
import {
  decryptKey,
  encryptKey,
  generateKeyPair,
  isEncryptedKey,
  publicKeyOf,
  type KeyAlgorithm,
} from './keys.ts';
import { isIssuedBy, matchesKey, parseCertificate } from './parse.ts';
import { splitCertificates } from './pem.ts';
import { OLD_SIGNER } from './rotation.ts';

/** PEM files by their path in the operator's state directory. */
export type PkiFiles = Record<string, string>;

export interface ClusterPkiOptions extends IdentityOptions {
  clock: Clock;
  algorithm?: KeyAlgorithm;
  /** How long leaves live. A year where absent. */
  leafDurationMs?: number;
  /** A leaf with less than this left is reissued. 30 days where absent. */
  renewBeforeMs?: number;
  /** Leaves that were issued before it are reissued. None where absent. */
  renewIssuedBeforeMs?: number;
  /** Encrypts new root keys, and opens encrypted ones where something must be signed. */
  passphrase?: string;
}

export interface Issued {
  path: string;
  reason: string;
}

/** The intermediate that signs kubelets' certificates: the one signing key that servers hold. */
export const SIGNER = 'pki/signer';
export const ROOT = 'pki/ca';
export const FRONT_PROXY_ROOT = 'pki/front-proxy-ca';
const ETCD_ROOT = 'pki/etcd/ca';
export const SERVICE_ACCOUNT = 'pki/sa';

/**
 * The whole PKI of a cluster, made from what exists: what is still right is kept byte for byte, the rest is
 * issued anew, and `issued` says why. Pure: reading and writing the files is the caller's.
 */
export function clusterPki(
  options: ClusterPkiOptions,
  existing: PkiFiles = {},
): { files: PkiFiles; issued: Issued[] } {
  const files: PkiFiles = {};
  const issued: Issued[] = [];
  const keep = (path: string): void => {
    for (const end of ['.crt', '.key']) files[path + end] = existing[path + end] ?? '';
  };
  const put = (path: string, identity: Identity, reason: string): void => {
    files[`${path}.crt`] = identity.certPem;
    files[`${path}.key`] = identity.keyPem;
    issued.push({ path, reason });
  };
  const opened = new Map<string, Identity>();
  const authority = (path: string): Identity => {
    const known = opened.get(path) ?? open(path, files, options.passphrase);
    opened.set(path, known);
    return known;
  };

  for (const [path, commonName] of [
    [ROOT, 'kubernetes'],
    [FRONT_PROXY_ROOT, 'front-proxy-ca'],
    [ETCD_ROOT, 'etcd-ca'],
  ] as const) {
    if (existing[`${path}.crt`] !== undefined) {
      keep(path);
      continue;
    }
    const root = createCertificateAuthority({
      commonName,
      clock: options.clock,
      algorithm: options.algorithm ?? 'ECDSA-P256',
    });
    opened.set(path, root);
    const { passphrase } = options;
    put(path, passphrase ? { ...root, keyPem: encryptKey(root.keyPem, passphrase) } : root, 'new');
  }

  const oldSigner = existing[OLD_SIGNER];
  if (oldSigner !== undefined) files[OLD_SIGNER] = oldSigner;
  const signerFault = pairFault(SIGNER, existing, files[`${ROOT}.crt`] ?? '', options);
  if (signerFault === undefined) keep(SIGNER);
  else {
    const signer = {
      commonName: 'kubernetes-node-signer',
      clock: options.clock,
      algorithm: options.algorithm ?? 'ECDSA-P256',
    };
    put(SIGNER, createCertificateAuthority({ ...signer, parent: authority(ROOT) }), signerFault);
  }

  for (const spec of clusterIdentities(options)) {
    const fault = identityFault(spec, existing, files[`pki/${spec.ca}.crt`] ?? '', options);
    if (fault === undefined) keep(spec.path);
    else put(spec.path, issueLeaf(spec, authority(`pki/${spec.ca}`), options), fault);
  }

  const key = existing[`${SERVICE_ACCOUNT}.key`] ?? generateKeyPair(options.algorithm).privateKeyPem;
  files[`${SERVICE_ACCOUNT}.key`] = key;
  // Several keys, while one replaces the other.
  const known = existing[`${SERVICE_ACCOUNT}.pub`];
  const own = publicKeyOf(key);
  files[`${SERVICE_ACCOUNT}.pub`] = known?.includes(own) === true ? known : own;
  if (existing[`${SERVICE_ACCOUNT}.key`] === undefined) issued.push({ path: SERVICE_ACCOUNT, reason: 'new' });
  return { files, issued };
}

function issueLeaf(spec: IdentitySpec, ca: Identity, options: ClusterPkiOptions): Identity {
  return issueCertificate({
    ...spec,
    ca,
    clock: options.clock,
    algorithm: options.algorithm ?? 'ECDSA-P256',
    validity: { durationMs: options.leafDurationMs ?? 365 * DAY_MS },
  });
}

/** A CA's certificate with its key opened; the key is asked for only when something must be signed. */
function open(path: string, files: PkiFiles, passphrase: string | undefined): Identity {
  // The first one issues; while an authority is replaced the other one stands behind it.
  const [certPem = ''] = splitCertificates(files[`${path}.crt`] ?? '');
  const keyPem = files[`${path}.key`] ?? '';
  if (keyPem === '') {
    throw new SlipwayError(
      'E_CA_KEY_MISSING',
      `the key of the certificate authority is missing: ${path}.key`,
      {
        hint: 'restore the state directory from its backup: without this key nothing can be issued',
      },
    );
  }
  if (!isEncryptedKey(keyPem)) return { certPem, keyPem };
  if (passphrase === undefined) {
    throw new SlipwayError('E_PASSPHRASE', `${path}.key is encrypted and a certificate must be issued`, {
      hint: 'give the passphrase with --passphrase-file or in SLIPWAY_PASSPHRASE',
    });
  }
  return { certPem, keyPem: decryptKey(keyPem, passphrase) };
}

const sameSet = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((item) => right.includes(item));

/** Why the stored pair cannot serve any longer, or undefined where it can. */
function pairFault(
  path: string,
  existing: PkiFiles,
  caPem: string,
  options: ClusterPkiOptions,
): string | undefined {
  const certPem = existing[`${path}.crt`];
  const keyPem = existing[`${path}.key`];
  if (certPem === undefined || keyPem === undefined) return 'new';
  try {
    if (!isIssuedBy(certPem, caPem)) return 'issued by another certificate authority';
    if (!matchesKey(certPem, keyPem)) return 'the key is another’s';
    const leftMs = parseCertificate(certPem).notAfterMs - options.clock.now();
    if (leftMs < (options.renewBeforeMs ?? 30 * DAY_MS))
      return `expires in ${Math.floor(leftMs / DAY_MS)} days`;
    return undefined;
  } catch (error) {
    return `unreadable: ${messageOf(error)}`;
  }
}

function identityFault(
  spec: IdentitySpec,
  existing: PkiFiles,
  caPem: string,
  options: ClusterPkiOptions,
): string | undefined {
  const fault = pairFault(spec.path, existing, caPem, options);
  if (fault !== undefined) return fault;
  const found = parseCertificate(existing[`${spec.path}.crt`] ?? '');
  if (
    found.subject.commonName !== spec.commonName ||
    !sameSet(found.subject.organizations, spec.organizations)
  ) {
    return 'the subject changed';
  }
  if (found.notBeforeMs + ISSUE_BACKDATE_MS < (options.renewIssuedBeforeMs ?? 0)) return 'renewed';
  const { dnsNames, ipAddresses } = found;
  if (!sameSet(dnsNames, spec.dnsNames) || !sameSet(ipAddresses, spec.ipAddresses)) {
    return 'names or addresses changed';
  }
  return sameSet(found.usages, spec.usages) ? undefined : 'the usages changed';
}
