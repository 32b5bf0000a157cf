import { isObject } from '../../../api/objects.ts';
import { messageOf } from '../../../base/errors.ts';
import { peekJwt } from '../jwt.ts';
import type { JwtClaims } from '../jwt.ts';
import { BadTokenError } from '../service-account-tokens.ts';
import { TokenVerifier } from './token-verifier.ts';
import type { TokenVerifierOptions } from './token-verifier.ts';

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Issuers that answers may come from; a token names few. */
const MAX_ISSUERS = 16;

/**
 * A claim that a token does not carry but says where to get: another token, whose own issuer must have signed it for the
 * same audience. Mirrors claimResolver of apiserver plugin/pkg/authenticator/token/oidc/oidc.go; see OpenID Connect Core
 * 1.0, section 5.6.2.
 */
export class DistributedClaims {
  readonly #claim: string;
  readonly #trust: Omit<TokenVerifierOptions, 'issuerUrl' | 'discoveryUrl'>;
  readonly #verifiers = new Map<string, TokenVerifier>();

  constructor(claim: string, trust: Omit<TokenVerifierOptions, 'issuerUrl' | 'discoveryUrl'>) {
    this.#claim = claim;
    this.#trust = trust;
  }

  /** The claims with the one that was elsewhere; rejects with BadTokenError where it cannot be had. */
  async expand(claims: JwtClaims): Promise<JwtClaims> {
    const { _claim_names: names, _claim_sources: sources } = claims as Record<string, unknown>;
    if (claims[this.#claim] !== undefined || names === undefined) return claims;
    if (!isObject(names))
      throw bad('oidc: error parsing distributed claim names: it is no object of strings');
    if (sources === undefined) throw bad('oidc: no claim sources');
    if (!isObject(sources)) throw bad('oidc: could not parse claim sources: it is no object');
    const source = names[this.#claim];
    if (typeof source !== 'string') return claims;
    const found = sources[source];
    if (!isObject(found)) {
      throw bad(`id token _claim_names contained a source ${source} missing in _claims_sources`);
    }
    const { endpoint, access_token: accessToken } = found;
    // Without an endpoint it is an aggregated claim, which upstream leaves aside, too.
    if (typeof endpoint !== 'string' || endpoint === '') return claims;
    const value = await this.#resolve(endpoint, typeof accessToken === 'string' ? accessToken : '');
    return { ...claims, [this.#claim]: value };
  }

  async #resolve(endpoint: string, accessToken: string): Promise<unknown> {
    const token = await this.#get(endpoint, accessToken);
    const issuer = peekJwt(token)?.iss;
    if (typeof issuer !== 'string') {
      throw bad(
        `getting untrusted issuer from endpoint ${endpoint} failed for claim ${JSON.stringify(this.#claim)}`,
      );
    }
    let claims: JwtClaims;
    try {
      claims = await this.#verifierOf(issuer).verify(token);
    } catch (error) {
      throw bad(`verify distributed claim token: ${messageOf(error)}`);
    }
    const value = claims[this.#claim];
    if (value !== undefined) return value;
    throw bad(
      `jwt returned by distributed claim endpoint ${JSON.stringify(endpoint)} did not contain claim: ${this.#claim}`,
    );
  }

  async #get(url: string, accessToken: string): Promise<string> {
    const { client, caPem } = this.#trust;
    const target = {
      url,
      ...(caPem === undefined ? {} : { caPem }),
      ...(accessToken === '' ? {} : { headers: { authorization: `Bearer ${accessToken}` } }),
    };
    try {
      const answer = await client.get(target, {
        timeoutMs: TIMEOUT_MS,
        userAgent: 'kube-apiserver-oidc',
        maxAnswerBytes: MAX_ANSWER_BYTES,
      });
      return answer.toString('utf8').trim();
    } catch (error) {
      throw bad(`while getting distributed claim ${JSON.stringify(this.#claim)}: ${messageOf(error)}`);
    }
  }

  #verifierOf(issuerUrl: string): TokenVerifier {
    let verifier = this.#verifiers.get(issuerUrl);
    if (!verifier) {
      if (!URL.canParse(issuerUrl) || new URL(issuerUrl).protocol !== 'https:') {
        throw bad(`the issuer ${JSON.stringify(issuerUrl)} has no https URL`);
      }
      const [oldest] = this.#verifiers.keys();
      if (oldest !== undefined && this.#verifiers.size >= MAX_ISSUERS) this.#verifiers.delete(oldest);
      verifier = new TokenVerifier({ issuerUrl, ...this.#trust });
      this.#verifiers.set(issuerUrl, verifier);
    }
    return verifier;
  }
}

function bad(message: string): BadTokenError {
  return new BadTokenError(message);
}
