import {
  BRANCH_PAGE,
  BUCKET_ELEMENT,
  ELEMENT_BYTES,
  FORMAT_VERSION,
  LEAF_PAGE,
  MAGIC,
  META_BYTES,
  metaChecksum,
  PAGE_HEADER_BYTES,
  type Meta,
} from './format.ts';

export type Pair = readonly [key: Buffer, value: Buffer];

export interface BoltContent {
  meta: Meta;
  /** By name, in their order; etcd nests none. */
  buckets: Map<string, Pair[]>;
}

/** Reads a whole bbolt file that fits into memory. Throws where it is none, or damaged. */
export function readBolt(file: Buffer): BoltContent {
  const meta = newestMeta(file);
  const buckets = new Map<string, Pair[]>();
  for (const { flags, key, value } of elements(file, meta.pageSize, pageAt(file, meta, meta.root))) {
    if (flags !== BUCKET_ELEMENT) throw new Error('a value lies outside all buckets');
    const root = value.readBigUInt64LE(0);
    // A small bucket lies as a page within its own entry.
    const page = root === 0n ? value.subarray(16) : pageAt(file, meta, root);
    const pairs = [...elements(file, meta.pageSize, page)].map((each): Pair => [each.key, each.value]);
    buckets.set(key.toString('latin1'), pairs);
  }
  return { meta, buckets };
}

function newestMeta(file: Buffer): Meta {
  const pageSize = file.readUInt32LE(PAGE_HEADER_BYTES + 8);
  const found = [0, pageSize].flatMap((offset) => {
    const meta = file.subarray(offset + PAGE_HEADER_BYTES, offset + PAGE_HEADER_BYTES + META_BYTES);
    const valid =
      meta.length === META_BYTES &&
      meta.readUInt32LE(0) === MAGIC &&
      meta.readUInt32LE(4) === FORMAT_VERSION &&
      meta.readBigUInt64LE(META_BYTES - 8) === metaChecksum(meta);
    if (!valid) return [];
    return [
      {
        pageSize: meta.readUInt32LE(8),
        root: meta.readBigUInt64LE(16),
        transaction: meta.readBigUInt64LE(48),
      },
    ];
  });
  const newest = found.toSorted((a, b) => Number(b.transaction - a.transaction))[0];
  if (!newest) throw new Error('it is no bbolt file, or both of its meta pages are damaged');
  return newest;
}

function pageAt(file: Buffer, meta: Meta, id: bigint): Buffer {
  const offset = Number(id) * meta.pageSize;
  const overflow = file.readUInt32LE(offset + 12);
  return file.subarray(offset, offset + (overflow + 1) * meta.pageSize);
}

function* elements(
  file: Buffer,
  pageSize: number,
  page: Buffer,
): Generator<{ flags: number; key: Buffer; value: Buffer }> {
  const kind = page.readUInt16LE(8);
  const count = page.readUInt16LE(10);
  for (let i = 0; i < count; i += 1) {
    const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
    if (kind === BRANCH_PAGE) {
      const child = pageAt(file, { pageSize, root: 0n, transaction: 0n }, page.readBigUInt64LE(at + 8));
      yield* elements(file, pageSize, child);
    } else if (kind === LEAF_PAGE) {
      const start = at + page.readUInt32LE(at + 4);
      const keyEnd = start + page.readUInt32LE(at + 8);
      yield {
        flags: page.readUInt32LE(at),
        key: page.subarray(start, keyEnd),
        value: page.subarray(keyEnd, keyEnd + page.readUInt32LE(at + 12)),
      };
    } else throw new Error(`a page has the unknown kind ${kind}`);
  }
}
