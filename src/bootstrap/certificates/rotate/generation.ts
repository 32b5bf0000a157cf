import type { PkiFiles } from '../../../pki/cluster-pki.ts';
import { isIssuedBy } from '../../../pki/parse.ts';
import { AUTHORITIES, generationsOf, OLD_SIGNER } from '../../../pki/rotation.ts';

/** While authorities are replaced: whether the old or the new one stands behind a certificate. */
export type Generation = 'old' | 'new';

/** A function that tells the generation of a certificate; undefined for those of authorities that stay. */
export function generations(files: PkiFiles): (pem: string) => Generation | undefined {
  const known: Array<[issuer: string, generation: Generation]> = AUTHORITIES.flatMap((authority) => {
    const both = generationsOf(files, authority);
    return both === undefined ? [] : [[both.old, 'old'] as const, [both.next, 'new'] as const].map(pair);
  });
  // Kubelets' certificates stand behind intermediates, of which two may be in use, too.
  for (const signer of [files[OLD_SIGNER], files['pki/signer.crt']]) {
    const generation = signer === undefined ? undefined : find(known, signer);
    if (signer !== undefined && generation !== undefined) known.push([signer, generation]);
  }
  return (pem) => find(known, pem);
}

const pair = ([issuer, generation]: readonly [string, Generation]): [string, Generation] => [
  issuer,
  generation,
];

const find = (known: ReadonlyArray<[string, Generation]>, pem: string): Generation | undefined =>
  known.find(([issuer]) => isIssuedBy(pem, issuer))?.[1];
