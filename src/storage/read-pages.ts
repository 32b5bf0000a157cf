import type { StoreRecord } from './records.ts';
import type { Storage } from './storage.ts';

const PAGE_KEYS = 500;

/**
 * All that lives in a store at the revision that it has now, page by page, while others write: an etcd that is compacted
 * beyond that revision meanwhile fails the reading with CompactedError. In order of the keys.
 */
export async function readPages(
  storage: Storage,
): Promise<{ revision: number; records: AsyncGenerator<StoreRecord> }> {
  const revision = await storage.currentRevision();
  return { revision, records: pagesOf(storage, revision) };
}

async function* pagesOf(storage: Storage, revision: number): AsyncGenerator<StoreRecord> {
  let start: string | undefined;
  for (;;) {
    const { kvs, more } = await storage.range({
      prefix: '/',
      limit: PAGE_KEYS,
      revision,
      ...(start === undefined ? {} : { start }),
    });
    for (const { key, modRevision, value } of kvs) yield { key, modRevision, value };
    const last = kvs.at(-1);
    if (!more || last === undefined) return;
    start = `${last.key}\0`;
  }
}
