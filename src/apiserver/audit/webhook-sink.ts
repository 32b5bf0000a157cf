import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { WebhookClient, WebhookTarget } from '../webhook-client/webhook-client.ts';
import type { AuditSink } from './record.ts';

export interface WebhookSinkOptions {
  target: WebhookTarget;
  client: WebhookClient;
  clock: Clock;
  log: Logger;
  /** Events that wait at most. Default 10,000. */
  bufferSize?: number;
  /** Events of one call at most. Default 400. */
  batchMaxSize?: number;
  /** How long the first of a call waits for others. Default 30 s. */
  batchMaxWaitMs?: number;
  /** Before the second try of a call; then half as much again each time. Default 10 s. */
  initialBackoffMs?: number;
}

const TRIES = 5;
const TIMEOUT_MS = 30_000;

/**
 * Sends events in batches to another server, in their order; what it does not take after some tries is dropped.
 * Mirrors apiserver plugin/pkg/audit/{buffered,webhook}.
 */
export class WebhookSink implements AuditSink {
  readonly #options: Required<WebhookSinkOptions>;
  readonly #stop = new AbortController();
  #events: string[] = [];
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;

  constructor(options: WebhookSinkOptions) {
    this.#options = {
      bufferSize: 10_000,
      batchMaxSize: 400,
      batchMaxWaitMs: 30_000,
      initialBackoffMs: 10_000,
      ...options,
    };
  }

  write(event: string): void {
    const { bufferSize, batchMaxSize, batchMaxWaitMs, clock, log } = this.#options;
    if (this.#events.length >= bufferSize) {
      log.error({ waiting: this.#events.length }, 'an audit event was dropped: the webhook is too slow');
      return;
    }
    this.#events.push(event);
    if (this.#events.length >= batchMaxSize) this.#send();
    else this.#timer ??= clock.after(batchMaxWaitMs, () => this.#send());
  }

  /** Tries once more to send what waits. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await this.#sending;
    if (this.#events.length > 0) await this.#drain();
  }

  #send(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined;
    });
  }

  async #drain(): Promise<void> {
    const { batchMaxSize, log } = this.#options;
    while (this.#events.length > 0) {
      const batch = this.#events.splice(0, batchMaxSize);
      try {
        await this.#post(batch);
      } catch (error) {
        log.error({ events: batch.length, error: messageOf(error) }, 'audit events could not be sent');
      }
    }
  }

  async #post(batch: readonly string[]): Promise<void> {
    const { client, target, clock, initialBackoffMs } = this.#options;
    const text = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${batch.join(',')}]}`;
    let waitMs = initialBackoffMs;
    for (let attempt = 1; ; attempt++) {
      try {
        await client.post(target, {
          body: Buffer.from(text),
          timeoutMs: TIMEOUT_MS,
          announceTimeout: true,
          userAgent: 'kube-apiserver-audit',
          maxAnswerBytes: 1024 * 1024,
        });
        return;
      } catch (error) {
        if (attempt >= TRIES || this.#stop.signal.aborted) throw error;
        await clock.sleep(waitMs, this.#stop.signal).catch(() => undefined);
        waitMs *= 1.5;
      }
    }
  }
}
