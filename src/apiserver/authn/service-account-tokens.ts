import type { KubeObject } from '../../api/resource.ts';
import { NODES, PODS, SECRETS, SERVICEACCOUNTS } from '../../api/gen/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Authenticated } from '../authentication.ts';
import type { ObjectReader } from '../object-store.ts';
import type { UserInfo } from '../request-context.ts';
import { peekJwt, verifyJwt } from './jwt.ts';
import type { JwtClaims, JwtKey } from './jwt.ts';

/** Clocks of the servers may differ by so much. */
const LEEWAY_SECONDS = 60;
const MAX_VERIFIED = 4096;

export const POD_NAME_KEY = 'authentication.kubernetes.io/pod-name';
export const POD_UID_KEY = 'authentication.kubernetes.io/pod-uid';
export const NODE_NAME_KEY = 'authentication.kubernetes.io/node-name';
export const NODE_UID_KEY = 'authentication.kubernetes.io/node-uid';
export const CREDENTIAL_ID_KEY = 'authentication.kubernetes.io/credential-id';

/** The token is one of ours and bad; the message goes into TokenReview and the log, never to a client that was refused. */
export class BadTokenError extends Error {}

interface BoundClaims {
  namespace: string;
  serviceaccount: { name: string; uid: string };
  pod?: { name: string; uid: string };
  secret?: { name: string; uid: string };
  node?: { name: string; uid?: string };
}

/**
 * Checks service-account tokens: signature, time and audience, and that the account and what the token is
 * bound to are still there with the same uid. Mirrors pkg/serviceaccount/{jwt,claims}.go.
 */
export class ServiceAccountTokens {
  readonly #issuers: readonly string[];
  readonly #keys: readonly JwtKey[];
  readonly #apiAudiences: readonly string[];
  readonly #reader: ObjectReader;
  readonly #clock: Clock;
  /** Signatures are checked once a token; everything else each time. */
  readonly #verified = new Map<string, JwtClaims>();

  constructor(options: {
    issuers: readonly string[];
    keys: readonly JwtKey[];
    apiAudiences: readonly string[];
    reader: ObjectReader;
    clock: Clock;
  }) {
    this.#issuers = options.issuers;
    this.#keys = options.keys;
    this.#apiAudiences = options.apiAudiences;
    this.#reader = options.reader;
    this.#clock = options.clock;
  }

  /**
   * Who the token stands for, or undefined where it is not from this cluster's issuer. `audiences` are those
   * that the asker accepts (empty: the API server's own). Rejects with BadTokenError.
   */
  async authenticate(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    const issuer = peekJwt(token)?.['iss'];
    if (typeof issuer !== 'string' || !this.#issuers.includes(issuer)) return undefined;
    const claims = this.#verify(token);
    const accepted = audiences.length > 0 ? audiences : this.#apiAudiences;
    const given = stringsOf(claims['aud']);
    const common = given.filter((audience) => accepted.includes(audience));
    if (common.length === 0) {
      throw new BadTokenError(
        `token audiences ${JSON.stringify(given)} is invalid for the target audiences ${JSON.stringify(accepted)}`,
      );
    }
    this.#checkTimes(claims);
    const bound = boundClaims(claims);
    const user = await this.#checkObjects(bound);
    if (typeof claims['jti'] === 'string' && claims['jti'] !== '') {
      user.extra[CREDENTIAL_ID_KEY] = [`JTI=${claims['jti']}`];
    }
    return { user, audiences: common };
  }

  #verify(token: string): JwtClaims {
    const known = this.#verified.get(token);
    if (known) return known;
    const claims = verifyJwt(token, this.#keys);
    if (!claims) throw new BadTokenError('invalid signature');
    if (this.#verified.size >= MAX_VERIFIED) {
      const [oldest] = this.#verified.keys();
      if (oldest !== undefined) this.#verified.delete(oldest);
    }
    this.#verified.set(token, claims);
    return claims;
  }

  #checkTimes(claims: JwtClaims): void {
    const now = this.#clock.now() / 1000;
    const { exp, nbf, iat } = claims;
    if (typeof exp !== 'number' || now - LEEWAY_SECONDS > exp) {
      throw new BadTokenError('service account token has expired');
    }
    for (const time of [nbf, iat]) {
      if (typeof time === 'number' && now + LEEWAY_SECONDS < time) {
        throw new BadTokenError('service account token is not valid yet');
      }
    }
  }

  async #checkObjects(bound: BoundClaims): Promise<UserInfo> {
    const { namespace, serviceaccount, pod, secret, node } = bound;
    const account = await this.#reader.get(SERVICEACCOUNTS, serviceaccount.name, namespace);
    this.#checkObject(account, serviceaccount.uid, 'service account', serviceaccount.name);
    const user: UserInfo = {
      name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
      uid: serviceaccount.uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      extra: {},
    };
    if (secret) {
      const object = await this.#reader.get(SECRETS, secret.name, namespace);
      this.#checkObject(object, secret.uid, 'secret', secret.name);
    }
    if (pod) {
      const object = await this.#reader.get(PODS, pod.name, namespace);
      this.#checkObject(object, pod.uid, 'pod', pod.name);
      user.extra[POD_NAME_KEY] = [pod.name];
      user.extra[POD_UID_KEY] = [pod.uid];
    }
    if (node) {
      // Beside a pod the node only says where the pod ran; alone it is what the token is bound to.
      if (!pod) {
        const object = await this.#reader.get(NODES, node.name);
        this.#checkObject(object, node.uid ?? '', 'node', node.name);
      }
      user.extra[NODE_NAME_KEY] = [node.name];
      if (node.uid) user.extra[NODE_UID_KEY] = [node.uid];
    }
    return user;
  }

  #checkObject(object: KubeObject | undefined, uid: string, kind: string, name: string): void {
    if (!object) throw new BadTokenError(`${kind} ${name} does not exist`);
    if (object.metadata?.uid !== uid) {
      throw new BadTokenError(`the ${kind} UID (${object.metadata?.uid}) does not match the claim (${uid})`);
    }
    const deleted = object.metadata.deletionTimestamp;
    // A terminating pod keeps its token for its grace period: deletionTimestamp lies at its end.
    if (deleted && Date.parse(deleted) / 1000 + LEEWAY_SECONDS < this.#clock.now() / 1000) {
      throw new BadTokenError(`service account token has been invalidated: the ${kind} ${name} is deleted`);
    }
  }
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function boundClaims(claims: JwtClaims): BoundClaims {
  const bound = claims['kubernetes.io'] as BoundClaims | undefined;
  const name = bound?.serviceaccount?.name;
  if (typeof bound?.namespace !== 'string' || typeof name !== 'string' || bound.serviceaccount.uid === '') {
    throw new BadTokenError('the token has no service account');
  }
  if (claims['sub'] !== `system:serviceaccount:${bound.namespace}:${name}`) {
    throw new BadTokenError('sub claim does not match the service account');
  }
  return bound;
}
