import { randomUUID } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { jwtKey, signJwt } from './jwt.ts';
import type { JwtKey } from './jwt.ts';

export interface NamedObject {
  name: string;
  uid: string;
}

/** What a token is bound to: when it goes, the token is worth nothing. */
export interface TokenBinding {
  pod?: NamedObject;
  secret?: NamedObject;
  /** Told in the token beside a pod, too. */
  node?: { name: string; uid?: string };
}

export interface IssuedToken {
  token: string;
  /** Epoch seconds. */
  expiresAt: number;
}

/** Makes service-account tokens. Mirrors pkg/serviceaccount/claims.go. */
export class TokenIssuer {
  readonly issuer: string;
  readonly #privateKey: KeyObject;
  readonly #key: JwtKey;
  readonly #clock: Clock;

  constructor(options: { issuer: string; privateKey: KeyObject; clock: Clock }) {
    this.issuer = options.issuer;
    this.#privateKey = options.privateKey;
    this.#key = jwtKey(options.privateKey);
    this.#clock = options.clock;
  }

  issue(options: {
    namespace: string;
    serviceAccount: NamedObject;
    audiences: readonly string[];
    expirationSeconds: number;
    binding?: TokenBinding;
  }): IssuedToken {
    const now = Math.floor(this.#clock.now() / 1000);
    const expiresAt = now + options.expirationSeconds;
    const { binding = {} } = options;
    const claims = {
      aud: options.audiences,
      exp: expiresAt,
      iat: now,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace: options.namespace,
        ...(binding.node ? { node: binding.node } : {}),
        ...(binding.pod ? { pod: binding.pod } : {}),
        ...(binding.secret ? { secret: binding.secret } : {}),
        serviceaccount: options.serviceAccount,
      },
      nbf: now,
      sub: `system:serviceaccount:${options.namespace}:${options.serviceAccount.name}`,
    };
    return { token: signJwt(claims, this.#privateKey, this.#key), expiresAt };
  }
}
