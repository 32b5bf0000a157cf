import { createHash, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SlipwayError } from '../../base/errors.ts';

/** The two algorithms that service-account keys come in. */
export type JwtAlgorithm = 'ES256' | 'RS256';

/** A key in the way upstream names it: the id is the hash of the public key. */
export interface JwtKey {
  readonly id: string;
  readonly algorithm: JwtAlgorithm;
  readonly publicKey: KeyObject;
}

/** The claims of a token whose signature is good; nothing else of it has been checked. */
export type JwtClaims = Record<string, unknown>;

/** The key file holds a key that no token can be signed with. */
export class JwtKeyError extends SlipwayError {
  constructor(found: string) {
    super('E_SERVICE_ACCOUNT_KEY', `a service-account key must be RSA or ECDSA P-256, not ${found}`, {
      hint: 'make one with: openssl ecparam -name prime256v1 -genkey',
    });
  }
}

/** Describes a public or private key. Throws JwtKeyError for other kinds of keys. */
export function jwtKey(key: KeyObject): JwtKey {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const id = createHash('sha256').update(der).digest('base64url');
  const curve = publicKey.asymmetricKeyDetails?.namedCurve;
  if (publicKey.asymmetricKeyType === 'rsa') return { id, algorithm: 'RS256', publicKey };
  if (publicKey.asymmetricKeyType === 'ec' && curve === 'prime256v1') {
    return { id, algorithm: 'ES256', publicKey };
  }
  throw new JwtKeyError(curve ?? publicKey.asymmetricKeyType ?? key.type);
}

/** A signed token in compact form. */
export function signJwt(claims: JwtClaims, privateKey: KeyObject, key: JwtKey): string {
  const head = base64(JSON.stringify({ alg: key.algorithm, kid: key.id }));
  const body = `${head}.${base64(JSON.stringify(claims))}`;
  const signature = sign('sha256', Buffer.from(body), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${body}.${signature.toString('base64url')}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** The claims without any check, to see whose token it is; undefined for what is no JWT. */
export function peekJwt(token: string): JwtClaims | undefined {
  const parts = token.split('.');
  return parts.length === 3 ? parseObject(parts[1] ?? '') : undefined;
}

/**
 * The claims where one of the keys has signed them, else undefined. The algorithm comes from the key and
 * never from the token, so that a token cannot choose a weaker one.
 */
export function verifyJwt(token: string, keys: readonly JwtKey[]): JwtClaims | undefined {
  const [head = '', payload = '', signature = '', ...more] = token.split('.');
  if (more.length > 0) return undefined;
  const header = parseObject(head);
  if (!header) return undefined;
  const data = Buffer.from(`${head}.${payload}`);
  const bytes = Buffer.from(signature, 'base64url');
  const named = keys.filter((key) => key.id === header['kid']);
  for (const key of named.length > 0 ? named : keys) {
    if (header['alg'] !== key.algorithm) continue;
    const options = { key: key.publicKey, dsaEncoding: 'ieee-p1363' as const };
    if (verify('sha256', data, options, bytes)) return parseObject(payload);
  }
  return undefined;
}

function parseObject(part: string): JwtClaims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JwtClaims)
      : undefined;
  } catch {
    return undefined;
  }
}
