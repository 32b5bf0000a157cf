import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import nacl from 'tweetnacl';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { KmsProvider } from './kms/kms-provider.ts';

export interface EncryptionKey {
  name: string;
  secret: Buffer;
}

/**
 * How values are kept: 'k8s:enc:<type>:v1:<key name>:' and then what the provider made; 'k8s:enc:kms:v2:<name>:' and an
 * envelope where a service keeps the keys.
 */
export type EncryptionProvider =
  | { readonly type: 'identity' | CipherType; readonly keys: readonly EncryptionKey[] }
  | { readonly type: 'kms'; readonly kms: KmsProvider };

type CipherType = 'aescbc' | 'aesgcm' | 'secretbox';

const MARK = Buffer.from('k8s:enc:');

interface Cipher {
  /** `context` is the key of the store: a value that was copied to another key is refused where the cipher can. */
  seal(secret: Buffer, plaintext: Buffer, context: Buffer): Buffer;
  /** Throws where the value is not whole or not of this key. */
  open(secret: Buffer, sealed: Buffer, context: Buffer): Buffer;
}

/** Mirrors apiserver pkg/storage/value/encrypt/{aes,secretbox}: upstream's values are read, and ours by upstream. */
const CIPHERS: Record<CipherType, Cipher> = {
  aesgcm: {
    seal(secret, plaintext, context) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv(`aes-${secret.length * 8}-gcm` as 'aes-256-gcm', secret, nonce);
      cipher.setAAD(context);
      return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(secret, sealed, context) {
      if (sealed.length < 28) throw new Error('the stored data was shorter than the required size');
      const decipher = createDecipheriv(
        `aes-${secret.length * 8}-gcm` as 'aes-256-gcm',
        secret,
        sealed.subarray(0, 12),
      );
      decipher.setAAD(context);
      decipher.setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
    },
  },
  aescbc: {
    seal(secret, plaintext) {
      const iv = randomBytes(16);
      const cipher = createCipheriv(`aes-${secret.length * 8}-cbc`, secret, iv);
      return Buffer.concat([iv, cipher.update(plaintext), cipher.final()]);
    },
    open(secret, sealed) {
      if (sealed.length < 32 || sealed.length % 16 !== 0) {
        throw new Error('the stored data is no multiple of the block size');
      }
      const decipher = createDecipheriv(`aes-${secret.length * 8}-cbc`, secret, sealed.subarray(0, 16));
      return Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()]);
    },
  },
  secretbox: {
    seal(secret, plaintext) {
      const nonce = randomBytes(24);
      return Buffer.concat([nonce, nacl.secretbox(plaintext, nonce, secret)]);
    },
    open(secret, sealed) {
      const opened = nacl.secretbox.open(sealed.subarray(24), sealed.subarray(0, 24), secret);
      if (!opened) throw new Error('the stored data is not of this key, or was changed');
      return Buffer.from(opened.buffer, opened.byteOffset, opened.byteLength);
    },
  },
};

/** Writes values with the first key of the first provider, and reads those of all. */
export class Transformer {
  readonly #providers: readonly EncryptionProvider[];

  constructor(providers: readonly EncryptionProvider[]) {
    this.#providers = providers;
  }

  /** 'secretbox:key1' or 'identity': what new values are written with. */
  get primary(): string {
    const [first] = this.#providers;
    if (first === undefined || first.type === 'identity') return 'identity';
    if (first.type === 'kms') return `kms:${first.kms.name}`;
    return `${first.type}:${first.keys[0]?.name ?? ''}`;
  }

  /** Has services open what these values need; undefined where nothing has to be waited for. Rejects with E_KMS. */
  prepare(values: Iterable<Buffer>): Promise<unknown> | undefined {
    let waits: Array<Promise<void>> | undefined;
    for (const provider of this.#providers) {
      if (provider.type !== 'kms') continue;
      const prefix = kmsPrefix(provider.kms.name);
      for (const stored of values) {
        if (!startsWith(stored, prefix)) continue;
        const wait = provider.kms.prepare(stored.subarray(prefix.length));
        if (wait) (waits ??= []).push(wait);
      }
    }
    return waits && Promise.all(waits);
  }

  seal(storeKey: string, plaintext: Buffer): Buffer {
    const [provider] = this.#providers;
    if (provider === undefined || provider.type === 'identity') return plaintext;
    if (provider.type === 'kms') {
      const envelope = provider.kms.seal(plaintext, Buffer.from(storeKey));
      return Buffer.concat([Buffer.from(kmsPrefix(provider.kms.name)), envelope]);
    }
    const [key] = provider.keys;
    if (key === undefined) throw new Error(`the provider ${provider.type} has no key`);
    const sealed = CIPHERS[provider.type].seal(key.secret, plaintext, Buffer.from(storeKey));
    return Buffer.concat([Buffer.from(prefixOf(provider.type, key.name)), sealed]);
  }

  /** The value, and whether it is kept with another key than new ones. Errors: E_DECRYPT, which names the store's key. */
  open(storeKey: string, stored: Buffer): { value: Buffer; stale: boolean } {
    const isSealed = stored.subarray(0, MARK.length).equals(MARK);
    const context = Buffer.from(storeKey);
    for (const [index, provider] of this.#providers.entries()) {
      if (provider.type === 'identity') {
        if (!isSealed) return { value: stored, stale: index > 0 };
        continue;
      }
      if (!isSealed) continue;
      if (provider.type === 'kms') {
        const opened = openWithKms(provider.kms, storeKey, stored, context);
        if (opened) return { value: opened.value, stale: index > 0 || opened.stale };
        continue;
      }
      for (const [at, key] of provider.keys.entries()) {
        const prefix = prefixOf(provider.type, key.name);
        if (!startsWith(stored, prefix)) continue;
        try {
          const value = CIPHERS[provider.type].open(key.secret, stored.subarray(prefix.length), context);
          return { value, stale: index > 0 || at > 0 };
        } catch (cause) {
          throw undecryptable(storeKey, `the key ${key.name} does not open it`, cause);
        }
      }
    }
    const how = isSealed
      ? stored.subarray(0, 60).toString('latin1').split(':').slice(0, 5).join(':')
      : 'unencrypted';
    throw undecryptable(storeKey, `it is kept as ${how}, for which no provider is configured`);
  }
}

function openWithKms(
  kms: KmsProvider,
  storeKey: string,
  stored: Buffer,
  context: Buffer,
): { value: Buffer; stale: boolean } | undefined {
  const prefix = kmsPrefix(kms.name);
  if (!startsWith(stored, prefix)) return undefined;
  try {
    return kms.open(stored.subarray(prefix.length), context);
  } catch (cause) {
    if (cause instanceof SlipwayError) throw cause;
    throw undecryptable(storeKey, `the envelope of ${kms.name} does not open: ${messageOf(cause)}`, cause);
  }
}

function startsWith(stored: Buffer, prefix: string): boolean {
  return stored.length >= prefix.length && stored.toString('latin1', 0, prefix.length) === prefix;
}

const kmsPrefix = (name: string): string => `k8s:enc:kms:v2:${name}:`;
const prefixOf = (type: string, key: string): string => `k8s:enc:${type}:v1:${key}:`;

function undecryptable(storeKey: string, why: string, cause?: unknown): SlipwayError {
  return new SlipwayError('E_DECRYPT', `${storeKey} of the store cannot be read: ${why}`, {
    cause,
    hint: 'add the key that it was written with to the encryption configuration, after the one in use',
  });
}
