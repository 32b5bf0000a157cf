import type { KubeObject } from '../../api/resource.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import type { ServedResource } from './served-resource.ts';
import type { RegistryEnv } from './registry-env.ts';

/** What a write left behind. */
export interface WriteOutcome {
  /** The object in the version of the request; undefined where only a Status is answered. */
  object: KubeObject;
  /** Its bytes as they are served; undefined for a dry run, which was never stored. */
  entry: CacheEntry | undefined;
  created: boolean;
}

/**
 * The stored bytes as an entry with its revision, once this server's own cache has seen the write: whoever
 * reads after the answer, here, sees it.
 */
export async function storedOutcome(
  env: RegistryEnv,
  served: ServedResource,
  namespace: string,
  name: string,
  value: Buffer,
  revision: number,
  created: boolean,
): Promise<WriteOutcome> {
  await caughtUp(env, revision);
  const key = served.key(namespace, name);
  const cached = served.cache.get(key);
  const entry = cached?.revision === revision ? cached : served.cache.entryOf(key, value, revision);
  await served.prepare([entry]);
  return { object: served.object(entry), entry, created };
}

/** Waits for the cache to see a revision; a cache that lags must not turn a done write into an error. */
export async function caughtUp(env: RegistryEnv, revision: number): Promise<void> {
  try {
    await env.cache.atLeast(revision);
  } catch {
    env.log.warn({ revision }, 'the watch cache has not seen a write in time');
  }
}
