import type { ResourceInfo } from '../../api/resource.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { CompactedError } from '../../storage/errors.ts';
import type { KeyValue, Storage, StorageEvent, StorageWatch } from '../../storage/storage.ts';
import { tooLargeResourceVersion } from '../status-errors.ts';
import type { WindowLimits } from './event-window.ts';
import { ResourceCache } from './resource-cache.ts';
import { registryPrefix } from './stored-form.ts';

export interface WatchCacheOptions {
  storage: Storage;
  clock: Clock;
  log: Logger;
  /** Recent events kept for each resource. */
  window?: WindowLimits;
  /** How long a reader waits for a revision to arrive. Upstream: 3 s. */
  waitMs?: number;
}

const ROOT = '/registry/';
const PAGE = 500;
/** History older than this is not replayed at a start: watchers that far behind list again. */
const MAX_REPLAY_REVISIONS = 20_000;

interface Waiter {
  revision: number;
  resolve: () => void;
}

/**
 * The store's content in memory, kept up to date by one watch over everything. One watch rather than one a
 * resource makes the cache's revision the store's: a consistent read is "ask the store for its revision and
 * wait until the cache is there".
 */
export class WatchCache {
  readonly storage: Storage;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #limits: WindowLimits;
  readonly #waitMs: number;
  readonly #resources = new Map<string, ResourceCache>();
  readonly #unclaimed = new Map<string, Map<string, KeyValue>>();
  readonly #resetListeners = new Set<() => void>();
  #waiters: Waiter[] = [];
  #revision = 0;
  #compactedRevision = 0;
  #completeAfter = 0;
  #watch: StorageWatch | undefined;
  #stopped = false;
  #ready = false;
  #currentRevision: Promise<number> | undefined;
  #nextRevision: Promise<number> | undefined;

  constructor(options: WatchCacheOptions) {
    this.storage = options.storage;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#limits = options.window ?? { maxEvents: 8192, maxBytes: 16 * 1024 * 1024 };
    this.#waitMs = options.waitMs ?? 3000;
  }

  /** Revision up to which the cache has seen everything. */
  get revision(): number {
    return this.#revision;
  }

  /** Versions before this one are no longer served. */
  get compactedRevision(): number {
    return this.#compactedRevision;
  }

