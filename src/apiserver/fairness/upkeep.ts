import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ObjectStore } from '../object-store.ts';
import type { Fairness } from './fairness.ts';
import { keepFairnessObjects } from './keep-objects.ts';

const EVERY_MS = 60_000;
/** Changes come in groups: a level and the schemas that name it. */
const SETTLE_MS = 100;

/** Looks after the objects of priority and fairness whenever one of them changes, and every minute. */
export async function fairnessUpkeep(
  fairness: Fairness | undefined,
  deps: { store: ObjectStore; clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, log } = deps;
  let wake: () => void = () => undefined;
  let changed = false;
  fairness?.onChange(() => {
    changed = true;
    wake();
  });
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  while (!signal.aborted) {
    if (!changed) {
      const woken = new Promise<void>((resolve) => (wake = resolve));
      const turn = new AbortController();
      const pause = clock.sleep(EVERY_MS, turn.signal).catch(() => undefined);
      await Promise.race([woken, pause, stopped]);
      turn.abort();
    }
    await clock.sleep(SETTLE_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    changed = false;
    try {
      await keepFairnessObjects(store, clock);
    } catch (error) {
      if (!signal.aborted) log.warn({ error: messageOf(error) }, 'upkeep of priority and fairness failed');
    }
  }
}
