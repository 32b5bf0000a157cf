import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import type { KmsSealed } from './kms-service.ts';
import { decodeMapEntry, decodeWire, encodeMap, encodeWire } from './wire.ts';

/** What the service keeps is a seed, from which each value's key is derived; 0 means that it is the key itself. */
export const SEED_SOURCE = 1;

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SOURCE_MAX_BYTES = 1024;
const KEY_ID_MAX_BYTES = 1024;
const ANNOTATIONS_MAX_BYTES = 32 * 1024;
const DOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+\.?$/;

/** A value as it is kept: sealed with a key whose source the service has sealed. */
export interface Envelope extends KmsSealed {
  data: Buffer;
  sourceType: number;
}

/** Mirrors apiserver pkg/storage/value/encrypt/envelope/kmsv2/v2/api.proto: upstream reads ours, and we what it wrote. */
export function encodeEnvelope({ data, keyId, ciphertext, annotations, sourceType }: Envelope): Buffer {
  return encodeWire([
    [1, data],
    [2, Buffer.from(keyId)],
    [3, ciphertext],
    ...encodeMap(4, annotations),
    ...(sourceType === 0 ? [] : [[5, sourceType] as const]),
  ]);
}

/** Throws where the bytes are no envelope, or one that breaks a rule. */
export function decodeEnvelope(bytes: Buffer): Envelope {
  const annotations = new Map<string, Buffer>();
  const envelope = {
    data: Buffer.alloc(0),
    keyId: '',
    ciphertext: Buffer.alloc(0),
    annotations,
    sourceType: 0,
  };
  for (const [number, value] of decodeWire(bytes)) {
    if (typeof value === 'number') {
      if (number === 5) envelope.sourceType = value;
    } else if (number === 1) envelope.data = Buffer.from(value);
    else if (number === 2) envelope.keyId = value.toString('utf8');
    else if (number === 3) envelope.ciphertext = Buffer.from(value);
    else if (number === 4) annotations.set(...decodeMapEntry(Buffer.from(value)));
  }
  if (envelope.data.length === 0) throw new Error('encrypted data is empty');
  if (envelope.sourceType > SEED_SOURCE) {
    throw new Error(`unknown encryptedDEKSourceType: ${envelope.sourceType}`);
  }
  const problem = sealedProblem(envelope);
  if (problem !== undefined) throw new Error(problem);
  return envelope;
}

/** Why what a service answered cannot be kept. */
export function sealedProblem({ ciphertext, keyId, annotations }: KmsSealed): string | undefined {
  const source = 'failed to validate encrypted DEK source: encrypted DEK source';
  if (ciphertext.length === 0) return `${source} is empty`;
  if (ciphertext.length > SOURCE_MAX_BYTES) {
    return `${source} is ${ciphertext.length} bytes, which exceeds the max size of ${SOURCE_MAX_BYTES}`;
  }
  const problem = keyIdProblem(keyId);
  if (problem !== undefined) return `failed to validate key id: ${problem}`;
  let bytes = 0;
  for (const [name, value] of annotations) {
    if (!DOMAIN.test(name) || name.length > 253) {
      return `failed to validate annotations: annotations: Invalid value: ${JSON.stringify(name)}: should be a domain with at least two segments separated by dots`;
    }
    bytes += Buffer.byteLength(name) + value.length;
  }
  if (bytes <= ANNOTATIONS_MAX_BYTES) return undefined;
  return `failed to validate annotations: total size of annotations is ${bytes}, which exceeds the max size of ${ANNOTATIONS_MAX_BYTES}`;
}

export function keyIdProblem(keyId: string): string | undefined {
  if (keyId === '') return 'keyID is empty';
  const bytes = Buffer.byteLength(keyId);
  if (bytes <= KEY_ID_MAX_BYTES) return undefined;
  return `keyID is ${bytes} bytes, which exceeds the max size of ${KEY_ID_MAX_BYTES}`;
}

/** Under this name an opened source is remembered: everything that went into opening it. */
export function sourceName({ ciphertext, keyId, annotations, sourceType }: Omit<Envelope, 'data'>): string {
  const hash = createHash('sha256');
  const part = (bytes: Buffer): void => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  hash.update(String(sourceType));
  part(ciphertext);
  part(Buffer.from(keyId));
  for (const [name, value] of [...annotations].sort(([a], [b]) => (a < b ? -1 : 1))) {
    part(Buffer.from(name));
    part(value);
  }
  return hash.digest('base64');
}

/**
 * Each value gets a key of its own, derived from the seed by 32 random bytes that are kept before it; so nonces never
 * wear out. Mirrors apiserver pkg/storage/value/encrypt/aes/aes_extended_nonce.go.
 */
export function sealWithSeed(seed: Buffer, plaintext: Buffer, context: Buffer): Buffer {
  const info = randomBytes(KEY_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', derivedKey(seed, info), nonce);
  cipher.setAAD(context);
  return Buffer.concat([info, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Throws where the data is not whole, not of this source, or of another place in the store. */
export function openWithSource(source: Buffer, sourceType: number, data: Buffer, context: Buffer): Buffer {
  const infoBytes = sourceType === SEED_SOURCE ? KEY_BYTES : 0;
  if (data.length < infoBytes + NONCE_BYTES + TAG_BYTES) {
    throw new Error('the stored data was shorter than the required size');
  }
  const key = infoBytes > 0 ? derivedKey(source, data.subarray(0, infoBytes)) : source;
  const sealed = data.subarray(infoBytes);
  const algorithm = `aes-${key.length * 8}-gcm` as 'aes-256-gcm';
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, NONCE_BYTES));
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}

/** The expand step of HKDF with SHA-256 (RFC 5869, section 2.3) for one block, which is all that a key needs. */
function derivedKey(seed: Buffer, info: Buffer): Buffer {
  return createHmac('sha256', seed)
    .update(info)
    .update(Buffer.from([1]))
    .digest();
}
