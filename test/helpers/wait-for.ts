import { systemClock } from '../../src/base/clock.ts';

export interface WaitOptions {
  /** Give up after so long. Default 30 s: a test that waits longer says so. */
  timeoutMs?: number;
  intervalMs?: number;
}

/**
 * Asks until the answer is neither undefined, null nor false, and returns it. Errors of the question count
 * as 'not yet'; the last one is the cause of the failure.
 */
export async function waitFor<T>(
  what: string,
  ask: () => T | Promise<T>,
  { timeoutMs = 30_000, intervalMs = 25 }: WaitOptions = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) {
        return answer as NonNullable<Exclude<T, false>>;
      }
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause: last });
    }
    await keepAlive(intervalMs);
  }
}

/** A sleep that keeps the process alive: the clock's own timers are unreferenced. */
function keepAlive(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
