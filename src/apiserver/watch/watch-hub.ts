import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { nextTurn } from '../../base/next-turn.ts';
import { resourceExpired } from '../status-errors.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';
import type { Watcher } from './watcher.ts';

const BOOKMARK_EVERY_MS = 60_000;
const SLICE_MS = 8;

/**
 * Feeds all watchers. Changes of one turn of the loop are written together; a walk over many watchers gives
 * the loop back every few milliseconds, and picks up in the next turn what has come in between.
 */
export class WatchHub {
  readonly #cache: WatchCache;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #feeds = new Map<ResourceCache, Feed>();
  readonly #offReset: () => void;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: { cache: WatchCache; clock: Clock; log: Logger }) {
    this.#cache = options.cache;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#offReset = options.cache.onReset(() => this.#failAll());
    this.#planBookmarks();
  }

  /** Watches that run. */
  get size(): number {
    let size = 0;
    for (const feed of this.#feeds.values()) size += feed.watchers.size;
    return size;
  }

  /** Watches that run, by resource. */
  counts(): Array<{ group: string; resource: string; count: number }> {
    return [...this.#feeds].map(([cache, feed]) => ({
      group: cache.info.group,
      resource: cache.info.resource,
      count: feed.watchers.size,
    }));
  }

  /** Watches of one resource that run. */
  count(group: string, resource: string): number {
    for (const [{ info }, feed] of this.#feeds) {
      if (info.resource === resource && info.group === group) return feed.watchers.size;
    }
    return 0;
  }

  /** Feeds a watcher from now on; returns the way to stop. */
  add(watcher: Watcher): () => void {
    const cache = watcher.served.cache;
    let feed = this.#feeds.get(cache);
    if (!feed) {
      feed = new Feed(cache, this.#clock, this.#log);
      this.#feeds.set(cache, feed);
    }
    feed.watchers.add(watcher);
    watcher.advance();
    return () => feed.watchers.delete(watcher);
  }

  /** Ends all watches cleanly: clients begin again elsewhere, from the last version that they have seen. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#offReset();
    for (const feed of this.#feeds.values()) {
      feed.stop();
      for (const watcher of feed.watchers) {
        if (watcher.bookmarks) watcher.bookmark(this.#cache.revision);
        watcher.end();
      }
    }
  }

  /** Ends the watches of a resource that is served no longer, or in another way. */
  endOf(served: ServedResource): void {
    for (const watcher of this.#feeds.get(served.cache)?.watchers ?? []) {
      if (watcher.served !== served) continue;
      watcher.advance();
      watcher.end();
    }
  }

  #failAll(): void {
    const { status } = resourceExpired('too old resource version: the server has read its store anew');
    for (const feed of this.#feeds.values()) for (const watcher of feed.watchers) watcher.fail(status);
  }

  #planBookmarks(): void {
    this.#timer = this.#clock.after(BOOKMARK_EVERY_MS, () => void this.#sendBookmarks());
  }

  async #sendBookmarks(): Promise<void> {
    let sliceStart = this.#clock.monotonicMs();
    for (const feed of this.#feeds.values()) {
      for (const watcher of feed.watchers) {
        if (watcher.bookmarks) watcher.bookmark(this.#cache.revision);
        if (this.#clock.monotonicMs() - sliceStart < SLICE_MS) continue;
        await nextTurn();
        sliceStart = this.#clock.monotonicMs();
      }
    }
    if (!this.#stopped) this.#planBookmarks();
  }
}

/** The watchers of one resource. */
class Feed {
  readonly watchers = new Set<Watcher>();
  readonly #cache: ResourceCache;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #off: () => void;
  #running = false;
  #again = false;
  #framesKeptFrom: number;

  constructor(cache: ResourceCache, clock: Clock, log: Logger) {
    this.#cache = cache;
    this.#clock = clock;
    this.#log = log;
    this.#framesKeptFrom = cache.window.end;
    this.#off = cache.onChange(() => this.#wake());
  }

  stop(): void {
    this.#off();
  }

  #wake(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#again) {
        await nextTurn();
        this.#again = false;
        await this.#advanceAll();
        this.#dropFrames();
      }
    } finally {
      this.#running = false;
    }
  }

  async #advanceAll(): Promise<void> {
    let sliceStart = this.#clock.monotonicMs();
    let steps = 0;
    for (const watcher of this.watchers) {
      try {
        watcher.advance();
      } catch (error) {
        this.#log.error({ error: messageOf(error) }, 'a watch failed');
        watcher.end();
      }
      if (watcher.ended) this.watchers.delete(watcher);
      steps += 1;
      if (steps % 16 !== 0 || this.#clock.monotonicMs() - sliceStart < SLICE_MS) continue;
      await nextTurn();
      sliceStart = this.#clock.monotonicMs();
    }
  }

  /** Encoded frames have done their service when everyone who keeps up has got them. */
  #dropFrames(): void {
    const { window } = this.#cache;
    for (let at = Math.max(this.#framesKeptFrom, window.start); at < window.end; at++) {
      window.at(at)?.frames.clear();
    }
    this.#framesKeptFrom = window.end;
  }
}
