import { status } from '@grpc/grpc-js';
import { Backoff } from '../../base/backoff.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { StorageClosedError } from '../errors.ts';
import { Endpoint, type Method } from './endpoint.ts';
import {
  failureOf,
  isCompacted,
  isFutureRevision,
  isServiceError,
  StorageUnavailableError,
  toStorageError,
  WrongClusterError,
} from './errors.ts';
import type { Answer } from './messages.ts';
import { RANGE } from './methods.ts';
import { Slots } from './slots.ts';
import { loadTls, type EtcdTls, type EtcdTlsPem } from './tls-files.ts';

export interface MemberPoolOptions {
  /** Client URLs; the first that answers is used until it fails. */
  endpoints: readonly string[];
  tls?: EtcdTls | undefined;
  clock: Clock;
  log: Logger;
  /** How long one try may take before another member is asked. */
  attemptMs: number;
  /** How long an operation may take in all. */
  requestMs: number;
  /** How often certificate files are read again. */
  reloadMs: number;
}

/** A member that has been silent for so long while it owes an answer or holds a watch is asked for a sign of life. */
const SILENCE_MS = 250;
/** How long it may take. With twice the time above it is a member's longest silence: less than a second. */
const SIGN_OF_LIFE_MS = 350;
/** What one connection carries at once. More would only wait inside etcd, which refuses from 5,000 on. */
const CONCURRENCY = 256;
/** A key that nobody writes: reading it tells the revision and that the member lives. */
const NO_KEY = Buffer.from('\0');

/** A write that was sent and whose answer was lost: it may have been carried out. */
export class AmbiguousError extends Error {}

/**
 * The members of one etcd cluster. Calls go to one of them; when it fails or falls silent, the first other
 * member that answers and knows a leader takes its place.
 */
export class MemberPool {
  readonly #options: MemberPoolOptions;
  readonly #endpoints: Endpoint[];
  readonly #slots = new Slots(CONCURRENCY);
  readonly #timers = new Set<Timer>();
  readonly #stop = new AbortController();
  #pem: EtcdTlsPem | undefined;
  #active: Endpoint;
  #moving: Promise<unknown> | undefined;
  #clusterId: string | undefined;
  #revision = 1;

