import { CompactedError, FutureRevisionError } from '../../storage/errors.ts';
import { badRequest, resourceExpired, tooLargeResourceVersion } from '../status-errors.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import type { ContinuePoint } from './continue-token.ts';
import { parseRevision } from './list-options.ts';
import type { ListOptions } from './list-options.ts';
import type { RegistryEnv } from './registry-env.ts';
import type { Selection } from './selection.ts';
import type { ServedResource } from './served-resource.ts';
import { yieldEvery } from './yield-every.ts';

export interface ListResult {
  entries: CacheEntry[];
  revision: number;
  continueToken: string;
  remainingItemCount: number | undefined;
}

const EXPIRED =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list ' +
  'without the continue parameter, or use the continue token in this response to retrieve the remainder of the ' +
  'results. Continuing with the provided token results in an inconsistent list - objects that were created, ' +
  'modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/**
 * Entries that the options and the selection ask for, with the version at which they hold. Answers from the
 * cache wherever it holds that version; else from the store. Mirrors apiserver pkg/storage/etcd3/store.go
 * and pkg/storage/cacher.
 */
export async function listEntries(
  env: RegistryEnv,
  served: ServedResource,
  selection: Selection,
  options: ListOptions,
): Promise<ListResult> {
  const asked = parseRevision(options.resourceVersion);
  if (options.continueToken !== '') {
    if (asked > 0) throw badRequest('specifying resource version is not allowed when using continue');
    return continueList(env, served, selection, options.limit, decodeContinue(options.continueToken));
  }
  // A limit with a version but no match is upstream's old way to say Exact.
  const exact =
    options.resourceVersionMatch === 'Exact' ||
    (options.resourceVersionMatch === '' && options.limit > 0 && asked > 0);
  if (exact) return listAt(env, served, selection, options.limit, { start: '', revision: asked });
  if (options.resourceVersion === '') await env.cache.consistent();
  else await env.cache.atLeast(asked);
  return listCache(env, served, selection, options.limit, '', env.cache.revision);
}

async function continueList(
  env: RegistryEnv,
  served: ServedResource,
  selection: Selection,
  limit: number,
  point: ContinuePoint,
): Promise<ListResult> {
  if (point.revision > 0) return listAt(env, served, selection, limit, point);
  await env.cache.consistent();
  return listCache(env, served, selection, limit, point.start, env.cache.revision);
}

/** The list as it was at a revision. */
async function listAt(
  env: RegistryEnv,
  served: ServedResource,
  selection: Selection,
  limit: number,
  point: ContinuePoint,
): Promise<ListResult> {
  await env.cache.atLeast(point.revision);
  if (point.revision < env.cache.compactedRevision) throw expired(point);
  // Nothing has changed since: what the cache holds is what was.
  if (served.cache.lastChange <= point.revision) {
    return listCache(env, served, selection, limit, point.start, point.revision);
  }
  try {
    return await listStore(env, served, selection, limit, point);
  } catch (error) {
    if (error instanceof CompactedError) throw expired(point);
    if (error instanceof FutureRevisionError) {
      throw tooLargeResourceVersion(point.revision, env.cache.revision);
    }
    throw error;
  }
}

function expired(point: ContinuePoint): Error {
  if (point.start === '') return resourceExpired('The resourceVersion for the provided list is too old.');
  return resourceExpired(EXPIRED, encodeContinue({ start: point.start, revision: -1 }));
}

async function listCache(
  env: RegistryEnv,
  served: ServedResource,
  selection: Selection,
  limit: number,
  start: string,
  revision: number,
): Promise<ListResult> {
  const prefix = selection.keyPrefix(served);
  const from = start === '' ? '' : prefix + start;
  if (selection.everything) {
    const some = served.cache.entries(prefix, from, limit > 0 ? limit : Infinity);
    await served.prepare(some);
    return finish(some, served.cache.count(prefix, from) - some.length, revision, prefix, true);
  }
  const all = served.cache.entries(prefix, from);
  await served.prepare(all);
  const page: CacheEntry[] = [];
  const pause = yieldEvery(env.clock);
  for (const [index, entry] of all.entries()) {
    if (!selection.matches(served, entry)) continue;
    if (limit > 0 && page.length === limit) {
      return finish(page, all.length - index, revision, prefix, false);
    }
    page.push(entry);
    await pause();
  }
  return finish(page, 0, revision, prefix, false);
}

async function listStore(
  env: RegistryEnv,
  served: ServedResource,
  selection: Selection,
  limit: number,
  point: ContinuePoint,
): Promise<ListResult> {
  const relative = selection.keyPrefix(served);
  const prefix = served.cache.prefix + relative;
  const page: CacheEntry[] = [];
  let start = prefix + point.start;
  const pause = yieldEvery(env.clock);
  for (;;) {
    const wanted = limit > 0 && selection.everything ? limit : 500;
    const result = await env.storage.range({ prefix, start, limit: wanted, revision: point.revision });
    const entries = result.kvs.map((kv) =>
      served.cache.entryOf(kv.key.slice(served.cache.prefix.length), kv.value, kv.modRevision),
    );
    await served.prepare(entries);
    for (const [index, entry] of entries.entries()) {
      if (!selection.everything && !selection.matches(served, entry)) continue;
      if (limit > 0 && page.length === limit) {
        return finish(page, result.count - index, point.revision, relative, selection.everything);
      }
      page.push(entry);
      await pause();
    }
    const last = result.kvs.at(-1);
    if (!result.more || !last) return finish(page, 0, point.revision, relative, selection.everything);
    if (selection.everything && limit > 0) {
      return finish(page, result.count - result.kvs.length, point.revision, relative, true);
    }
    start = `${last.key}\0`;
  }
}

function finish(
  entries: CacheEntry[],
  left: number,
  revision: number,
  prefix: string,
  countIsTrue: boolean,
): ListResult {
  const last = entries.at(-1);
  const result: ListResult = { entries, revision, continueToken: '', remainingItemCount: undefined };
  if (left > 0 && last) {
    result.continueToken = encodeContinue({ start: `${last.key.slice(prefix.length)}\0`, revision });
    if (countIsTrue) result.remainingItemCount = left;
  }
  return result;
}