  /** Whether it holds the whole store and follows it. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The cache of a stored resource; made on first use. */
  resource(info: ResourceInfo): ResourceCache {
    const prefix = registryPrefix(info);
    let cache = this.#resources.get(prefix);
    if (!cache) {
      cache = new ResourceCache(info, this.#limits, this.#completeAfter);
      this.#resources.set(prefix, cache);
      // A kind that appears after the start (a new CRD over old data).
      for (const kv of this.#unclaimed.get(prefix)?.values() ?? []) {
        cache.load(kv.key.slice(prefix.length), kv.value, kv.modRevision);
      }
      cache.window.reset(this.#revision);
      this.#unclaimed.delete(prefix);
    }
    return cache;
  }

  resources(): ResourceCache[] {
    return [...this.#resources.values()];
  }

  /** Told when the cache had to begin anew: every watch over it must end. */
  onReset(listener: () => void): () => void {
    this.#resetListeners.add(listener);
    return () => this.#resetListeners.delete(listener);
  }

  /** Loads the store and follows it; resolves when the cache is complete. Resources must be claimed before. */
  async start(): Promise<void> {
    const current = await this.storage.currentRevision();
    const compacted = await this.storage.compactedRevision();
    // Beginning in the past replays recent history into the windows, so that watchers resume over a restart.
    this.#compactedRevision = compacted;
    const past = Math.max(compacted, current - MAX_REPLAY_REVISIONS, 1);
    const from = await this.#loadFrom(past, current);
    await this.#follow(from);
    await this.atLeast(current);
    this.#ready = true;
  }

  stop(): void {
    this.#stopped = true;
    this.#ready = false;
    this.#watch?.cancel();
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  /**
   * Waits until the cache holds everything that was written before this call. Readers that come while a
   * question to the store is under way share the next one: its answer is newer than all of them.
   */
  async consistent(): Promise<number> {
    const revision = await this.#newestRevision();
    await this.atLeast(revision);
    return this.#revision;
  }

  /** Waits for a revision; rejects with upstream's "Too large resource version" when it does not come. */
  atLeast(revision: number): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        revision,
        resolve: () => {
          timer.cancel();
          resolve();
        },
      };
      const timer = this.#clock.after(this.#waitMs, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(tooLargeResourceVersion(revision, this.#revision));
      });
      this.#waiters.push(waiter);
    });
  }

  /** Drops events that the store has compacted. */
  forgetUpTo(revision: number): void {
    this.#compactedRevision = Math.max(this.#compactedRevision, revision);
    for (const cache of this.#resources.values()) cache.window.forgetUpTo(revision);
  }

  #newestRevision(): Promise<number> {
    if (!this.#currentRevision) {
      this.#currentRevision = this.storage.currentRevision().finally(() => {
        this.#currentRevision = undefined;
      });
      return this.#currentRevision;
    }
    this.#nextRevision ??= this.#currentRevision
      .catch(() => 0)
      .then(() => {
        this.#nextRevision = undefined;
        return this.#newestRevision();
      });
    return this.#nextRevision;
  }

  /** Loads the past, or the present where the past cannot be read any more. */
  async #loadFrom(past: number, current: number): Promise<number> {
    try {
      await this.#load(past);
      return past;
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      for (const cache of this.#resources.values()) cache.clear(current);
      this.#unclaimed.clear();
      await this.#load(current);
      return current;
    }
  }

  async #load(revision: number): Promise<void> {
    let start = ROOT;
    for (;;) {
      const page = await this.storage.range({ prefix: ROOT, start, limit: PAGE, revision });
      for (const kv of page.kvs) this.#loadOne(kv);
      const last = page.kvs.at(-1);
      if (!page.more || !last) break;
      start = `${last.key}\0`;
    }
    this.#completeAfter = revision;
    for (const cache of this.#resources.values()) cache.window.reset(revision);
    this.#advance(revision);
  }

  #loadOne(kv: KeyValue): void {
    const prefix = prefixOf(kv.key);
    const cache = this.#resources.get(prefix);
    if (cache) cache.load(kv.key.slice(prefix.length), kv.value, kv.modRevision);
    else this.#keepUnclaimed(prefix, kv);
  }

  #keepUnclaimed(prefix: string, kv: KeyValue): void {
    const kept = this.#unclaimed.get(prefix) ?? new Map<string, KeyValue>();
    if (kv.value.length > 0) kept.set(kv.key, kv);
    else kept.delete(kv.key);
    this.#unclaimed.set(prefix, kept);
  }

  async #follow(revision: number): Promise<void> {
    this.#watch = await this.storage.watch(ROOT, revision + 1, {
      onEvents: (events) => this.#onEvents(events),
      onEnd: (error) => {
        if (!this.#stopped) void this.#recover(error);
      },
    });
  }

  #onEvents(events: readonly StorageEvent[]): void {
    const changed = new Set<ResourceCache>();
    for (const event of events) {
      const prefix = prefixOf(event.key);
      const cache = this.#resources.get(prefix);
      if (cache) {
        cache.apply(event);
        changed.add(cache);
      } else {
        const { key, value, revision: modRevision, createRevision } = event;
        this.#keepUnclaimed(prefix, { key, value, modRevision, createRevision });
      }
    }
    const last = events.at(-1);
    if (last) this.#advance(last.revision);
    for (const cache of changed) cache.notify();
  }

  #advance(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    if (this.#waiters.length === 0) return;
    const due = this.#waiters.filter((waiter) => waiter.revision <= this.#revision);
    if (due.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.#revision);
    for (const waiter of due) waiter.resolve();
  }

  /** The watch broke: from where we are if the store still can, else everything anew. */
  async #recover(error: Error): Promise<void> {
    this.#ready = false;
    this.#log.warn({ error: messageOf(error) }, 'the watch over the store ended; beginning again');
    if (error instanceof CompactedError && (await this.#reload())) return;
    const backoff = new Backoff({ initialMs: 100, maxMs: 5000 });
    while (!this.#stopped) {
      try {
        await this.#follow(this.#revision);
        this.#ready = true;
        return;
      } catch (failure) {
        if (failure instanceof CompactedError && (await this.#reload())) return;
        this.#log.warn({ error: messageOf(failure) }, 'could not watch the store');
        await this.#clock.sleep(backoff.next());
      }
    }
  }

  async #reload(): Promise<boolean> {
    try {
      const revision = await this.storage.currentRevision();
      // Readers wait until everything is there again.
      this.#revision = 0;
      for (const cache of this.#resources.values()) cache.clear(revision);
      for (const listener of this.#resetListeners) listener();
      this.#unclaimed.clear();
      await this.#load(revision);
      await this.#follow(revision);
      this.#ready = true;
      return true;
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'could not load the store again');
      return false;
    }
  }
}

/** '/registry/pods/' of '/registry/pods/default/web'. */
function prefixOf(key: string): string {
  return key.slice(0, key.indexOf('/', ROOT.length) + 1);
}
