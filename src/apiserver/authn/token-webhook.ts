import { createHash } from 'node:crypto';
import type { TokenReview } from '../../api/gen/types/authentication-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Authenticated } from '../authentication.ts';
import type { UserInfo } from '../request-context.ts';
import { ExpiringMap } from '../webhook-client/expiring-map.ts';
import { askReview } from '../webhook-client/review.ts';
import type { WebhookClient, WebhookTarget } from '../webhook-client/webhook-client.ts';
import { BadTokenError } from './service-account-tokens.ts';

export interface TokenWebhookOptions {
  target: WebhookTarget;
  /** Of authentication.k8s.io. Default v1. */
  version?: 'v1' | 'v1beta1';
  /** How long an answer is remembered. Default 2 minutes. */
  cacheTtlMs?: number;
}

const TIMEOUT_MS = 10_000;
const MAX_CACHED = 10_000;

/** Asks another server whose token it is. Mirrors apiserver plugin/pkg/authenticator/token/webhook/webhook.go. */
export class TokenWebhook {
  readonly #options: TokenWebhookOptions;
  readonly #deps: { client: WebhookClient; clock: Clock; log: Logger; apiAudiences: readonly string[] };
  readonly #cache: ExpiringMap<{ found: Authenticated | undefined }>;
  readonly #asking = new Map<string, Promise<Authenticated | undefined>>();

  constructor(
    options: TokenWebhookOptions,
    deps: { client: WebhookClient; clock: Clock; log: Logger; apiAudiences: readonly string[] },
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#cache = new ExpiringMap(deps.clock, MAX_CACHED);
  }

  /** Undefined where the other server does not know the token, or cannot be asked. Rejects with BadTokenError. */
  async authenticate(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    // Tokens are secrets: only their hash is kept.
    const key = createHash('sha256')
      .update(`${audiences.join('\0')}\0\0${token}`)
      .digest('base64');
    const known = this.#cache.get(key);
    if (known) return known.found;
    let asking = this.#asking.get(key);
    if (!asking) {
      asking = this.#ask(token, audiences).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    const found = await asking;
    this.#cache.set(key, { found }, this.#options.cacheTtlMs ?? 120_000);
    return found;
  }

  async #ask(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    const { client, clock, log, apiAudiences } = this.#deps;
    const { target, version = 'v1' } = this.#options;
    let status: TokenReview['status'];
    try {
      const review = await askReview<TokenReview>(
        { spec: { token, ...(audiences.length > 0 ? { audiences: [...audiences] } : {}) } },
        {
          target,
          client,
          clock,
          timeoutMs: TIMEOUT_MS,
          group: 'authentication.k8s.io',
          kind: 'TokenReview',
          version,
        },
      );
      status = review.status;
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the webhook for tokens could not be asked');
      // Not remembered: the next request asks again.
      throw new BadTokenError(messageOf(error));
    }
    const given = status?.audiences?.length ? status.audiences : apiAudiences;
    const common = audiences.filter((audience) => given.includes(audience));
    if (audiences.length > 0 && common.length === 0) return undefined;
    if (!status?.authenticated) {
      if (status?.error) throw new BadTokenError(status.error);
      return undefined;
    }
    const { username = '', uid = '', groups = [], extra = {} } = status.user ?? {};
    const user: UserInfo = { name: username, groups, extra };
    if (uid !== '') user.uid = uid;
    return { user, ...(audiences.length > 0 ? { audiences: common } : {}) };
  }
}
