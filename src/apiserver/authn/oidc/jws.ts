import { constants, createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isObject } from '../../../api/objects.ts';

/** A key of an issuer's set. */
export interface VerificationKey {
  readonly id: string;
  /** The one algorithm that it is for, where the set says so. */
  readonly algorithm: string | undefined;
  readonly key: KeyObject;
}

export const SIGNING_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const;

const CURVES: Readonly<Record<string, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
};

export interface TokenHeader {
  alg: string;
  kid: string | undefined;
}

/** The protected header of a compact token; undefined for what is none. */
export function tokenHeader(token: string): TokenHeader | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(parts[0] ?? '', 'base64url').toString('utf8'));
    if (!isObject(value) || typeof value.alg !== 'string') return undefined;
    return { alg: value.alg, kid: typeof value.kid === 'string' ? value.kid : undefined };
  } catch {
    return undefined;
  }
}

/** Whether one of the keys has signed the token with one of the algorithms that are allowed. */
export function isSignedBy(
  token: string,
  keys: readonly VerificationKey[],
  algorithms: readonly string[],
): boolean {
  const header = tokenHeader(token);
  if (!header || !algorithms.includes(header.alg)) return false;
  const end = token.lastIndexOf('.');
  const data = Buffer.from(token.slice(0, end));
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  const named = header.kid === undefined ? keys : keys.filter(({ id }) => id === header.kid);
  return named.some((key) => isGood(header.alg, key, data, signature));
}

function isGood(
  algorithm: string,
  { key, algorithm: only }: VerificationKey,
  data: Buffer,
  signature: Buffer,
) {
  if (only !== undefined && only !== algorithm) return false;
  const hash = `sha${algorithm.slice(2)}`;
  if (algorithm.startsWith('ES')) {
    // The curve belongs to the algorithm: another one would be another signature scheme.
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== CURVES[algorithm])
      return false;
    return verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
  }
  if (key.asymmetricKeyType !== 'rsa') return false;
  const padding = algorithm.startsWith('PS') ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return verify(
    hash,
    data,
    { key, padding, ...(algorithm.startsWith('PS') ? { saltLength } : {}) },
    signature,
  );
}

/** The keys of a JSON Web Key Set that signatures can be checked with; others are passed over. */
export function keysOf(set: unknown): VerificationKey[] {
  const list: unknown = isObject(set) ? set.keys : undefined;
  if (!Array.isArray(list)) return [];
  return list.flatMap((jwk: unknown) => {
    if (!isObject(jwk) || (jwk.use !== undefined && jwk.use !== 'sig')) return [];
    try {
      const key = createPublicKey({ key: jwk, format: 'jwk' });
      const algorithm = typeof jwk.alg === 'string' ? jwk.alg : undefined;
      return [{ id: typeof jwk.kid === 'string' ? jwk.kid : '', algorithm, key }];
    } catch {
      return [];
    }
  });
}
