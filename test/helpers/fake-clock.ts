import FakeTimers from '@sinonjs/fake-timers';
import type { Clock } from '../../src/base/clock.ts';

export interface FakeClock extends Clock {
  /** Moves time on, running what falls due, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock alone, as an NTP step does; timers and monotonic time do not notice. */
  jump(ms: number): void;
}

/** A clock that stands still until it is moved. Starts at 2026-01-01T00:00:00Z unless told. */
export function createClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  const fake = FakeTimers.createClock(0);
  let offsetMs = startMs;
  return {
    now: () => fake.now + offsetMs,
    monotonicMs: () => fake.now,
    after(delayMs, fn) {
      const handle = fake.setTimeout(fn, delayMs);
      return { cancel: () => fake.clearTimeout(handle) };
    },
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        const fail = () => reject(new DOMException('This operation was aborted', 'AbortError'));
        if (signal?.aborted) {
          fail();
          return;
        }
        const handle = fake.setTimeout(() => {
          signal?.removeEventListener('abort', abort);
          resolve();
        }, delayMs);
        const abort = () => {
          fake.clearTimeout(handle);
          fail();
        };
        signal?.addEventListener('abort', abort, { once: true });
      }),
    async advance(ms) {
      await fake.tickAsync(ms);
    },
    jump(ms) {
      offsetMs += ms;
    },
  };
}
