import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { untilAborted } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import { WorkQueue } from '../../base/work-queue.ts';
import { isConflict, isNotFound } from '../../client/errors.ts';

export interface KeyQueueOptions {
  /** The controller's name, for log lines. */
  name: string;
  clock: Clock;
  log: Logger;
  /** Brings one object to its desired state; a rejection is tried again with back-off. */
  sync: (key: string) => Promise<void>;
  workers?: number;
}

/**
 * A controller's work queue: takes keys from informers at any time, but works on none before the caches it
 * reads are whole.
 */
export class KeyQueue {
  readonly #queue: WorkQueue;
  readonly #early = new Map<string, number>();
  #running = false;
  #stopped = false;

  constructor(options: KeyQueueOptions) {
    const { name, clock, log, sync, workers } = options;
    this.#queue = new WorkQueue({
      clock,
      process: sync,
      workers,
      onError(key, error) {
        // A cache that lags behind is part of the game: the next try sees more.
        if (isConflict(error) || isNotFound(error))
          log.debug({ controller: name, key, err: messageOf(error) }, 'sync again');
        else log.warn({ controller: name, key, err: messageOf(error) }, 'sync failed, trying again');
      },
    });
  }

  add(key: string): void {
    if (this.#running) this.#queue.add(key);
    else if (!this.#stopped) this.#early.set(key, 0);
  }

  /** Of several delays for one key the earliest wins. */
  addAfter(key: string, delayMs: number): void {
    if (this.#running) this.#queue.addAfter(key, delayMs);
    else if (!this.#stopped) this.#early.set(key, Math.min(delayMs, this.#early.get(key) ?? delayMs));
  }

  /** Works from when `synced` resolves until the signal aborts; resolves when the last key is done. */
  async run(synced: Promise<void>, signal: AbortSignal): Promise<void> {
    await Promise.race([synced, untilAborted(signal)]);
    if (!signal.aborted) {
      this.#running = true;
      for (const [key, delayMs] of this.#early) this.#queue.addAfter(key, delayMs);
      this.#early.clear();
      await untilAborted(signal);
    }
    this.#running = false;
    this.#stopped = true;
    await this.#queue.stop();
  }

  /** Resolves when nothing waits or runs; delayed keys do not count. */
  whenIdle(): Promise<void> {
    return this.#queue.whenIdle();
  }
}
