import { SlipwayError } from '../base/errors.ts';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g;

/** Wraps DER in a PEM block with lines of 64 characters and a final newline. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** All blocks with this label, in order, as DER; text around them is ignored, as openssl does. */
export function pemBlocks(pem: string, label: string): Buffer[] {
  return [...pem.matchAll(BLOCK)]
    .filter((match) => match[1] === label)
    .map((match) => Buffer.from(match[2] ?? '', 'base64'));
}

/** The first block with this label; E_PEM where there is none. */
export function firstPemBlock(pem: string, label: string): Buffer {
  const [block] = pemBlocks(pem, label);
  if (block === undefined) throw new SlipwayError('E_PEM', `no PEM block "${label}" found`);
  return block;
}

/** The certificates of a bundle, each as a PEM of its own. */
export const splitCertificates = (pem: string): string[] =>
  pemBlocks(pem, 'CERTIFICATE').map((der) => toPem('CERTIFICATE', der));
