import { SlipwayError } from '../base/errors.ts';
import type { PkiFiles } from './cluster-pki.ts';
import { generateKeyPair, publicKeyOf, type KeyAlgorithm } from './keys.ts';

/** How far the key that signs service accounts' tokens has been replaced. */
export const TOKEN_ROTATION = 'pki/sa-rotation.json';
const NEXT = 'pki/sa-new.key';
const KEY = 'pki/sa.key';
const PUBLIC = 'pki/sa.pub';

/**
 * learn: API servers know both public keys, and sign with the old one. sign: they sign with the new one. drop: they know
 * the new one alone.
 */
export const TOKEN_STAGES = ['learn', 'sign', 'drop'] as const;
export type TokenStage = (typeof TOKEN_STAGES)[number];

export interface TokenRotation {
  stage: TokenStage;
  /** When every API server signed with the new key, in milliseconds since the epoch. */
  signedSinceMs?: number;
}

/** E_ROTATION where it cannot be read. */
export function tokenRotationOf(files: PkiFiles): TokenRotation | undefined {
  const text = files[TOKEN_ROTATION];
  if (text === undefined) return undefined;
  let found: TokenRotation | undefined;
  try {
    found = JSON.parse(text) as TokenRotation;
  } catch {
    // Told below.
  }
  if (found === undefined || !TOKEN_STAGES.includes(found.stage) || files[NEXT] === undefined) {
    throw new SlipwayError(
      'E_ROTATION',
      `${TOKEN_ROTATION} or ${NEXT} of the state directory cannot be used`,
      {
        hint: 'put the state directory back from a backup',
      },
    );
  }
  return found;
}

const render = (rotation: TokenRotation): string => `${JSON.stringify(rotation)}\n`;

/** The files as they count now: pki/sa.key signs, and tokens of every key in pki/sa.pub are believed. */
export function withTokenRotation(files: PkiFiles): PkiFiles {
  const rotation = tokenRotationOf(files);
  const [old, next] = [files[KEY], files[NEXT]];
  if (rotation === undefined || old === undefined || next === undefined) return files;
  const [oldPublic, nextPublic] = [publicKeyOf(old), publicKeyOf(next)];
  const counting: Record<TokenStage, [string, string]> = {
    learn: [old, oldPublic + nextPublic],
    sign: [next, nextPublic + oldPublic],
    drop: [next, nextPublic],
  };
  const [key, publicKeys] = counting[rotation.stage];
  return { ...files, [KEY]: key, [PUBLIC]: publicKeys };
}

/** The files that begin it, in their order. */
export const beginTokenRotation = (algorithm: KeyAlgorithm): Array<[string, string]> => [
  [NEXT, generateKeyPair(algorithm).privateKeyPem],
  [TOKEN_ROTATION, render({ stage: 'learn' })],
];

export const tokenStage = (rotation: TokenRotation): [string, string] => [TOKEN_ROTATION, render(rotation)];

/** What ends it, in its order. */
export function endTokenRotation(files: PkiFiles): { write: Array<[string, string]>; remove: string[] } {
  const next = files[NEXT] ?? '';
  return {
    write: [
      [KEY, next],
      [PUBLIC, publicKeyOf(next)],
    ],
    remove: [TOKEN_ROTATION, NEXT],
  };
}
