import { messageOf } from '../../../base/errors.ts';
import { peekJwt } from '../jwt.ts';
import type { JwtClaims } from '../jwt.ts';
import { BadTokenError } from '../service-account-tokens.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { IssuerKeysOptions } from './issuer-keys.ts';
import { isSignedBy, SIGNING_ALGORITHMS, tokenHeader } from './jws.ts';

export interface TokenVerifierOptions extends IssuerKeysOptions {
  /** A token must be for one of them. */
  audiences: readonly string[];
  /** Default: those that upstream takes. */
  algorithms?: readonly string[];
}

/** Tells whether an issuer made a token, for whom, and whether it still counts. */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #keys: IssuerKeys;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
    this.#keys = new IssuerKeys(options);
  }

  /** The claims of a good token; rejects with BadTokenError. */
  async verify(token: string): Promise<JwtClaims> {
    const header = tokenHeader(token);
    const algorithms = this.#options.algorithms ?? SIGNING_ALGORITHMS;
    let isGood: boolean;
    try {
      isGood =
        isSignedBy(token, await this.#keys.find(header?.kid), algorithms) ||
        // Keys may have been changed under the same name, or have none.
        (algorithms.includes(header?.alg ?? '') && isSignedBy(token, await this.#keys.renewed(), algorithms));
    } catch (error) {
      throw new BadTokenError(messageOf(error));
    }
    if (!isGood) {
      throw new BadTokenError('failed to verify signature: failed to verify id token signature');
    }
    const claims = peekJwt(token) ?? {};
    const now = this.#options.clock.now() / 1000;
    const { exp, nbf, aud } = claims;
    if (typeof exp !== 'number' || now > exp) {
      const when = typeof exp === 'number' ? ` (Token Expiry: ${new Date(exp * 1000).toISOString()})` : '';
      throw new BadTokenError(`oidc: token is expired${when}`);
    }
    // As the library that upstream uses: five minutes, as some issuers' clocks are that wrong.
    if (typeof nbf === 'number' && nbf > now + 300) {
      throw new BadTokenError('oidc: current time before the nbf (not before) time');
    }
    const given = stringsOf(aud) ?? [];
    const { audiences } = this.#options;
    if (!given.some((audience) => audiences.includes(audience))) {
      const wanted = `[${audiences.map((each) => JSON.stringify(each)).join(' ')}]`;
      const got = `[${given.map((each) => JSON.stringify(each)).join(' ')}]`;
      throw new BadTokenError(`oidc: expected audience in ${wanted} got ${got}`);
    }
    return claims;
  }
}

/** A text, or a list of them; undefined for anything else. */
export function stringsOf(value: unknown): string[] | undefined {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) return undefined;
  return value;
}
