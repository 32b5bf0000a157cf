import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Authenticated, Authenticator } from '../authentication.ts';
import type { ApiRequest } from '../request-context.ts';
import { unauthorized } from '../status-errors.ts';
import type { AnonymousConfig } from './authentication-config.ts';
import type { BootstrapTokens } from './bootstrap-tokens.ts';
import { authenticateCertificate, authenticateRequestHeaders } from './certificates.ts';
import type { CaBundle, RequestHeaderOptions } from './certificates.ts';
import type { RemovedNodes } from './removed-nodes.ts';
import { BadTokenError } from './service-account-tokens.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';

export interface AuthenticatorOptions {
  clientCa: CaBundle;
  requestHeader?: RequestHeaderOptions;
  /** Certificates that are signed as they should be, and not believed all the same. */
  removedNodes?: RemovedNodes;
  serviceAccounts?: ServiceAccountTokens;
  bootstrapTokens?: BootstrapTokens;
  /** Asked in order for tokens that are none of this cluster's. */
  others?: readonly TokenAuthenticator[];
  /** Who may come in without credentials. Default: whoever asks for health or version. */
  anonymous?: AnonymousConfig | undefined;
  log: Logger;
}

/** Knows some tokens. Resolves to undefined for others; rejects with BadTokenError where one of its own is bad. */
export interface TokenAuthenticator {
  authenticate(token: string, audiences: readonly string[]): Promise<Authenticated | undefined>;
}

const AUTHENTICATED = 'system:authenticated';
const ANONYMOUS: Authenticated = {
  user: { name: 'system:anonymous', groups: ['system:unauthenticated'], extra: {} },
};

/** Paths that load balancers and supervisors ask without credentials; everything else needs some. */
const ANONYMOUS_PATHS = /^\/(livez|readyz|healthz)(\/.*)?$|^\/version\/?$/;

/**
 * Front proxy, then certificate, then bearer token, then nobody. Everyone who is somebody belongs to
 * system:authenticated.
 */
export class RequestAuthenticator implements Authenticator {
  #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** Believes other issuers from now on; requests under way go on with those that they began with. */
  replace(change: Pick<AuthenticatorOptions, 'others' | 'anonymous'>): void {
    this.#options = { ...this.#options, ...change };
  }

  async authenticate(request: ApiRequest): Promise<Authenticated | undefined> {
    const { clientCa, removedNodes, requestHeader } = this.#options;
    const byProxy = requestHeader && authenticateRequestHeaders(request, requestHeader);
    if (byProxy) return withGroup(byProxy);
    const byCertificate = authenticateCertificate(request, clientCa);
    if (byCertificate) {
      const certificate = request.clientCertificate;
      if (certificate && (await removedNodes?.refuses(certificate))) throw unauthorized();
      return withGroup(byCertificate);
    }
    const token = bearerToken(request);
    if (token !== undefined) {
      const byToken = await this.#token(token, []);
      if (!byToken) throw unauthorized();
      return withGroup(byToken);
    }
    return this.#allowsAnonymous(request.path) ? ANONYMOUS : undefined;
  }

  /** For TokenReview. Rejects with BadTokenError, whose message may be shown to the reviewer. */
  async authenticateToken(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    const { serviceAccounts, bootstrapTokens } = this.#options;
    const own = await serviceAccounts?.authenticate(token, audiences);
    const found =
      own ?? (await bootstrapTokens?.authenticate(token)) ?? (await this.#byOthers(token, audiences));
    return found && withGroup(found);
  }

  /** One that cannot tell does not keep the next from knowing. */
  async #byOthers(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    let failure: BadTokenError | undefined;
    for (const other of this.#options.others ?? []) {
      try {
        const found = await other.authenticate(token, audiences);
        if (found) return found;
      } catch (error) {
        if (!(error instanceof BadTokenError)) throw error;
        failure ??= error;
      }
    }
    if (failure) throw failure;
    return undefined;
  }

  #allowsAnonymous(path: string): boolean {
    const { anonymous } = this.#options;
    if (!anonymous) return ANONYMOUS_PATHS.test(path);
    if (!anonymous.enabled) return false;
    const { conditions = [] } = anonymous;
    return conditions.length === 0 || conditions.some((each) => each.path === path);
  }

  async #token(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    try {
      return await this.authenticateToken(token, audiences);
    } catch (error) {
      if (!(error instanceof BadTokenError)) throw error;
      this.#options.log.debug({ reason: messageOf(error) }, 'a bearer token was refused');
      return undefined;
    }
  }
}

function withGroup(found: Authenticated): Authenticated {
  const { user } = found;
  if (user.groups.includes(AUTHENTICATED)) return found;
  return { ...found, user: { ...user, groups: [...user.groups, AUTHENTICATED] } };
}

const WEBSOCKET_TOKEN = 'base64url.bearer.authorization.k8s.io.';

/** From the Authorization header, or, as browsers cannot set that, from a WebSocket's subprotocols. */
function bearerToken(request: ApiRequest): string | undefined {
  const header = request.headers.authorization;
  if (header !== undefined) {
    const [, token] = /^bearer +([^ ]+) *$/i.exec(header) ?? [];
    return token;
  }
  if (!request.upgrade) return undefined;
  const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((part) => part.trim());
  const encoded = protocols.find((protocol) => protocol.startsWith(WEBSOCKET_TOKEN));
  return encoded === undefined
    ? undefined
    : Buffer.from(encoded.slice(WEBSOCKET_TOKEN.length), 'base64url').toString('utf8');
}
