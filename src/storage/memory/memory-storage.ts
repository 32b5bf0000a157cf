import { CompactedError, FutureRevisionError, StorageClosedError } from '../errors.ts';
import { checkKey, compareKeys, rangeBounds } from '../keys.ts';
import type {
  KeyValue,
  RangeOptions,
  RangeResult,
  Storage,
  StorageEvent,
  StorageWatch,
  StorageWatchHandler,
  WriteResult,
} from '../storage.ts';
import { WatchHub } from '../watch-hub.ts';

/** A key's life: its writes in order, a deletion as `undefined`. */
interface Version {
  revision: number;
  kv: KeyValue | undefined;
}

/**
 * The store in memory, for tests and for whatever needs no durability. It keeps every revision until
 * `compact`. All operations are atomic and settle in the same turn of the loop.
 */
export class MemoryStorage implements Storage {
  readonly #versions = new Map<string, Version[]>();
  /** Every key of `#versions`, in order; a key stays until its last version is compacted. */
  #keys: string[] = [];
  #events: StorageEvent[] = [];
  #closed = false;
  readonly #hub: WatchHub;

  constructor() {
    this.#hub = new WatchHub({
      revision: 1,
      compactedRevision: 0,
      log: { readEvents: (prefix, from, limit) => this.#readEvents(prefix, from, limit) },
      historyEvents: 0,
    });
  }

  async get(key: string, revision?: number): Promise<{ kv: KeyValue | undefined; revision: number }> {
    const at = this.#readRevision(revision);
    return { kv: at === this.#hub.revision ? this.#current(key) : this.#at(key, at), revision: at };
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const { first, limit } = rangeBounds(options);
    const at = this.#readRevision(options.revision);
    const kvs: KeyValue[] = [];
    let count = 0;
    for (let i = this.#position(first); i < this.#keys.length; i++) {
      const key = this.#keys[i]!;
      if (!key.startsWith(options.prefix)) break;
      const kv = this.#at(key, at);
      if (!kv) continue;
      count++;
      if (kvs.length < limit) kvs.push(kv);
    }
    return { kvs, more: count > kvs.length, count, revision: at };
  }

  async put(key: string, value: Buffer, expected?: number): Promise<WriteResult> {
    this.#checkOpen();
    checkKey(key);
    const previous = this.#current(key);
    if (expected !== undefined && expected !== (previous?.modRevision ?? 0)) {
      return { ok: false, revision: this.#hub.revision, current: previous };
    }
    const revision = this.#hub.revision + 1;
    const kv: KeyValue = {
      key,
      value,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
    };
    this.#write(key, { revision, kv }, previous);
    return { ok: true, revision, previous };
  }

  async delete(key: string, expected?: number): Promise<WriteResult> {
    this.#checkOpen();
    checkKey(key);
    const previous = this.#current(key);
    if (expected !== undefined && expected !== (previous?.modRevision ?? 0)) {
      return { ok: false, revision: this.#hub.revision, current: previous };
    }
    if (!previous) return { ok: true, revision: this.#hub.revision, previous: undefined };
    const revision = this.#hub.revision + 1;
    this.#write(key, { revision, kv: undefined }, previous);
    return { ok: true, revision, previous };
  }

  async watch(prefix: string, fromRevision: number, handler: StorageWatchHandler): Promise<StorageWatch> {
    this.#checkOpen();
    return this.#hub.watch(prefix, fromRevision, handler);
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen();
    if (revision > this.#hub.revision) throw new FutureRevisionError(revision, this.#hub.revision);
    if (revision <= this.#hub.compactedRevision) return;
    this.#hub.compact(revision);
    this.#events = this.#events.filter((event) => event.revision >= revision);
    for (const [key, versions] of this.#versions) {
      const newest = versions.findLastIndex((version) => version.revision <= revision);
      const base = versions[newest];
      if (!base) continue;
      const gone = base.kv === undefined ? newest + 1 : newest;
      if (gone === versions.length) this.#versions.delete(key);
      else versions.splice(0, gone);
    }
    this.#keys = this.#keys.filter((key) => this.#versions.has(key));
  }

  async currentRevision(): Promise<number> {
    this.#checkOpen();
    return this.#hub.revision;
  }

  async compactedRevision(): Promise<number> {
    this.#checkOpen();
    return this.#hub.compactedRevision;
  }

  async size(): Promise<number> {
    this.#checkOpen();
    return 0;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#hub.end(new StorageClosedError('it was closed'));
  }

  #checkOpen(): void {
    if (this.#closed) throw new StorageClosedError('it was closed');
  }

  #readRevision(revision: number | undefined): number {
    this.#checkOpen();
    if (revision === undefined) return this.#hub.revision;
    if (revision > this.#hub.revision) throw new FutureRevisionError(revision, this.#hub.revision);
    if (revision < this.#hub.compactedRevision) {
      throw new CompactedError(revision, this.#hub.compactedRevision);
    }
    return revision;
  }

  #current(key: string): KeyValue | undefined {
    return this.#versions.get(key)?.at(-1)?.kv;
  }

  #at(key: string, revision: number): KeyValue | undefined {
    return this.#versions.get(key)?.findLast((version) => version.revision <= revision)?.kv;
  }

  #write(key: string, version: Version, previous: KeyValue | undefined): void {
    const versions = this.#versions.get(key);
    if (versions) {
      versions.push(version);
    } else {
      this.#versions.set(key, [version]);
      this.#keys.splice(this.#position(key), 0, key);
    }
    const event: StorageEvent = {
      type: version.kv ? 'put' : 'delete',
      key,
      value: version.kv?.value ?? Buffer.alloc(0),
      revision: version.revision,
      createRevision: version.kv?.createRevision ?? 0,
      previous,
    };
    this.#events.push(event);
    this.#hub.publish([event]);
  }

  /** Index of the first key that is not before `key`. */
  #position(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle]!, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** One write is one revision, so the event of a revision stands at a fixed distance from the newest. */
  #readEvents(prefix: string, from: number, limit: number): { events: StorageEvent[]; next: number } {
    const start = Math.max(0, this.#events.length - (this.#hub.revision - from + 1));
    const slice = this.#events.slice(start, start + limit);
    return {
      events: slice.filter((event) => event.key.startsWith(prefix)),
      next: (slice.at(-1)?.revision ?? this.#hub.revision) + 1,
    };
  }
}
