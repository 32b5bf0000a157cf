import { CompactedError } from './errors.ts';
import type { StorageEvent, StorageWatch, StorageWatchHandler } from './storage.ts';

/** Events of the past, read from the engine's log in slices. */
export interface EventLog {
  /**
   * Events under the prefix from `fromRevision` on, in order, reading at most about `limit` events of the
   * log; `next` is the revision to go on from.
   */
  readEvents(prefix: string, fromRevision: number, limit: number): { events: StorageEvent[]; next: number };
}

export interface WatchHubOptions {
  /** Revision of the newest event that the log holds. */
  revision: number;
  compactedRevision: number;
  log: EventLog;
  /** Recent events kept in memory for watches that begin a little in the past. Defaults 2048 events, 8 MiB. */
  historyEvents?: number;
  historyBytes?: number;
}

interface Watcher {
  readonly prefix: string;
  readonly handler: StorageWatchHandler;
  /** The first revision that this watcher has not been given. */
  next: number;
  /** Has everything up to the hub's revision and is fed by `publish`. */
  live: boolean;
  ended: boolean;
}

/** Events delivered, and log rows read, in one turn of the loop for one watcher that catches up. */
const SLICE = 500;

/**
 * Fans events out to the watches of one store. A watch that begins in the past catches up in slices, from
 * the recent history or the log, yielding between slices; it is fed live only when it has everything, so
 * that each watcher sees every revision once and in order.
 */
export class WatchHub {
  readonly #log: EventLog;
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  readonly #live = new Map<string, Set<Watcher>>();
  readonly #catchingUp = new Set<Watcher>();
  #history: StorageEvent[] = [];
  #historyStart = 0;
  #historyBytes = 0;
  #revision: number;
  #compacted: number;
  #failure: Error | undefined;

  constructor(options: WatchHubOptions) {
    this.#log = options.log;
    this.#revision = options.revision;
    this.#compacted = options.compactedRevision;
    this.#maxEvents = options.historyEvents ?? 2048;
    this.#maxBytes = options.historyBytes ?? 8 * 1024 * 1024;
  }

  /** Revision of the newest event that was published. */
  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  /** Watches that run, for metrics and tests. */
  get watchers(): number {
    let count = this.#catchingUp.size;
    for (const set of this.#live.values()) count += set.size;
    return count;
  }

  /** Begins to deliver in a later turn of the loop, so that the caller holds the handle first. */
  watch(prefix: string, fromRevision: number, handler: StorageWatchHandler): StorageWatch {
    if (this.#failure) throw this.#failure;
    const next = Math.max(fromRevision, 1);
    if (next < this.#compacted) throw new CompactedError(next, this.#compacted);
    const watcher: Watcher = { prefix, handler, next, live: false, ended: false };
    this.#catchingUp.add(watcher);
    setImmediate(() => this.#catchUp(watcher));
    return { cancel: () => this.#remove(watcher) };
  }

  /** Takes durable events in order of revision and delivers them to live watchers before it returns. */
  publish(events: readonly StorageEvent[]): void {
    const last = events.at(-1);
    if (!last) return;
    this.#revision = last.revision;
    this.#remember(events);
    for (const [prefix, watchers] of this.#live) {
      const matching = events.filter((event) => event.key.startsWith(prefix));
      if (matching.length === 0) continue;
      for (const watcher of watchers) this.#deliver(watcher, matching);
    }
  }

  /** Watches that still need a revision below `revision` end with CompactedError. */
  compact(revision: number): void {
    this.#compacted = Math.max(this.#compacted, revision);
    for (const watcher of this.#catchingUp) this.#endIfCompacted(watcher);
  }

  /** Ends every watch, and refuses new ones with the same error. */
  end(error: Error): void {
    this.#failure = error;
    const all = [...this.#catchingUp];
    for (const watchers of this.#live.values()) all.push(...watchers);
    for (const watcher of all) this.#end(watcher, error);
    this.#history = [];
  }

  #remember(events: readonly StorageEvent[]): void {
    for (const event of events) {
      this.#history.push(event);
      this.#historyBytes += sizeOf(event);
    }
    while (this.#size() > this.#maxEvents || (this.#historyBytes > this.#maxBytes && this.#size() > 0)) {
      this.#historyBytes -= sizeOf(this.#history[this.#historyStart]!);
      this.#historyStart++;
    }
    // The dead front is dropped in one go, so that forgetting an event costs next to nothing.
    if (this.#historyStart > this.#maxEvents) {
      this.#history = this.#history.slice(this.#historyStart);
      this.#historyStart = 0;
    }
  }

  #size(): number {
    return this.#history.length - this.#historyStart;
  }

  #catchUp(watcher: Watcher): void {
    if (watcher.ended || this.#endIfCompacted(watcher)) return;
    if (watcher.next <= this.#revision) {
      const slice = this.#recent(watcher) ?? this.#fromLog(watcher);
      if (!slice) return;
      this.#deliver(watcher, slice.events);
      watcher.next = Math.max(watcher.next, slice.next);
      if (watcher.ended) return;
    }
    if (watcher.next <= this.#revision) {
      setImmediate(() => this.#catchUp(watcher));
      return;
    }
    this.#catchingUp.delete(watcher);
    watcher.live = true;
    const watchers = this.#live.get(watcher.prefix);
    if (watchers) watchers.add(watcher);
    else this.#live.set(watcher.prefix, new Set([watcher]));
  }

  /** A slice of the history in memory, or undefined when it does not reach back far enough. */
  #recent(watcher: Watcher): { events: StorageEvent[]; next: number } | undefined {
    const oldest = this.#history[this.#historyStart];
    if (!oldest || watcher.next < oldest.revision) return undefined;
    let low = this.#historyStart;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#history[middle]!.revision < watcher.next) low = middle + 1;
      else high = middle;
    }
    const slice = this.#history.slice(low, low + SLICE);
    return {
      events: slice.filter((event) => event.key.startsWith(watcher.prefix)),
      next: (slice.at(-1)?.revision ?? this.#revision) + 1,
    };
  }

  #fromLog(watcher: Watcher): { events: StorageEvent[]; next: number } | undefined {
    try {
      return this.#log.readEvents(watcher.prefix, watcher.next, SLICE);
    } catch (error) {
      this.#end(watcher, error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  }

  #deliver(watcher: Watcher, events: readonly StorageEvent[]): void {
    if (watcher.ended || events.length === 0) return;
    const wanted =
      events[0]!.revision >= watcher.next ? events : events.filter((event) => event.revision >= watcher.next);
    const last = wanted.at(-1);
    if (!last) return;
    watcher.next = last.revision + 1;
    guarded(() => watcher.handler.onEvents(wanted));
  }

  #endIfCompacted(watcher: Watcher): boolean {
    if (watcher.next >= this.#compacted) return false;
    this.#end(watcher, new CompactedError(watcher.next, this.#compacted));
    return true;
  }

  #end(watcher: Watcher, error: Error): void {
    if (watcher.ended) return;
    this.#remove(watcher);
    guarded(() => watcher.handler.onEnd(error));
  }

  #remove(watcher: Watcher): void {
    watcher.ended = true;
    this.#catchingUp.delete(watcher);
    const watchers = this.#live.get(watcher.prefix);
    if (watchers?.delete(watcher) && watchers.size === 0) this.#live.delete(watcher.prefix);
  }
}

/** A handler that throws is a bug: it surfaces as an uncaught error, but never harms the other watchers. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function sizeOf(event: StorageEvent): number {
  return 200 + event.key.length + event.value.length + (event.previous?.value.length ?? 0);
}
