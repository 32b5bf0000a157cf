import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import type { RegistryEnv } from './registry-env.ts';
import type { ServedResource } from './served-resource.ts';

/** The entry of an object, ready to be read: from the cache, or `fresh` from the store itself. */
export async function readEntry(
  env: RegistryEnv,
  served: ServedResource,
  namespace: string,
  name: string,
  fresh: boolean,
): Promise<CacheEntry | undefined> {
  const entry = await findEntry(env, served, namespace, name, fresh);
  if (entry) await served.prepare([entry]);
  return entry;
}

async function findEntry(
  env: RegistryEnv,
  served: ServedResource,
  namespace: string,
  name: string,
  fresh: boolean,
): Promise<CacheEntry | undefined> {
  const key = served.key(namespace, name);
  const cached = served.cache.get(key);
  if (!fresh) return cached;
  if (name.includes('\0') || namespace.includes('\0')) return undefined;
  const { kv } = await env.storage.get(served.cache.prefix + key);
  if (!kv) return undefined;
  if (cached?.revision === kv.modRevision) return cached;
  return served.cache.entryOf(key, kv.value, kv.modRevision);
}
