import { setTimeout as delay } from 'node:timers/promises';

/** A timer that has been set; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/**
 * Time, injected everywhere: nothing outside base/ reads the wall clock or sets a timer by itself.
 * Tests pass a fake one and never sleep.
 */
export interface Clock {
  /** Milliseconds since the epoch: for timestamps that leave the process. May jump. */
  now(): number;
  /** Milliseconds that never go back: for durations, timeouts and leases. */
  monotonicMs(): number;
  /** Calls `fn` once after `delayMs`. Does not keep the process alive. */
  after(delayMs: number, fn: () => void): Timer;
  /** Resolves after `delayMs`; rejects with an AbortError as soon as `signal` aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, fn) {
    const handle = setTimeout(fn, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }),
};

/** A time in the API's form: RFC 3339 in UTC with whole seconds, as upstream's metav1.Time. */
export function rfc3339(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 with microseconds, as upstream's metav1.MicroTime. */
export function rfc3339Micro(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`;
}
