import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { SlipwayError } from '../base/errors.ts';
import { child, decode, nothing, oid, readBits, sequence, type Node } from './der.ts';

export type KeyAlgorithm = 'ECDSA-P256' | 'RSA-2048';

export interface KeyPair {
  /** PKCS#8, 'BEGIN PRIVATE KEY'. */
  privateKeyPem: string;
  /** SPKI, 'BEGIN PUBLIC KEY'. */
  publicKeyPem: string;
}

/** A new key pair. ECDSA P-256 costs under a millisecond, RSA-2048 some tens of them. */
export function generateKeyPair(algorithm: KeyAlgorithm = 'ECDSA-P256'): KeyPair {
  const pair =
    algorithm === 'RSA-2048'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKeyPem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKeyPem: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** The public half of a private key, as SPKI PEM. */
export const publicKeyOf = (privateKeyPem: string): string =>
  createPublicKey(privateKeyPem).export({ type: 'spki', format: 'pem' }).toString();

export const spkiDer = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

/** SHA-1 of the public key's bits: RFC 5280's first method for key identifiers. */
export function keyIdentifier(spki: Uint8Array): Buffer {
  const bits = readBits(child(decode(spki), 1));
  return createHash('sha1').update(bits).digest();
}

/** Encrypts a private key with a passphrase (PKCS#8, AES-256): openssl reads it too. */
export const encryptKey = (privateKeyPem: string, passphrase: string): string =>
  createPrivateKey(privateKeyPem)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
    .toString();

export const isEncryptedKey = (pem: string): boolean => pem.includes('BEGIN ENCRYPTED PRIVATE KEY');

/** Decrypts what encryptKey made; E_PASSPHRASE where the passphrase is wrong. */
export function decryptKey(pem: string, passphrase: string): string {
  try {
    return createPrivateKey({ key: pem, passphrase }).export({ type: 'pkcs8', format: 'pem' }).toString();
  } catch (cause) {
    throw new SlipwayError('E_PASSPHRASE', 'the passphrase does not open the private key', { cause });
  }
}

const ECDSA_SHA256 = '1.2.840.10045.4.3.2';
const RSA_SHA256 = '1.2.840.113549.1.1.11';
const DIGESTS: Record<string, string | null> = {
  [ECDSA_SHA256]: 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  [RSA_SHA256]: 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  // Ed25519 hashes by itself.
  '1.3.101.112': null,
};

/** The AlgorithmIdentifier that signWith uses with this key. */
export function signatureAlgorithm(key: KeyObject): Node {
  if (key.asymmetricKeyType === 'ec') return sequence(oid(ECDSA_SHA256));
  if (key.asymmetricKeyType === 'rsa') return sequence(oid(RSA_SHA256), nothing());
  throw new SlipwayError(
    'E_KEY_TYPE',
    `keys of type "${key.asymmetricKeyType ?? 'unknown'}" are not supported`,
    {
      hint: 'use ECDSA P-256 or RSA-2048',
    },
  );
}

export const signWith = (key: KeyObject, data: Uint8Array): Buffer => sign('sha256', data, key);

/** Whether `signature` over `data` is the key's; an algorithm that we do not know is false. */
export function verifyWith(
  key: KeyObject,
  algorithm: string,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const digest = DIGESTS[algorithm];
  if (digest === undefined) return false;
  try {
    return verify(digest, data, key, signature);
  } catch {
    // The algorithm does not fit the key: not a signature of it.
    return false;
  }
}
