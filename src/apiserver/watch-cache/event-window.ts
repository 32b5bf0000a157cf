import type { CacheEntry } from './cache-entry.ts';

/** A change as the cache saw it. */
export interface CacheEvent {
  readonly revision: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** The new state; for DELETED the last one, with the deletion's revision as its resourceVersion. */
  readonly entry: CacheEntry;
  /** The state before, unless the object is new. */
  readonly previous: CacheEntry | undefined;
  /** Encoded frames, by encoding and type: made once, shared by all watchers. */
  readonly frames: Map<string, Buffer>;
}

export interface WindowLimits {
  maxEvents: number;
  maxBytes: number;
}

/**
 * The recent events of one resource, numbered one by one. Watchers hold the number of the event they want
 * next rather than a queue of their own, so a slow one costs nothing: when its place falls out of the
 * window it is told to begin again.
 */
export class EventWindow {
  readonly #limits: WindowLimits;
  #events: CacheEvent[] = [];
  #offset = 0;
  #bytes = 0;
  /** Sequence number of #events[#offset]. */
  #firstSequence = 0;
  /** Every event after this revision is still held. */
  #completeAfter: number;

  constructor(limits: WindowLimits, completeAfter: number) {
    this.#limits = limits;
    this.#completeAfter = completeAfter;
  }

  /** Number of the first event that is held. */
  get start(): number {
    return this.#firstSequence;
  }

  /** Number that the next event will get. */
  get end(): number {
    return this.#firstSequence + this.#events.length - this.#offset;
  }

  /** A watch from an older revision than this cannot be answered. */
  get completeAfter(): number {
    return this.#completeAfter;
  }

  push(event: CacheEvent): void {
    this.#events.push(event);
    this.#bytes += event.entry.bytes.length;
    while (
      this.#events.length - this.#offset > this.#limits.maxEvents ||
      (this.#bytes > this.#limits.maxBytes && this.#events.length - this.#offset > 100)
    ) {
      this.#shift();
    }
    if (this.#offset > 256 && this.#offset > this.#events.length / 2) {
      this.#events = this.#events.slice(this.#offset);
      this.#offset = 0;
    }
  }

  at(sequence: number): CacheEvent | undefined {
    return this.#events[sequence - this.#firstSequence + this.#offset];
  }

  /** Number of the first event with a revision above the given one; undefined where the window has lost it. */
  after(revision: number): number | undefined {
    if (revision < this.#completeAfter) return undefined;
    let low = this.#offset;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = this.#events[middle];
      if (event && event.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#firstSequence + low - this.#offset;
  }

  /** Drops events up to a revision that the store has compacted. */
  forgetUpTo(revision: number): void {
    for (;;) {
      const first = this.#events[this.#offset];
      if (!first || first.revision > revision) break;
      this.#shift();
    }
    this.#completeAfter = Math.max(this.#completeAfter, revision);
  }

  /** Begins anew: history before the revision is unknown. */
  reset(completeAfter: number): void {
    this.#firstSequence = this.end;
    this.#events = [];
    this.#offset = 0;
    this.#bytes = 0;
    this.#completeAfter = completeAfter;
  }

  #shift(): void {
    const gone = this.#events[this.#offset];
    if (!gone) return;
    this.#offset += 1;
    this.#firstSequence += 1;
    this.#bytes -= gone.entry.bytes.length;
    this.#completeAfter = Math.max(this.#completeAfter, gone.revision);
  }
}
