import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { Secret } from '../../../api/gen/types/core-v1.ts';

const NOTHING = 'failed to find any PEM data in';

interface Block {
  label: string;
  text: string;
}

function blocksOf(base64: string | undefined): Block[] {
  const pem = Buffer.from(base64 ?? '', 'base64').toString('latin1');
  const blocks = pem.matchAll(/-----BEGIN ([^-\n]+)-----\r?\n[^]*?-----END \1-----/g);
  return [...blocks].map(([text, label = '']) => ({ label, text }));
}

/** What is wrong with a certificate and its key, in the words of Go's tls.X509KeyPair. */
function pairProblem(certificate: string | undefined, key: string | undefined): string | undefined {
  const certificates = blocksOf(certificate);
  const found = certificates.find(({ label }) => label === 'CERTIFICATE');
  if (!found) {
    if (certificates.length === 0) return `tls: ${NOTHING} certificate input`;
    if (certificates.length === 1 && certificates[0]?.label.endsWith('PRIVATE KEY')) {
      return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
    }
    const labels = certificates.map(({ label }) => label).join(' ');
    return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${labels}]`;
  }
  const keys = blocksOf(key);
  const own = keys.find(({ label }) => label === 'PRIVATE KEY' || label.endsWith(' PRIVATE KEY'));
  if (!own) {
    if (keys.length === 0) return `tls: ${NOTHING} key input`;
    if (keys.length === 1 && keys[0]?.label === 'CERTIFICATE') {
      return 'tls: found a certificate rather than a key in the PEM for the private key';
    }
    const labels = keys.map(({ label }) => label).join(' ');
    return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${labels}]`;
  }
  return matchProblem(found.text, own.text);
}

function matchProblem(certificatePem: string, keyPem: string): string | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(certificatePem);
  } catch {
    return 'x509: malformed certificate';
  }
  try {
    const key = createPrivateKey(keyPem);
    if (certificate.publicKey.asymmetricKeyType !== key.asymmetricKeyType) {
      return 'tls: private key type does not match public key type';
    }
    return certificate.checkPrivateKey(key) ? undefined : 'tls: private key does not match public key';
  } catch {
    return 'tls: failed to parse private key';
  }
}

/** Mirrors warningsForSecret of pkg/registry/core/secret/strategy.go. */
export function secretWarnings({ type, data }: Secret): string[] {
  if (type !== 'kubernetes.io/tls') return [];
  const problem = pairProblem(data?.['tls.crt'], data?.['tls.key']);
  return problem === undefined ? [] : [problem];
}
