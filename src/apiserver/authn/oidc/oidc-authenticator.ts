import { messageOf } from '../../../base/errors.ts';
import type { Authenticated } from '../../authentication.ts';
import type { UserInfo } from '../../request-context.ts';
import { peekJwt } from '../jwt.ts';
import type { JwtClaims } from '../jwt.ts';
import { BadTokenError, CREDENTIAL_ID_KEY } from '../service-account-tokens.ts';
import { claimExpression, stringsOfValue } from './claim-expressions.ts';
import type { ClaimExpression } from './claim-expressions.ts';
import { DistributedClaims } from './distributed-claims.ts';
import type { IssuerKeysOptions } from './issuer-keys.ts';
import type { ClaimMapping, JwtIssuer } from './jwt-issuer.ts';
import { stringsOf, TokenVerifier } from './token-verifier.ts';

/**
 * Takes the ID tokens of one OpenID Connect issuer. Mirrors apiserver
 * plugin/pkg/authenticator/token/oidc/oidc.go.
 */
export class OidcAuthenticator {
  readonly #issuer: JwtIssuer;
  readonly #verifier: TokenVerifier;
  readonly #distributed: DistributedClaims | undefined;
  readonly #expressions = new Map<string, ClaimExpression>();

  constructor(issuer: JwtIssuer, deps: Pick<IssuerKeysOptions, 'client' | 'clock'>) {
    this.#issuer = issuer;
    const { url, discoveryURL, certificateAuthority, audiences } = issuer.issuer;
    const { signingAlgorithms } = issuer;
    const trust = {
      ...(certificateAuthority === undefined ? {} : { caPem: certificateAuthority }),
      ...(signingAlgorithms === undefined ? {} : { algorithms: signingAlgorithms }),
      audiences,
      ...deps,
    };
    this.#verifier = new TokenVerifier({
      issuerUrl: url,
      ...(discoveryURL === undefined ? {} : { discoveryUrl: discoveryURL }),
      ...trust,
    });
    const groups = issuer.claimMappings.groups?.claim ?? '';
    this.#distributed = groups === '' ? undefined : new DistributedClaims(groups, trust);
    this.#compile();
  }

  /** Undefined where another issuer made the token; rejects with BadTokenError where it is bad. */
  async authenticate(token: string): Promise<Authenticated | undefined> {
    if (peekJwt(token)?.iss !== this.#issuer.issuer.url) return undefined;
    const claims = await this.#claims(token);
    const user = this.#user(claims);
    this.#checkClaims(claims);
    this.#checkUser(user);
    return { user };
  }

  async #claims(token: string): Promise<JwtClaims> {
    let claims: JwtClaims;
    try {
      claims = await this.#verifier.verify(token);
    } catch (error) {
      throw bad(`verify token: ${messageOf(error)}`);
    }
    try {
      return this.#distributed ? await this.#distributed.expand(claims) : claims;
    } catch (error) {
      throw bad(`could not expand distributed claims: ${messageOf(error)}`);
    }
  }

  #user(claims: JwtClaims): UserInfo {
    const { claimMappings } = this.#issuer;
    const user: UserInfo = {
      name: this.#username(claims, claimMappings.username),
      groups: this.#groups(claims, claimMappings.groups),
      extra: this.#extra(claims),
    };
    const uid = this.#uid(claims);
    if (uid !== '') user.uid = uid;
    return user;
  }

  #username(claims: JwtClaims, { claim = '', prefix = '', expression }: ClaimMapping): string {
    if (expression !== undefined) {
      const value = this.#evaluate(expression, claims, 'username claim');
      if (typeof value !== 'string') {
        throw bad(
          'error evaluating username claim expression: username claim expression must return a string',
        );
      }
      if (value === '') throw bad('empty username via CEL expression is not allowed');
      return value;
    }
    const name = claims[claim];
    if (name === undefined) throw bad(`parse username claims ${JSON.stringify(claim)}: claim not present`);
    if (typeof name !== 'string') {
      throw bad(
        `parse username claims ${JSON.stringify(claim)}: json: cannot unmarshal it into Go value of type string`,
      );
    }
    if (claim === 'email' && claims.email_verified !== undefined && claims.email_verified !== true) {
      throw bad('email not verified');
    }
    return prefix + name;
  }

  #groups(claims: JwtClaims, mapping: ClaimMapping | undefined): string[] {
    const { claim, prefix = '', expression } = mapping ?? {};
    if (expression !== undefined) {
      const groups = stringsOfValue(this.#evaluate(expression, claims, 'group claim'));
      if (groups) return groups;
      throw bad(
        'error evaluating group claim expression: expression must return a string or a list of strings',
      );
    }
    const value = claim === undefined ? undefined : claims[claim];
    if (value === undefined) return [];
    const groups = stringsOf(value);
    if (!groups)
      throw bad(`parse groups claim ${JSON.stringify(claim)}: it is no string and no list of strings`);
    return groups.map((group) => prefix + group);
  }

  #uid(claims: JwtClaims): string {
    const { claim, expression } = this.#issuer.claimMappings.uid ?? {};
    if (expression !== undefined) {
      const value = this.#evaluate(expression, claims, 'uid claim');
      if (typeof value === 'string') return value;
      throw bad('error evaluating uid claim expression: uid claim expression must return a string');
    }
    if (claim === undefined) return '';
    const value = claims[claim];
    if (typeof value === 'string') return value;
    throw bad(`parse uid claim ${JSON.stringify(claim)}: claim not present`);
  }

  #extra(claims: JwtClaims): Record<string, string[]> {
    const extra: Record<string, string[]> = {};
    for (const { key, valueExpression } of this.#issuer.claimMappings.extra ?? []) {
      const values = stringsOfValue(this.#evaluate(valueExpression, claims, 'extra claim'));
      if (!values) {
        throw bad(
          `error evaluating extra claim expression: ${valueExpression}: expression must return a string or a list of strings`,
        );
      }
      if (values.length > 0) extra[key] = values;
    }
    const { jti } = claims;
    if (typeof jti === 'string' && jti !== '') extra[CREDENTIAL_ID_KEY] ??= [`JTI=${jti}`];
    return extra;
  }

  #checkClaims(claims: JwtClaims): void {
    for (const { claim, requiredValue = '', expression, message } of this.#issuer.claimValidationRules ??
      []) {
      if (expression !== undefined) {
        if (this.#evaluate(expression, claims, 'claim validation') === true) continue;
        throw bad(
          `error evaluating claim validation expression: validation expression '${expression}' failed: ${message ?? ''}`,
        );
      }
      const value = claims[claim ?? ''];
      if (value === undefined) throw bad(`required claim ${claim} not present in ID token`);
      if (value === requiredValue) continue;
      const got = typeof value === 'string' ? value : JSON.stringify(value);
      throw bad(`required claim ${claim} value does not match. Got = ${got}, want = ${requiredValue}`);
    }
  }

  #checkUser(user: UserInfo): void {
    const shown = { username: user.name, uid: user.uid ?? '', groups: user.groups, extra: user.extra };
    for (const { expression, message = '' } of this.#issuer.userValidationRules ?? []) {
      if (this.#evaluate(expression, shown, 'user info validation rule') === true) continue;
      throw bad(
        `error evaluating user info validation rule: validation expression '${expression}' failed: ${message}`,
      );
    }
  }

  #evaluate(expression: string, value: unknown, what: string) {
    try {
      return this.#expressions.get(expression)!(value);
    } catch (error) {
      throw bad(`error evaluating ${what} expression: ${messageOf(error)}`);
    }
  }

  /** All at the start: a configuration that does not compile keeps the server from starting. */
  #compile(): void {
    const { claimMappings, claimValidationRules = [], userValidationRules = [] } = this.#issuer;
    const { username, groups, uid, extra = [] } = claimMappings;
    const mappings = [username, groups, uid].map((mapping) => mapping?.expression);
    for (const text of [...mappings, ...extra.map(({ valueExpression }) => valueExpression)]) {
      if (text !== undefined) this.#expressions.set(text, claimExpression(text, 'claims', 'any'));
    }
    for (const { expression } of claimValidationRules) {
      if (expression !== undefined) {
        this.#expressions.set(expression, claimExpression(expression, 'claims', 'bool'));
      }
    }
    for (const { expression } of userValidationRules) {
      this.#expressions.set(expression, claimExpression(expression, 'user', 'bool'));
    }
  }
}

function bad(message: string): BadTokenError {
  return new BadTokenError(`oidc: ${message}`);
}
