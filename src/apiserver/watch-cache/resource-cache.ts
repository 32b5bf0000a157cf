import type { ResourceInfo } from '../../api/resource.ts';
import type { StorageEvent } from '../../storage/storage.ts';
import { CacheEntry } from './cache-entry.ts';
import { EventWindow } from './event-window.ts';
import type { WindowLimits } from './event-window.ts';
import { SortedKeys } from './sorted-keys.ts';
import { registryPrefix, respliceRevision, spliceRevision, storedPrefix } from './stored-form.ts';

/** Must not throw. */
export interface EntryFollower {
  set(entry: CacheEntry): void;
  deleted(entry: CacheEntry): void;
}

/** All objects of one stored resource, with the recent changes. */
export class ResourceCache {
  readonly info: ResourceInfo;
  readonly prefix: string;
  readonly window: EventWindow;
  readonly #keys = new SortedKeys();
  readonly #entries = new Map<string, CacheEntry>();
  readonly #storedPrefix: Buffer;
  readonly #listeners = new Set<() => void>();
  readonly #followers = new Set<EntryFollower>();
  #lastChange = 0;
  #bytes = 0;

  constructor(info: ResourceInfo, limits: WindowLimits, completeAfter: number) {
    this.info = info;
    this.prefix = registryPrefix(info);
    this.window = new EventWindow(limits, completeAfter);
    this.#storedPrefix = storedPrefix(info);
  }

  /** Revision of the newest change to any object of the resource. */
  get lastChange(): number {
    return this.#lastChange;
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Bytes of all objects. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): CacheEntry | undefined {
    return this.#entries.get(key);
  }

  /** How many keys begin with the prefix, from `start` on. */
  count(prefix = '', start = ''): number {
    const [first, to] = this.#bounds(prefix, start);
    return to - first;
  }

  #bounds(prefix: string, start: string): [number, number] {
    const [from, to] = this.#keys.range(prefix);
    return [start === '' ? from : Math.min(to, Math.max(from, this.#keys.lowerBound(start))), to];
  }

  /** Entries whose key begins with the prefix, from `start` on, in order, at most `limit`; a snapshot. */
  entries(prefix = '', start = '', limit = Infinity): CacheEntry[] {
    const [first, end] = this.#bounds(prefix, start);
    const to = Math.min(end, first + limit);
    const out: CacheEntry[] = [];
    for (let i = first; i < to; i++) {
      const entry = this.#entries.get(this.#keys.at(i) ?? '');
      if (entry) out.push(entry);
    }
    return out;
  }

  /** Told of every change at once, in order, and of every object at a load. Returns the way to stop. */
  follow(follower: EntryFollower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** Called after each batch of changes. Returns the way to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  notify(): void {
    for (const listener of this.#listeners) listener();
  }

  /** A pair of the store as an entry that is served, whether it is the newest or from the past. */
  entryOf(key: string, value: Buffer, revision: number): CacheEntry {
    return new CacheEntry(key, revision, spliceRevision(value, this.#storedPrefix, revision));
  }

  /** The last state of an object under the version of its deletion. */
  withRevision(entry: CacheEntry, revision: number): CacheEntry {
    const bytes = respliceRevision(entry.bytes, this.#storedPrefix, entry.revision, revision);
    return new CacheEntry(entry.key, revision, bytes);
  }

  /** Puts in an object without an event: for the first load. */
  load(key: string, value: Buffer, revision: number): void {
    this.#put(this.entryOf(key, value, revision));
    this.#lastChange = Math.max(this.#lastChange, revision);
  }

  apply(event: StorageEvent): void {
    const key = event.key.slice(this.prefix.length);
    const previous = this.#entries.get(key);
    this.#lastChange = event.revision;
    if (event.type === 'put') {
      const entry = this.entryOf(key, event.value, event.revision);
      this.#put(entry);
      const type = previous ? 'MODIFIED' : 'ADDED';
      this.window.push({ revision: event.revision, type, entry, previous, frames: new Map() });
      return;
    }
    if (!previous) return;
    this.#drop(previous);
    const entry = this.withRevision(previous, event.revision);
    this.window.push({ revision: event.revision, type: 'DELETED', entry, previous, frames: new Map() });
  }

  /** Empties it; watchers must begin again. */
  clear(completeAfter: number): void {
    for (const entry of this.#entries.values()) this.#drop(entry);
    this.window.reset(completeAfter);
  }

  #put(entry: CacheEntry): void {
    const previous = this.#entries.get(entry.key);
    if (!previous) this.#keys.add(entry.key);
    this.#bytes += entry.bytes.length - (previous?.bytes.length ?? 0);
    this.#entries.set(entry.key, entry);
    for (const follower of this.#followers) follower.set(entry);
  }

  #drop(entry: CacheEntry): void {
    this.#entries.delete(entry.key);
    this.#keys.delete(entry.key);
    this.#bytes -= entry.bytes.length;
    for (const follower of this.#followers) follower.deleted(entry);
  }
}
