import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { ObjectFeed, ObjectFeedHandler } from '../authz/object-feed.ts';
import type { ParsedObjects } from './cache-entry.ts';
import type { WatchCache } from './watch-cache.ts';

/** Tells the server's own parts (authorizers, allocators) of objects and changes, straight from the cache. */
export class CacheFeed implements ObjectFeed {
  readonly #cache: WatchCache;
  readonly #parsed: ParsedObjects;

  constructor(cache: WatchCache, parsed: ParsedObjects) {
    this.#cache = cache;
    this.#parsed = parsed;
  }

  follow<T extends KubeObject>(resource: ResourceInfo<T>, handler: ObjectFeedHandler<T>): () => void {
    const cache = this.#cache.resource(resource);
    const off = cache.follow({
      set: (entry) => handler.set(this.#parsed.of(entry) as T),
      deleted: (entry) => handler.deleted(this.#parsed.of(entry) as T),
    });
    for (const entry of cache.entries()) handler.set(this.#parsed.of(entry) as T);
    return off;
  }
}
