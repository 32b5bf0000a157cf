import { constants, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { WebhookServer } from './webhook-server.ts';

type Algorithm = 'RS256' | 'ES256' | 'ES384' | 'PS256';

interface SigningKey {
  kid: string;
  algorithm: Algorithm;
  privateKey: KeyObject;
  publicKey: KeyObject;
}

/** An OpenID Connect provider in this process, whose keys a test may change. */
export class OidcIssuer {
  readonly server: WebhookServer;
  keys: SigningKey[] = [];
  #serial = 0;

  private constructor(server: WebhookServer) {
    this.server = server;
    server.handlers.set('/.well-known/openid-configuration', () => ({
      issuer: this.url,
      jwks_uri: `${this.url}/keys`,
    }));
    server.handlers.set('/keys', () => ({
      keys: this.keys.map(({ kid, algorithm, publicKey }) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid,
        alg: algorithm,
        use: 'sig',
      })),
    }));
  }

  static async start(): Promise<OidcIssuer> {
    const issuer = new OidcIssuer(await WebhookServer.start());
    issuer.addKey('RS256');
    return issuer;
  }

  get url(): string {
    return `https://127.0.0.1:${this.server.port}`;
  }

  addKey(algorithm: Algorithm): SigningKey {
    const { privateKey, publicKey } = algorithm.startsWith('ES')
      ? generateKeyPairSync('ec', { namedCurve: algorithm === 'ES256' ? 'prime256v1' : 'secp384r1' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = { kid: `key-${(this.#serial += 1)}`, algorithm, privateKey, publicKey };
    this.keys.push(key);
    return key;
  }

  /** Signed with the newest key, for an hour, unless told otherwise. */
  token(claims: object = {}, key: SigningKey = this.keys.at(-1)!, header: object = {}): string {
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: this.url, aud: 'slipway', sub: 'jane', iat: now, exp: now + 3600, ...claims };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const data = `${part({ alg: key.algorithm, kid: key.kid, ...header })}.${part(all)}`;
    const signature = sign(`sha${key.algorithm.slice(2)}`, Buffer.from(data), {
      key: key.privateKey,
      dsaEncoding: 'ieee-p1363',
      ...(key.algorithm === 'PS256'
        ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
        : {}),
    });
    return `${data}.${signature.toString('base64url')}`;
  }

  close(): Promise<void> {
    return this.server.close();
  }
}
