import { isIssuedBy } from '../../pki/parse.ts';
import { splitCertificates } from '../../pki/pem.ts';

/**
 * Whether a certificate (with its intermediates behind it) comes from an authority that is being replaced: of a bundle the
 * first one issues, and the others are trusted until nobody needs them. An authority outside the bundle is no affair of it.
 */
export function isSuperseded(certPem: string, bundlePem: string): boolean {
  const top = splitCertificates(certPem).at(-1);
  if (top === undefined) return false;
  return splitCertificates(bundlePem).findIndex((authority) => isIssuedBy(top, authority)) > 0;
}
