import type { ApiRequest, ApiResponse } from '../request-context.ts';
import { parseRevision } from '../registry/list-options.ts';
import type { ListOptions } from '../registry/list-options.ts';
import type { RegistryEnv } from '../registry/registry-env.ts';
import type { Selection } from '../registry/selection.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { yieldEvery } from '../registry/yield-every.ts';
import { resourceExpired, StatusError } from '../status-errors.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import type { EventEncoder } from './event-encoder.ts';
import type { WatchHub } from './watch-hub.ts';
import { Watcher } from './watcher.ts';

/** A watch without timeoutSeconds ends after this long, and up to twice that, as upstream's. */
const MIN_WATCH_MS = 1_800_000;

export interface WatchRequest {
  served: ServedResource;
  selection: Selection;
  options: ListOptions;
  encoder: EventEncoder;
  request: ApiRequest;
  response: ApiResponse;
}

/** Where a watch begins: with the state as events, or after a version. */
/** Larger objects go out as the bytes that the cache has. */
const SHARED_BYTES = 16 * 1024;

interface Beginning {
  initial: CacheEntry[];
  cursor: number;
  revision: number;
  /** Send the bookmark that ends the initial events. */
  markEnd: boolean;
}

/** Serves a watch until it ends; mirrors apiserver pkg/endpoints/handlers/watch.go and pkg/storage/cacher. */
export async function serveWatch(env: RegistryEnv, hub: WatchHub, watch: WatchRequest): Promise<void> {
  const { served, selection, encoder, request, response, options } = watch;
  const beginning = await begin(env, watch);
  response.setHeader('cache-control', 'no-cache, private');
  response.begin(200, encoder.contentType);
  if (!beginning) {
    const asked = options.resourceVersion;
    const oldest = served.cache.window.completeAfter;
    response.write(encoder.error(resourceExpired(`too old resource version: ${asked} (${oldest})`).status));
    response.end();
    return;
  }
  const watcher = new Watcher({
    served,
    selection,
    encoder,
    response,
    cursor: beginning.cursor,
    bookmarks: options.allowWatchBookmarks,
  });
  const timeoutMs =
    options.timeoutSeconds !== undefined && options.timeoutSeconds > 0
      ? options.timeoutSeconds * 1000
      : MIN_WATCH_MS + env.random.below(MIN_WATCH_MS);
  const timer = env.clock.after(timeoutMs, () => {
    if (watcher.bookmarks) watcher.bookmark(env.cache.revision);
    watcher.end();
  });
  let remove: (() => void) | undefined;
  try {
    if (await sendInitial(env, watch, beginning)) {
      remove = hub.add(watcher);
      await closed(request);
    }
  } finally {
    timer.cancel();
    watcher.close();
    remove?.();
  }
}

function closed(request: ApiRequest): Promise<void> {
  if (request.signal.aborted) return Promise.resolve();
  return new Promise((resolve) => request.signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** undefined: the version asked for is too old. */
async function begin(env: RegistryEnv, watch: WatchRequest): Promise<Beginning | undefined> {
  const { served, selection, options } = watch;
  const asked = parseRevision(options.resourceVersion);
  if (options.sendInitialEvents !== true && asked > 0) {
    await env.cache.atLeast(asked);
    const cursor = served.cache.window.after(asked);
    return cursor === undefined ? undefined : { initial: [], cursor, revision: asked, markEnd: false };
  }
  // '' asks for the newest state, '0' for any.
  if (options.resourceVersion === '') await env.cache.consistent();
  else await env.cache.atLeast(asked);
  // The snapshot and the place in the window are taken in one turn of the loop, so that they fit together.
  const initial =
    options.sendInitialEvents === false ? [] : served.cache.entries(selection.keyPrefix(served));
  return {
    initial,
    cursor: served.cache.window.end,
    revision: env.cache.revision,
    markEnd: options.sendInitialEvents === true && options.allowWatchBookmarks,
  };
}

/** The present state as ADDED events; false where the client has gone meanwhile. */
async function sendInitial(env: RegistryEnv, watch: WatchRequest, beginning: Beginning): Promise<boolean> {
  const { served, selection, encoder, response } = watch;
  const pause = yieldEvery(env.clock);
  let frames: Buffer[] = [];
  let size = 0;
  const flush = async () => {
    if (size === 0) return;
    const ok = response.write(Buffer.concat(frames, size));
    frames = [];
    size = 0;
    if (!ok) await response.drained();
  };
  try {
    await served.prepare(beginning.initial);
    for (const entry of beginning.initial) {
      await pause();
      if (!selection.everything && !selection.matches(served, entry)) continue;
      const pieces = encoder.pieces('ADDED', entry);
      encoder.sent();
      if (entry.bytes.length > SHARED_BYTES) {
        // A thousand clients that do not read hold one object, not a thousand copies.
        await flush();
        const isRoom = pieces.map((piece) => response.write(piece)).at(-1);
        if (!isRoom) await response.drained();
        continue;
      }
      for (const piece of pieces) {
        frames.push(piece);
        size += piece.length;
      }
      if (size > 64 * 1024) await flush();
    }
    if (beginning.markEnd) {
      const frame = encoder.bookmark(beginning.revision, true);
      encoder.sent();
      frames.push(frame);
      size += frame.length;
    }
    await flush();
    return true;
  } catch (error) {
    if (watch.request.signal.aborted) return false;
    if (!(error instanceof StatusError)) throw error;
    // The answer has begun: the watch ends with the error.
    response.write(encoder.error(error.status));
    response.end();
    return false;
  }
}
