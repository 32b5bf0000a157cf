import { nextTurn } from '../../base/next-turn.ts';
import type { KeyValue, RangeResult } from '../storage.ts';
import type { Reader } from './reader.ts';

/**
 * Ranges of any length, read in slices with a turn of the loop between them, all at one revision. While
 * such a read is under way its revision is pinned: compaction sweeps it only afterwards.
 */
export class RangeReader {
  readonly #reader: Reader;
  /** The newest durable revision. */
  readonly #now: () => number;
  /** Throws when the store is closed. */
  readonly #checkOpen: () => void;
  readonly #pins = new Set<{ revision: number }>();
  #unpinned: Array<() => void> = [];

  constructor(reader: Reader, now: () => number, checkOpen: () => void) {
    this.#reader = reader;
    this.#now = now;
    this.#checkOpen = checkOpen;
  }

  /** Pairs from `first` on whose keys begin with the prefix, at `revision`; limit Infinity: all. */
  async range(prefix: string, first: string, limit: number, revision: number): Promise<RangeResult> {
    const end = endOf(prefix);
    const pin = { revision };
    this.#pins.add(pin);
    try {
      const kvs: KeyValue[] = [];
      let next: string | undefined = first;
      while (next !== undefined && kvs.length < limit) {
        if (next !== first) await this.#yield();
        const from: string = next;
        const slice = this.#reader.snapshot(() =>
          this.#now() === revision
            ? this.#reader.range(from, end, limit - kvs.length)
            : this.#reader.rangeAt(from, end, limit - kvs.length, revision),
        );
        for (const kv of slice.kvs) kvs.push(kv);
        next = slice.next;
      }
      const rest = next === undefined ? 0 : await this.#count(next, end, revision);
      return { kvs, more: rest > 0, count: kvs.length + rest, revision };
    } finally {
      this.#pins.delete(pin);
      for (const resolve of this.#unpinned.splice(0)) resolve();
    }
  }

  /** Resolves when no read under way depends on a revision before `revision`. */
  async whenUnpinned(revision: number): Promise<void> {
    while ([...this.#pins].some((pin) => pin.revision < revision)) {
      await new Promise<void>((resolve) => this.#unpinned.push(resolve));
    }
  }

  async #count(first: string, end: Uint8Array, revision: number): Promise<number> {
    let total = 0;
    let next: string | undefined = first;
    while (next !== undefined) {
      if (next !== first) await this.#yield();
      const from: string = next;
      const slice = this.#reader.snapshot(() =>
        this.#now() === revision ? this.#reader.count(from, end) : this.#reader.countAt(from, end, revision),
      );
      total += slice.count;
      next = slice.next;
    }
    return total;
  }

  async #yield(): Promise<void> {
    await nextTurn();
    this.#checkOpen();
  }
}

/** A byte string after all that begin with the prefix: no byte of UTF-8 is 0xff. */
function endOf(prefix: string): Uint8Array {
  return Buffer.concat([Buffer.from(prefix), Buffer.of(0xff)]);
}
