import type { StorageEvent, StorageWatchHandler } from '../storage.ts';

/** A key, or a range of keys where `rangeEnd` is not empty. */
export interface WatchTarget {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

interface Waiter {
  revision: number;
  resolve: () => void;
}

/** One watch of the store, over as many streams as it takes: what it has delivered and what it waits for. */
export class Watcher {
  readonly target: WatchTarget;
  readonly prefix: string;
  readonly #handler: StorageWatchHandler;
  /** Id on the present stream; 0 between streams. */
  id = 0;
  /** The revision that the present stream was asked to begin at. */
  askedFrom = 0;
  #ended = false;
  #silent = false;
  #next: number;
  /** What must be delivered before the watch counts as up to date. */
  #behind = Infinity;
  #waiters: Waiter[] = [];
  /** Events and the end that came before the caller had the watch's handle. */
  #early: Array<() => void> | undefined = [];
  /** Events of a revision whose other events are still to come in a fragment. */
  #held: StorageEvent[] = [];

  constructor(target: WatchTarget, prefix: string, from: number, handler: StorageWatchHandler) {
    this.target = target;
    this.prefix = prefix;
    this.#next = from;
    this.#handler = handler;
  }

  /** The first revision that was not delivered. */
  get next(): number {
    return this.#next;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whether everything up to the present reaches the handler as soon as it happens. */
  get live(): boolean {
    return !this.#ended && this.#next > this.#behind;
  }

  /** The caller holds the handle: what came early is delivered now. */
  release(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const deliver of early) this.#hand(deliver);
  }

  /** The stream has taken the watch up, when the store stood at `revision`. */
  caughtUpAt(revision: number): void {
    this.#behind = revision;
  }

  /** The stream is gone, or does not keep up: nobody waits for this watch until it has caught up. */
  lag(revision = Infinity): void {
    this.#behind = revision;
    this.#held = [];
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  /** Delivers what was not delivered yet. With `more`, the last revision is held until its rest has come. */
  deliver(events: readonly StorageEvent[], more: boolean): void {
    if (this.#ended) return;
    const fresh = events.filter((event) => event.revision >= this.#next);
    const all = this.#held.length > 0 ? [...this.#held, ...fresh] : fresh;
    const last = all.at(-1);
    this.#held = [];
    if (!last) return;
    let ready = all;
    if (more) {
      ready = all.filter((event) => event.revision < last.revision);
      this.#held = all.slice(ready.length);
    }
    const newest = ready.at(-1);
    if (!newest) return;
    this.#hand(() => this.#handler.onEvents(ready));
    this.advance(newest.revision);
  }

  /** Nothing more comes up to `revision`. */
  advance(revision: number): void {
    if (revision < this.#next) return;
    this.#next = revision + 1;
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.resolve();
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > revision);
  }

  /** Resolves when `revision` was delivered, or will not be soon. */
  delivered(revision: number): Promise<void> {
    return new Promise((resolve) => this.#waiters.push({ revision, resolve }));
  }

  /** Tells the handler, after everything that was delivered. */
  end(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.lag();
    this.#hand(() => this.#handler.onEnd(error));
  }

  /** Not even what waits for `release` is delivered. */
  cancel(): void {
    this.#ended = true;
    this.#silent = true;
    this.lag();
  }

  #hand(deliver: () => void): void {
    if (this.#early) this.#early.push(deliver);
    else if (!this.#silent) guarded(deliver);
  }
}

/** A handler that throws is a bug: it surfaces as an uncaught error, but never harms the stream. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
