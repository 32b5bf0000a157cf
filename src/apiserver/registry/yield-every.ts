import type { Clock } from '../../base/clock.ts';
import { nextTurn } from '../../base/next-turn.ts';

/** Work is handed back to the event loop after so long, so that others' requests do not wait. */
const SLICE_MS = 8;

/**
 * For loops over large collections: call the result once a step and await it. It looks at the clock every
 * 64 steps, and lets the event loop turn when the slice is used up.
 */
export function yieldEvery(clock: Clock, sliceMs: number = SLICE_MS): () => Promise<void> | undefined {
  let steps = 0;
  let sliceStart = clock.monotonicMs();
  const pause = async () => {
    await nextTurn();
    sliceStart = clock.monotonicMs();
  };
  return () => {
    steps += 1;
    if (steps % 64 !== 0 || clock.monotonicMs() - sliceStart < sliceMs) return undefined;
    return pause();
  };
}
