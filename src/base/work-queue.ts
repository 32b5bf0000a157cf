import type { Clock, Timer } from './clock.ts';

/**
 * A queue of keys in the manner of client-go's rate-limited workqueue: a key that is queued twice is
 * processed once, a key is never processed by two workers at a time, and a key added while it is being
 * processed is processed again afterwards.
 */
export interface WorkQueueOptions {
  clock: Clock;
  /** Called with each key. A rejection requeues it with exponential back-off. */
  process: (key: string) => Promise<void>;
  /** Told of each failure, before the retry. */
  onError: (key: string, error: unknown) => void;
  /** Keys in flight at once. Default 4. */
  workers?: number;
  /** First and longest retry delay. Defaults 5 ms and 60 s: upstream's 1000 s cap helps nobody. */
  initialMs?: number;
  maxMs?: number;
}

export class WorkQueue {
  readonly #options: Required<WorkQueueOptions>;
  readonly #queued = new Set<string>();
  readonly #processing = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { timer: Timer; dueMs: number }>();
  #stopped = false;
  #idle: Array<() => void> = [];

  constructor(options: WorkQueueOptions) {
    this.#options = { workers: 4, initialMs: 5, maxMs: 60_000, ...options };
  }

  add(key: string): void {
    if (this.#stopped) return;
    if (this.#processing.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#queued.add(key);
    queueMicrotask(() => this.#pump());
  }

  /** Adds the key after a delay; of several delays for one key the earliest wins. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    const known = this.#timers.get(key);
    if (known && known.dueMs <= dueMs) return;
    known?.timer.cancel();
    const timer = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, { timer, dueMs });
  }

  /** Keys that wait or are being processed, delayed ones not counted. */
  get length(): number {
    return this.#queued.size + this.#processing.size + this.#again.size;
  }

  /** Resolves when nothing waits or is being processed (delayed keys do not count). */
  whenIdle(): Promise<void> {
    if (this.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Drops what waits, cancels delays, and resolves when the keys in flight are done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queued.clear();
    this.#again.clear();
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await this.whenIdle();
  }

  #pump(): void {
    for (const key of this.#queued) {
      if (this.#processing.size >= this.#options.workers) return;
      this.#queued.delete(key);
      this.#processing.add(key);
      void this.#run(key);
    }
    if (this.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#options.process(key);
      this.#failures.delete(key);
    } catch (error) {
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      this.#options.onError(key, error);
      this.addAfter(key, Math.min(this.#options.initialMs * 2 ** failures, this.#options.maxMs));
    }
    this.#processing.delete(key);
    if (this.#again.delete(key) && !this.#stopped) this.#queued.add(key);
    this.#pump();
  }
}
