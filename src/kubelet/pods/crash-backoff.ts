import type { Clock } from '../../base/clock.ts';

interface Entry {
  delayMs: number;
  updatedMs: number;
}

/**
 * Back-off by key, doubled from 10 s to 300 s and forgotten after 10 quiet minutes: of restarts of a
 * container and of pulls of an image. Mirrors client-go's util/flowcontrol/backoff.go.
 */
export class CrashBackoff {
  readonly #clock: Clock;
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, options: { initialMs?: number; maxMs?: number } = {}) {
    this.#clock = clock;
    this.#initialMs = options.initialMs ?? 10_000;
    this.#maxMs = options.maxMs ?? 300_000;
  }

  /** How long to wait still, counted from `sinceMs` (when the container ended); 0 where none is due. */
  remainingMs(key: string, sinceMs: number): number {
    const entry = this.#entries.get(key);
    if (!entry || this.#expired(entry, sinceMs)) return 0;
    return Math.max(0, sinceMs + entry.delayMs - this.#clock.now());
  }

  /** As remainingMs, counted from the last `next`. */
  remainingSinceUpdateMs(key: string): number {
    const entry = this.#entries.get(key);
    return entry ? this.remainingMs(key, entry.updatedMs) : 0;
  }

  delayMs(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** Counts one more failure: the next delay is twice as long. */
  next(key: string, eventMs: number): void {
    const entry = this.#entries.get(key);
    const fresh = !entry || this.#expired(entry, eventMs);
    const delayMs = fresh ? this.#initialMs : Math.min(entry.delayMs * 2, this.#maxMs);
    this.#entries.set(key, { delayMs, updatedMs: this.#clock.now() });
  }

  /** Forgets every key that starts with the prefix (a pod's uid), and all that have expired. */
  forget(prefix: string): void {
    for (const [key, entry] of this.#entries) {
      if (key.startsWith(prefix) || this.#expired(entry, this.#clock.now())) this.#entries.delete(key);
    }
  }

  #expired(entry: Entry, eventMs: number): boolean {
    return eventMs - entry.updatedMs > this.#maxMs * 2;
  }
}
