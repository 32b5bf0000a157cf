import { decodeJson } from '../../api/json/decode.ts';
import { encodeJson } from '../../api/json/encode.ts';
import type { KubeObject } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import type { Clock } from '../../base/clock.ts';
import { CallError } from './call-error.ts';
import type { WebhookClient, WebhookTarget } from './webhook-client.ts';

const MAX_ANSWER_BYTES = 1024 * 1024;
const TRIES = 5;
const FIRST_WAIT_MS = 500;
/** Answers after which another try may help. Mirrors DefaultShouldRetry of apiserver pkg/util/webhook/webhook.go. */
const PASSING = new Set([429, 500, 504]);

/**
 * Sends a review to a webhook and resolves with the same, answered; tries again where that may help. Rejects
 * with CallError, and with E_JSON where the answer is no such review.
 */
export async function askReview<T extends KubeObject>(
  review: T,
  options: {
    target: WebhookTarget;
    client: WebhookClient;
    clock: Clock;
    timeoutMs: number;
    /** How decoding knows the kind: 'authentication.k8s.io', 'TokenReview'. */
    group: string;
    kind: string;
    version: string;
  },
): Promise<T> {
  const { target, client, clock, timeoutMs, group, kind, version } = options;
  const body = encodeJson({ ...review, kind, apiVersion: `${group}/${version}` });
  const untilMs = clock.monotonicMs() + timeoutMs;
  let waitMs = FIRST_WAIT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      const leftMs = Math.max(untilMs - clock.monotonicMs(), 1);
      const answer = await client.post(target, {
        body,
        timeoutMs: leftMs,
        announceTimeout: true,
        userAgent: `kube-apiserver-${kind.toLowerCase()}`,
        maxAnswerBytes: MAX_ANSWER_BYTES,
      });
      return decodeJson(answer, schemaForKind(group, 'v1', kind)).object as T;
    } catch (error) {
      const mayPass =
        error instanceof CallError &&
        (PASSING.has(error.answer?.httpCode ?? 0) || error.message.endsWith('EOF'));
      if (!mayPass || attempt >= TRIES || clock.monotonicMs() + waitMs >= untilMs) throw error;
      await clock.sleep(waitMs);
      waitMs *= 1.5;
    }
  }
}
