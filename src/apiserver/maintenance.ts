import type { Clock } from '../base/clock.ts';
import { isAbort, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Storage } from '../storage/storage.ts';
import type { ServedResource } from './registry/served-resource.ts';
import type { ObjectStore } from './object-store.ts';
import type { WatchCache } from './watch-cache/watch-cache.ts';
import { yieldEvery } from './registry/yield-every.ts';

const COMPACT_EVERY_MS = 5 * 60_000;
const EXPIRE_EVERY_MS = 60_000;

interface LoopDeps {
  clock: Clock;
  log: Logger;
}

/** Runs `step` every `intervalMs` until the signal aborts; a failure is logged and tried again. */
export async function every(
  intervalMs: number,
  what: string,
  deps: LoopDeps,
  signal: AbortSignal,
  step: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await deps.clock.sleep(intervalMs, signal);
      await step();
    } catch (error) {
      if (isAbort(error)) return;
      deps.log.warn({ error: messageOf(error) }, `${what} failed; it is tried again`);
    }
  }
}

/**
 * Forgets history: at each round what was the newest version at the round before, so that every version can
 * be read for five minutes at least. Mirrors apiserver pkg/storage/etcd3/compact.go.
 */
export function compactor(
  storage: Storage,
  cache: WatchCache,
  deps: LoopDeps,
): (signal: AbortSignal) => Promise<void> {
  let previous = 0;
  return (signal) =>
    every(COMPACT_EVERY_MS, 'compaction', deps, signal, async () => {
      const revision = await storage.currentRevision();
      const target = previous;
      previous = revision;
      if (target > (await storage.compactedRevision())) await storage.compact(target);
      cache.forgetUpTo(await storage.compactedRevision());
    });
}

/** Deletes objects of kinds with a time to live (events) that nobody has touched for so long. */
export function expirer(
  resources: () => readonly ServedResource[],
  store: ObjectStore,
  deps: LoopDeps,
): (signal: AbortSignal) => Promise<void> {
  return (signal) =>
    every(EXPIRE_EVERY_MS, 'expiry', deps, signal, async () => {
      for (const served of resources()) {
        const seconds = served.definition.strategy?.timeToLiveSeconds;
        if (seconds === undefined || served.definition.storedAs) continue;
        await expire(served, store, deps.clock, seconds * 1000);
      }
    });
}

async function expire(
  served: ServedResource,
  store: ObjectStore,
  clock: Clock,
  ttlMs: number,
): Promise<void> {
  const pause = yieldEvery(clock);
  const limit = clock.now() - ttlMs;
  for (const entry of served.cache.entries()) {
    await pause();
    if (lastTouched(served.object(entry)) > limit) continue;
    const preconditions = { resourceVersion: String(entry.revision) };
    try {
      await store.delete(served.info, entry.name, entry.namespace, { preconditions });
    } catch {
      // It was touched after all: the next round looks again.
    }
  }
}

/** Epoch milliseconds of the newest time in an event. */
function lastTouched(object: unknown): number {
  const event = object as {
    metadata?: { creationTimestamp?: string };
    lastTimestamp?: string | null;
    eventTime?: string | null;
    series?: { lastObservedTime?: string | null } | null;
  };
  const times = [
    event.metadata?.creationTimestamp,
    event.lastTimestamp,
    event.eventTime,
    event.series?.lastObservedTime,
  ].map((time) => (time ? Date.parse(time) : 0));
  return Math.max(...times.filter((time) => Number.isFinite(time)));
}
