import { chown, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { encode } from './codec.ts';
import { readBolt, type Pair } from './bolt/read-bolt.ts';
import { writeBolt } from './bolt/write-bolt.ts';
import { STORED_KEY_VALUE } from './stored-key-value.ts';

/** One write: revisions are those of the store that it comes from. */
export interface PastWrite {
  revision: number;
  key: string;
  /** 0 for a deletion. */
  createRevision: number;
  value: Uint8Array;
}

export interface Past {
  revision: number;
  compactedRevision: number;
  /** In order of revision. */
  entries(): Iterable<PastWrite>;
}

const TOMBSTONE = Buffer.from('t');
/** A key that nobody writes, for a deletion that only counts the revision up. */
const NO_KEY = '\0slipway';

/**
 * Puts the past of another store into the database of an etcd member that is stopped and holds nothing: keys,
 * values, and every revision as it was, so that what clients know of the store stays true. Mirrors what
 * server/storage/mvcc/kvstore.go reads when it starts. Throws E_STORAGE_FILL; the database is then as it was.
 */
export async function fillDatabase(dataDir: string, past: Past): Promise<{ keys: number }> {
  const path = join(dataDir, 'member/snap/db');
  const part = `${path}.filled`;
  try {
    await rm(part, { force: true });
    const { uid, gid } = await stat(path);
    const { meta, buckets } = readBolt(await readFile(path));
    const count = { keys: 0 };
    if ((buckets.get('key') ?? []).length > 0) throw new Error('it holds keys already');
    buckets.set('meta', withCompaction(buckets.get('meta') ?? [], past.compactedRevision));
    buckets.delete('key');
    const all = [...buckets].map(([name, pairs]) => ({ name, pairs: pairs as Iterable<Pair> }));
    all.push({ name: 'key', pairs: pairsOf(past, count) });
    all.sort((a, b) => (a.name < b.name ? -1 : 1));
    await writeBolt(part, meta, all);
    await chown(part, uid, gid);
    await rename(part, path);
    await syncDirectory(dirname(path));
    return count;
  } catch (cause) {
    await rm(part, { force: true });
    throw new SlipwayError('E_STORAGE_FILL', `${path} was not filled: ${messageOf(cause)}`, { cause });
  }
}

/** A key of etcd's database: the revision, so that all of it lies in the order of history. */
function revisionBytes(revision: number): Buffer {
  const bytes = Buffer.alloc(17);
  bytes.writeBigUInt64BE(BigInt(revision), 0);
  bytes[8] = 0x5f;
  return bytes;
}

function* pairsOf(past: Past, count: { keys: number }): Generator<Pair> {
  const versions = new Map<string, number>();
  let last = 1;
  for (const { revision, key, createRevision, value } of past.entries()) {
    last = revision;
    if (createRevision === 0) {
      versions.delete(key);
      yield deletion(revision, key);
      continue;
    }
    const version = createRevision === revision ? 1 : (versions.get(key) ?? 1) + 1;
    versions.set(key, version);
    const stored = encode(STORED_KEY_VALUE, {
      key: Buffer.from(key),
      createRevision,
      modRevision: revision,
      version,
      value: Buffer.from(value.buffer, value.byteOffset, value.length),
    });
    yield [revisionBytes(revision), stored];
  }
  // The newest writes may have been deletions that are swept: the count must go on from where it was.
  if (last < past.revision) yield deletion(past.revision, NO_KEY);
  count.keys = versions.size;
}

function deletion(revision: number, key: string): Pair {
  return [
    Buffer.concat([revisionBytes(revision), TOMBSTONE]),
    encode(STORED_KEY_VALUE, { key: Buffer.from(key) }),
  ];
}

/** One revision less than ours, as EtcdStorage.compact does: a deletion at the very revision stays for watches. */
function withCompaction(meta: readonly Pair[], compactedRevision: number): Pair[] {
  const names = ['finishedCompactRev', 'scheduledCompactRev'];
  const kept = meta.filter(([key]) => !names.includes(key.toString()));
  if (compactedRevision <= 1) return kept;
  const value = revisionBytes(compactedRevision - 1);
  return [...kept, ...names.map((name): Pair => [Buffer.from(name), value])].toSorted(([a], [b]) =>
    Buffer.compare(a, b),
  );
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