  private constructor(options: MemberPoolOptions, pem: EtcdTlsPem | undefined) {
    this.#options = options;
    this.#pem = pem;
    this.#endpoints = options.endpoints.map((url) => new Endpoint(url, pem, options.clock));
    this.#active = this.#endpoints[0]!;
    if (this.#endpoints.length > 1) this.#every(SILENCE_MS, () => this.#watchOver());
    const { tls } = options;
    if (tls && 'caFile' in tls) this.#every(options.reloadMs, () => this.#reload(tls));
  }

  /** Resolves when a member answers and knows a leader. Throws StorageUnavailableError, E_STORAGE_TLS, E_STORAGE_ENDPOINT. */
  static async open(options: MemberPoolOptions): Promise<MemberPool> {
    if (options.endpoints.length === 0) {
      throw new SlipwayError('E_STORAGE_ENDPOINT', 'no endpoint of etcd is named', {
        hint: 'Name the client URLs of its members in --etcd-servers, with commas between.',
      });
    }
    const pem = options.tls && (await loadTls(options.tls));
    const pool = new MemberPool(options, pem);
    try {
      await pool.call(RANGE, { key: NO_KEY, countOnly: true }, { repeat: true });
      return pool;
    } catch (error) {
      pool.close();
      throw error;
    }
  }

  /** The newest revision that any member has told of: the store's is this or a later one. */
  get revision(): number {
    return this.#revision;
  }

  get active(): Endpoint {
    return this.#active;
  }

  get urls(): readonly string[] {
    return this.#options.endpoints;
  }

  note(answer: Answer): void {
    const { header } = answer;
    if (!header) return;
    this.#clusterId ??= header.clusterId;
    if (header.revision > this.#revision) this.#revision = header.revision;
  }

  /**
   * Asks a member. With `repeat` it asks again, elsewhere, whatever became of the first try; without, only
   * while it is sure that nothing was done, and throws AmbiguousError otherwise. Refusals that callers judge
   * (compacted, future revision) come as gRPC's errors, others as SlipwayError.
   */
  call<Request extends object, Response extends Answer>(
    method: Method<Request, Response>,
    request: Partial<Request>,
    { repeat, requestMs = this.#options.requestMs }: { repeat: boolean; requestMs?: number },
  ): Promise<Response> {
    return this.#slots.run(() => this.#call(method, request, repeat, requestMs));
  }

  async #call<Request extends object, Response extends Answer>(
    method: Method<Request, Response>,
    request: Partial<Request>,
    repeat: boolean,
    requestMs: number,
  ): Promise<Response> {
    const { clock, attemptMs } = this.#options;
    const endMs = clock.monotonicMs() + requestMs;
    const backoff = new Backoff({ initialMs: 20, maxMs: 500 });
    let last: unknown;
    for (;;) {
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs <= 0) throw new StorageUnavailableError(this.urls, last);
      if (this.#stop.signal.aborted) throw new StorageClosedError('it was closed');
      const endpoint = this.#active;
      try {
        const answer = await endpoint.unary(method, request, { deadlineMs: Math.min(attemptMs, leftMs) });
        this.note(answer);
        return answer;
      } catch (error) {
        last = error;
        const failure = failureOf(error);
        if (isCompacted(error) || isFutureRevision(error)) throw error;
        if (failure === 'final') throw toStorageError(error, endpoint.url);
        const moved = await this.leave(endpoint, error);
        if (failure === 'unknown' && !repeat) throw new AmbiguousError(messageOf(error), { cause: error });
        // Closing cuts the pause short; the loop's head says so.
        if (!moved) await clock.sleep(backoff.next(), this.#stop.signal).catch(() => {});
      }
    }
  }

  /**
   * Turns to another member because `from` failed; resolves with whether there is one. Many callers that
   * leave the same member do it once. Throws WrongClusterError where only strangers answer.
   */
  async leave(from: Endpoint, cause: unknown): Promise<boolean> {
    if (this.#stop.signal.aborted) throw new StorageClosedError('it was closed');
    if (this.#active !== from) return true;
    this.#moving ??= this.#move(from, cause).finally(() => {
      this.#moving = undefined;
    });
    await this.#moving;
    return this.#active !== from;
  }

  close(): void {
    this.#stop.abort();
    for (const timer of this.#timers) timer.cancel();
    for (const endpoint of this.#endpoints) endpoint.close();
  }

  async #move(from: Endpoint, cause: unknown): Promise<void> {
    const others = this.#endpoints.filter((endpoint) => endpoint !== from);
    // With nowhere else to go, its own answer tells whether it still is the cluster we knew.
    const asked = others.length > 0 ? others : [from];
    try {
      const next = await Promise.any(asked.map((endpoint) => this.#signOfLife(endpoint)));
      if (next === from || this.#active !== from) return;
      this.#active = next;
      this.#options.log.warn(
        { from: from.url, to: next.url, cause: messageOf(cause) },
        'turned to another member of etcd',
      );
    } catch (error) {
      const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
      const stranger = errors.find((other) => other instanceof WrongClusterError);
      if (stranger && errors.every((other) => other instanceof WrongClusterError)) throw stranger;
    }
  }

  /** Resolves with the endpoint if it answers by itself, in time, knows a leader, and is of our cluster. */
  async #signOfLife(endpoint: Endpoint): Promise<Endpoint> {
    const answer = await endpoint.unary(
      RANGE,
      { key: NO_KEY, countOnly: true, serializable: true },
      { deadlineMs: SIGN_OF_LIFE_MS },
    );
    const found = answer.header?.clusterId ?? '';
    if (this.#clusterId !== undefined && found !== this.#clusterId) {
      throw new WrongClusterError(endpoint.url, this.#clusterId, found);
    }
    this.note(answer);
    return endpoint;
  }

  /** A member whose machine is gone sends no reset: it is given up when it is silent while another one speaks. */
  #watchOver(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const endpoint of this.#endpoints) {
      if (endpoint.busy && nowMs - endpoint.heardMs > SILENCE_MS) void this.#examine(endpoint, nowMs);
    }
  }

  async #examine(endpoint: Endpoint, startedMs: number): Promise<void> {
    const { clock, log } = this.#options;
    try {
      await this.#signOfLife(endpoint);
    } catch (error) {
      // It spoke meanwhile, or it was this process that stood still: no ground to leave.
      const tookMs = clock.monotonicMs() - startedMs;
      const stalled = tookMs > SIGN_OF_LIFE_MS * 1.5;
      if (this.#stop.signal.aborted || endpoint.heardMs > startedMs || stalled) return;
      const others = this.#endpoints.filter((other) => other !== endpoint);
      const next = await Promise.any(others.map((other) => this.#signOfLife(other))).catch(() => undefined);
      if (!next || !isServiceError(error)) return;
      if (error.code === status.DEADLINE_EXCEEDED) endpoint.reset();
      if (this.#active !== endpoint) return;
      this.#active = next;
      log.warn({ from: endpoint.url, to: next.url, cause: error.details }, 'a member of etcd fell silent');
    }
  }

  async #reload(tls: EtcdTls): Promise<void> {
    try {
      const pem = await loadTls(tls);
      const before = this.#pem;
      if (pem.ca === before?.ca && pem.cert === before.cert && pem.key === before.key) return;
      this.#pem = pem;
      for (const endpoint of this.#endpoints) endpoint.renew(pem);
      this.#options.log.info({}, 'took up new certificates for etcd');
    } catch (error) {
      this.#options.log.warn({ err: messageOf(error) }, 'kept the old certificates for etcd');
    }
  }

  #every(intervalMs: number, step: () => void | Promise<void>): void {
    const timer = this.#options.clock.after(intervalMs, () => {
      this.#timers.delete(timer);
      if (this.#stop.signal.aborted) return;
      void Promise.resolve(step()).finally(() => this.#every(intervalMs, step));
    });
    this.#timers.add(timer);
  }
}
