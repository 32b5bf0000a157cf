import { randomBytes } from 'node:crypto';
import { SlipwayError } from '../../base/errors.ts';

/** Where the state directory keeps the keys of the store: among the PKI, for the operator alone. */
export const ENCRYPTION_KEYS = 'pki/encryption.key';

/** A key of 32 bytes, in base64. */
export interface StoreKey {
  name: string;
  secret: string;
}

const newKey = (name: string): StoreKey => ({ name, secret: randomBytes(32).toString('base64') });

export const firstKeys = (): StoreKey[] => [newKey('key1')];

/** One 'name:secret' a line; the first one is written with, all are read with. */
export const renderKeys = (keys: readonly StoreKey[]): string =>
  keys.map(({ name, secret }) => `${name}:${secret}\n`).join('');

/** Errors: E_ENCRYPTION_KEYS, without the secrets. */
export function parseKeys(text: string): StoreKey[] {
  const keys = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, name, secret] = /^(key\d+):([A-Za-z0-9+/]{43}=)$/.exec(line) ?? [];
      if (name === undefined || secret === undefined) throw damaged();
      return { name, secret };
    });
  if (keys.length === 0 || keys.length > 2) throw damaged();
  return keys;
}

const damaged = (): SlipwayError =>
  new SlipwayError('E_ENCRYPTION_KEYS', `${ENCRYPTION_KEYS} of the state directory cannot be read`, {
    hint: 'put the file back from a backup of the state directory; the servers have it as /etc/kubernetes/encryption.yaml',
  });

/** What a rotation does next: a key is added, then written with, then the other one is dropped. */
export type RotationStage = 'add' | 'use' | 'drop';

const numberOf = ({ name }: StoreKey): number => Number(name.slice('key'.length));

/** The stage that keys are at, by their number and order alone: a rotation that broke off goes on from there. */
export function stageOf(keys: readonly StoreKey[]): RotationStage {
  const [first, second] = keys;
  if (first === undefined || second === undefined) return 'add';
  return numberOf(first) < numberOf(second) ? 'use' : 'drop';
}

/** The keys after the next stage. */
export function advance(keys: readonly StoreKey[]): StoreKey[] {
  const [first, second] = keys;
  if (first === undefined) return firstKeys();
  if (second === undefined) return [first, newKey(`key${numberOf(first) + 1}`)];
  return stageOf(keys) === 'use' ? [second, first] : [first];
}
