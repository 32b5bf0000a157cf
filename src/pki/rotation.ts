import type { Clock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import type { PkiFiles } from './cluster-pki.ts';
import { createCertificateAuthority } from './issue.ts';
import { encryptKey, isEncryptedKey, type KeyAlgorithm } from './keys.ts';

/** What is being replaced, and how far it has come: one file, so that a stage begins at one instant. */
export const ROTATION = 'pki/rotation.json';
/** The kubelets' intermediate under the old root: API servers know it until the old root is dropped. */
export const OLD_SIGNER = 'pki/signer-old.crt';

/** The certificate authorities that can be replaced, by their paths below pki/. */
export const AUTHORITIES = ['ca', 'front-proxy-ca', 'etcd/ca'] as const;
export type AuthorityPath = (typeof AUTHORITIES)[number];

/**
 * trust: everybody trusts both, the old one issues. issue: the new one issues, everybody trusts both. drop: the new one
 * alone is trusted.
 */
export const ROTATION_STAGES = ['trust', 'issue', 'drop'] as const;
export type RotationStage = (typeof ROTATION_STAGES)[number];

export interface Rotation {
  authorities: AuthorityPath[];
  stage: RotationStage;
}

const COMMON_NAMES: Record<AuthorityPath, string> = {
  ca: 'kubernetes',
  'front-proxy-ca': 'front-proxy-ca',
  'etcd/ca': 'etcd-ca',
};

const at = (authority: AuthorityPath): string => `pki/${authority}`;
const nextOf = (authority: AuthorityPath): string => `${at(authority)}-new`;
const render = (rotation: Rotation): string => `${JSON.stringify(rotation)}\n`;

/** The rotation that these files are in, as the state directory has them. E_ROTATION where it cannot be read. */
export function rotationOf(files: PkiFiles): Rotation | undefined {
  const text = files[ROTATION];
  if (text === undefined) return undefined;
  const rotation = parse(text);
  for (const authority of rotation.authorities) {
    if (files[`${nextOf(authority)}.crt`] === undefined || files[`${nextOf(authority)}.key`] === undefined) {
      throw damaged(`${nextOf(authority)}.crt or its key is missing`);
    }
  }
  return rotation;
}

function parse(text: string): Rotation {
  let found: Partial<Rotation> | undefined;
  try {
    found = JSON.parse(text) as Partial<Rotation>;
  } catch {
    throw damaged('it is not JSON');
  }
  const { authorities, stage } = found;
  if (!Array.isArray(authorities) || !authorities.every((each) => AUTHORITIES.includes(each)))
    throw damaged('its authorities are unknown');
  if (stage === undefined || !ROTATION_STAGES.includes(stage)) throw damaged('its stage is unknown');
  return { authorities, stage };
}

const damaged = (why: string): SlipwayError =>
  new SlipwayError('E_ROTATION', `${ROTATION} of the state directory cannot be used: ${why}`, {
    hint: 'put the state directory back from a backup',
  });

/**
 * The files as they count now. An authority that is being replaced stands under its own name: the key that issues at
 * this stage, and every certificate that is trusted, the one that issues first.
 */
export function withRotation(files: PkiFiles): PkiFiles {
  const rotation = rotationOf(files);
  const counting: PkiFiles = { ...files };
  for (const authority of rotation?.authorities ?? []) {
    const [crt, key] = [`${at(authority)}.crt`, `${at(authority)}.key`];
    counting[crt] = bundleAt(files, authority, rotation?.stage ?? 'trust');
    if (rotation?.stage !== 'trust') counting[key] = files[`${nextOf(authority)}.key`] ?? '';
  }
  if (!(rotation?.stage === 'issue' && rotation.authorities.includes('ca'))) delete counting[OLD_SIGNER];
  return counting;
}

function bundleAt(files: PkiFiles, authority: AuthorityPath, stage: RotationStage): string {
  const old = files[`${at(authority)}.crt`] ?? '';
  const next = files[`${nextOf(authority)}.crt`] ?? '';
  return { trust: old + next, issue: next + old, drop: next }[stage];
}

/** Every content that pki/ca.crt may have on a server of this cluster: servers may be a stage behind. */
export function trustedRoots(files: PkiFiles): string[] {
  const stages = rotationOf(files)?.authorities.includes('ca') === true ? ROTATION_STAGES : [];
  const own = files['pki/ca.crt'];
  return [...(own === undefined ? [] : [own]), ...stages.map((stage) => bundleAt(files, 'ca', stage))];
}

/** Old and new certificate of an authority that is being replaced. */
export function generationsOf(
  files: PkiFiles,
  authority: AuthorityPath,
): { old: string; next: string } | undefined {
  if (rotationOf(files)?.authorities.includes(authority) !== true) return undefined;
  return { old: files[`${at(authority)}.crt`] ?? '', next: files[`${nextOf(authority)}.crt`] ?? '' };
}

/**
 * The files that begin a rotation, in the order in which they must be written: nothing counts before the last one. New
 * keys are encrypted where the old ones are. Errors: E_PASSPHRASE.
 */
export function beginRotation(
  files: PkiFiles,
  authorities: readonly AuthorityPath[],
  options: { clock: Clock; algorithm: KeyAlgorithm; passphrase: string | undefined },
): Array<[path: string, content: string]> {
  const { clock, algorithm, passphrase } = options;
  const written: Array<[string, string]> = [];
  for (const authority of authorities) {
    const old = files[`${at(authority)}.key`] ?? '';
    if (passphrase === undefined && isEncryptedKey(old)) {
      throw new SlipwayError(
        'E_PASSPHRASE',
        `${at(authority)}.key is encrypted, and the key that replaces it must be, too`,
        { hint: 'give the passphrase with --passphrase-file or in SLIPWAY_PASSPHRASE' },
      );
    }
    const next = createCertificateAuthority({ commonName: COMMON_NAMES[authority], clock, algorithm });
    const keyPem = passphrase === undefined ? next.keyPem : encryptKey(next.keyPem, passphrase);
    written.push([`${nextOf(authority)}.key`, keyPem], [`${nextOf(authority)}.crt`, next.certPem]);
  }
  written.push([OLD_SIGNER, files['pki/signer.crt'] ?? '']);
  written.push([ROTATION, render({ authorities: [...authorities], stage: 'trust' })]);
  return written;
}

/** The file that begins the next stage. */
export function advanceRotation(rotation: Rotation): [path: string, content: string] {
  const stage = ROTATION_STAGES[ROTATION_STAGES.indexOf(rotation.stage) + 1] ?? 'drop';
  return [ROTATION, render({ ...rotation, stage })];
}

/**
 * What ends a rotation, in its order: the new authorities are written under their own names, which changes nothing while
 * the rotation is there; then it is removed, and what is left of it.
 */
export function endRotation(files: PkiFiles): { write: Array<[string, string]>; remove: string[] } {
  const authorities = rotationOf(files)?.authorities ?? [];
  const ends = ['.key', '.crt'];
  return {
    write: authorities.flatMap((authority) =>
      ends.map((end): [string, string] => [at(authority) + end, files[nextOf(authority) + end] ?? '']),
    ),
    remove: [
      ROTATION,
      ...AUTHORITIES.flatMap((authority) => ends.map((end) => nextOf(authority) + end)),
      OLD_SIGNER,
    ],
  };
}
