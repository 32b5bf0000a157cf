import { SERVICEACCOUNTS } from '../../api/gen/resources.ts';
import type { TokenRequest } from '../../api/gen/types/authentication-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { nameOf, namespaceOf, specOf, uidOf } from '../pods/pod-spec.ts';

const MAX_AGE_MS = 24 * 3_600_000;

interface Held {
  token: string;
  expiresMs: number;
  requestedMs: number;
  lifetimeMs: number;
}

/** Tokens of pods' service accounts, bound to the pod, renewed at 80% of their life or a day. Mirrors pkg/kubelet/token/token_manager.go. */
export class TokenManager {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #held = new Map<string, Held>();

  constructor(options: { client: Client; clock: Clock; log: Logger }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  async get(pod: Pod, audience: string, expirationSeconds: number): Promise<string> {
    const account = specOf(pod).serviceAccountName || 'default';
    const key = [uidOf(pod), account, audience, expirationSeconds].join('/');
    const held = this.#held.get(key);
    if (held && !this.#isDue(held)) return held.token;
    try {
      const fresh = await this.#request(pod, account, audience, expirationSeconds);
      this.#held.set(key, fresh);
      return fresh.token;
    } catch (error) {
      // A token that still holds is better than none.
      if (!held || held.expiresMs <= this.#clock.now()) throw error;
      this.#log.warn({ pod: nameOf(pod), error: messageOf(error) }, 'service account token not renewed yet');
      return held.token;
    }
  }

  forget(uid: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(`${uid}/`)) this.#held.delete(key);
  }

  #isDue(held: Held): boolean {
    const now = this.#clock.now();
    const due = held.expiresMs - held.lifetimeMs * 0.2;
    return now >= due || now - held.requestedMs > MAX_AGE_MS;
  }

  async #request(pod: Pod, account: string, audience: string, expirationSeconds: number): Promise<Held> {
    const request: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience === '' ? [] : [audience],
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: nameOf(pod), uid: uidOf(pod) },
      },
    };
    const ref = { namespace: namespaceOf(pod), name: account };
    const answer = await this.#client.createSubresource(SERVICEACCOUNTS, ref, 'token', request);
    const expiresMs = Date.parse(answer.status?.expirationTimestamp ?? '');
    const requestedMs = this.#clock.now();
    const seconds = answer.spec?.expirationSeconds ?? expirationSeconds;
    return { token: answer.status?.token ?? '', expiresMs, requestedMs, lifetimeMs: seconds * 1000 };
  }
}
