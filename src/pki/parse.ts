import { createHash, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { SlipwayError } from '../base/errors.ts';
import { child, children, content, decode, encode, isContext, readBits, readOid, type Node } from './der.ts';
import { decodeExtensions, type KeyUsage } from './extensions.ts';
import { verifyWith } from './keys.ts';
import { decodeName, type AlternativeNames, type Subject } from './names.ts';
import { firstPemBlock } from './pem.ts';

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

export interface ParsedRequest extends Subject, AlternativeNames {
  /** What the request asks to be used for; signers decide by the CSR object, not by this. */
  usages: KeyUsage[];
  publicKey: KeyObject;
  publicKeyPem: string;
}

/**
 * Reads a PEM CSR and verifies its signature (proof that the sender holds the key).
 * E_CSR where it is no CSR, or signed by another key.
 */
export function parseCertificateRequest(pem: string): ParsedRequest {
  let request: ParsedRequest & { signed: boolean };
  try {
    request = readRequest(decode(firstPemBlock(pem, 'CERTIFICATE REQUEST')));
  } catch (cause) {
    throw new SlipwayError('E_CSR', 'unable to parse the certificate request', { cause });
  }
  const { signed, ...parsed } = request;
  if (!signed)
    throw new SlipwayError('E_CSR', 'the signature of the certificate request is not its own key’s');
  return parsed;
}

function readRequest(tree: Node): ParsedRequest & { signed: boolean } {
  const info = child(tree, 0);
  const spki = encode(child(info, 2));
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const attributes = children(info)[3];
  const wanted = (attributes !== undefined && isContext(attributes, 0) ? children(attributes) : []).find(
    (attribute) => readOid(child(attribute, 0)) === EXTENSION_REQUEST,
  );
  const extensions = decodeExtensions(wanted === undefined ? undefined : child(child(wanted, 1), 0));
  const algorithm = readOid(child(child(tree, 1), 0));
  return {
    ...decodeName(child(info, 1)),
    ...extensions.names,
    usages: extensions.usages,
    publicKey,
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    signed: verifyWith(publicKey, algorithm, encode(info), readBits(child(tree, 2))),
  };
}

export interface ParsedCertificate extends AlternativeNames {
  subject: Subject;
  issuer: Subject;
  /** Lower-case hexadecimal without leading zeros. */
  serialNumber: string;
  notBeforeMs: number;
  notAfterMs: number;
  usages: KeyUsage[];
  isCertificateAuthority: boolean;
  selfSigned: boolean;
  publicKey: KeyObject;
  /** SHA-256 of the DER, hexadecimal. */
  fingerprint: string;
  subjectKeyId: Buffer | undefined;
}

/** Reads the first certificate of a PEM. E_CERTIFICATE where there is none or it is malformed. */
export function parseCertificate(pem: string): ParsedCertificate {
  try {
    return readCertificate(firstPemBlock(pem, 'CERTIFICATE'));
  } catch (cause) {
    throw new SlipwayError('E_CERTIFICATE', 'unable to parse the certificate', { cause });
  }
}

function readCertificate(der: Buffer): ParsedCertificate {
  const x509 = new X509Certificate(der);
  const fields = children(child(decode(der), 0));
  // The version, [0], is absent in version 1 alone.
  const first = fields[0] !== undefined && isContext(fields[0], 0) ? 1 : 0;
  const at = (index: number): Node => {
    const node = fields[first + index];
    if (node === undefined) throw new Error('DER: the certificate is too short');
    return node;
  };
  const extensionField = fields.find((field) => isContext(field, 3));
  const extensions = decodeExtensions(extensionField === undefined ? undefined : child(extensionField, 0));
  return {
    subject: decodeName(at(4)),
    issuer: decodeName(at(2)),
    serialNumber: content(at(0))
      .toString('hex')
      .replace(/^0+(?=.)/, ''),
    notBeforeMs: x509.validFromDate.getTime(),
    notAfterMs: x509.validToDate.getTime(),
    ...extensions.names,
    usages: extensions.usages,
    isCertificateAuthority: extensions.isCertificateAuthority,
    selfSigned: x509.checkIssued(x509),
    publicKey: x509.publicKey,
    fingerprint: createHash('sha256').update(der).digest('hex'),
    subjectKeyId: extensions.subjectKeyId,
  };
}

/** Whether `issuerPem`'s key signed the first certificate of `pem`. */
export function isIssuedBy(pem: string, issuerPem: string): boolean {
  const certificate = new X509Certificate(firstPemBlock(pem, 'CERTIFICATE'));
  const issuer = new X509Certificate(firstPemBlock(issuerPem, 'CERTIFICATE'));
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Whether the private key belongs to the first certificate of `pem`. */
export function matchesKey(pem: string, privateKeyPem: string): boolean {
  const { publicKey } = new X509Certificate(firstPemBlock(pem, 'CERTIFICATE'));
  return createPublicKey(privateKeyPem).equals(publicKey);
}
