import { open, type FileHandle } from 'node:fs/promises';
import {
  BRANCH_PAGE,
  BUCKET_ELEMENT,
  ELEMENT_BYTES,
  FORMAT_VERSION,
  LEAF_PAGE,
  MAGIC,
  META_BYTES,
  META_PAGE,
  metaChecksum,
  NO_FREELIST,
  PAGE_HEADER_BYTES,
  type Meta,
} from './format.ts';
import type { Pair } from './read-bolt.ts';

export interface BoltBucket {
  name: string;
  /** In order of their keys. */
  pairs: Iterable<Pair>;
}

/** Pages that are written to the file at once. */
const BUFFER_BYTES = 4 * 2 ** 20;
/** Elements of a page are counted in 16 bits. */
const MAX_ELEMENTS = 0xfffe;

/**
 * Writes a bbolt file from beginning to end, each tree from its leaves upwards, with memory for a few pages alone.
 * Buckets come in order of their names. The file is synced; it must not exist before.
 */
export async function writeBolt(path: string, meta: Meta, buckets: readonly BoltBucket[]): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    const pages = new PageWriter(file, meta.pageSize);
    const roots: Pair[] = [];
    for (const { name, pairs } of buckets) {
      const value = Buffer.alloc(16);
      value.writeBigUInt64LE(await writeTree(pages, pairs, 0), 0);
      roots.push([Buffer.from(name, 'latin1'), value]);
    }
    const root = await writeTree(pages, roots, BUCKET_ELEMENT);
    await pages.flush();
    await writeMetas(file, { ...meta, root }, pages.next);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Appends pages behind the two meta pages. */
class PageWriter {
  readonly #file: FileHandle;
  readonly #size: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** The page that comes next. */
  next = 2n;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  /** `body` is what follows the page's header. */
  async append(kind: number, count: number, body: Buffer): Promise<bigint> {
    const used = PAGE_HEADER_BYTES + body.length;
    const pages = Math.ceil(used / this.#size);
    const page = Buffer.alloc(pages * this.#size);
    const id = this.next;
    writeHeader(page, { id, kind, count, overflow: pages - 1 });
    body.copy(page, PAGE_HEADER_BYTES);
    this.#waiting.push(page);
    this.#waitingBytes += page.length;
    this.next += BigInt(pages);
    if (this.#waitingBytes >= BUFFER_BYTES) await this.flush();
    return id;
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const position = Number(this.next) * this.#size - this.#waitingBytes;
    const all = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (let at = 0; at < all.length;) {
      at += (await this.#file.write(all, at, all.length - at, position + at)).bytesWritten;
    }
  }
}

interface Child {
  first: Buffer;
  page: bigint;
}

/** Writes a tree and gives the page of its root. */
async function writeTree(pages: PageWriter, pairs: Iterable<Pair>, flags: number): Promise<bigint> {
  let level: Child[] = [];
  let batch: Pair[] = [];
  let bytes = PAGE_HEADER_BYTES;
  const leaf = async (): Promise<void> => {
    const page = await pages.append(LEAF_PAGE, batch.length, leafBody(batch, flags));
    level.push({ first: batch[0]?.[0] ?? Buffer.alloc(0), page });
    batch = [];
    bytes = PAGE_HEADER_BYTES;
  };
  for (const pair of pairs) {
    const size = ELEMENT_BYTES + pair[0].length + pair[1].length;
    if (batch.length > 0 && (bytes + size > pages.size || batch.length >= MAX_ELEMENTS)) await leaf();
    batch.push(pair);
    bytes += size;
  }
  if (batch.length > 0 || level.length === 0) await leaf();
  while (level.length > 1) level = await writeBranches(pages, level);
  return level[0]?.page ?? 0n;
}

async function writeBranches(pages: PageWriter, children: readonly Child[]): Promise<Child[]> {
  const above: Child[] = [];
  let batch: Child[] = [];
  let bytes = PAGE_HEADER_BYTES;
  const branch = async (): Promise<void> => {
    const page = await pages.append(BRANCH_PAGE, batch.length, branchBody(batch));
    above.push({ first: batch[0]?.first ?? Buffer.alloc(0), page });
    batch = [];
    bytes = PAGE_HEADER_BYTES;
  };
  for (const child of children) {
    const size = ELEMENT_BYTES + child.first.length;
    // Two children at least: a tree must become narrower with each level.
    if (batch.length > 1 && bytes + size > pages.size) await branch();
    batch.push(child);
    bytes += size;
  }
  await branch();
  return above;
}

function leafBody(pairs: readonly Pair[], flags: number): Buffer {
  const elements = Buffer.alloc(pairs.length * ELEMENT_BYTES);
  let offset = elements.length;
  pairs.forEach(([key, value], i) => {
    const at = i * ELEMENT_BYTES;
    elements.writeUInt32LE(flags, at);
    // Counted from the element itself.
    elements.writeUInt32LE(offset - at, at + 4);
    elements.writeUInt32LE(key.length, at + 8);
    elements.writeUInt32LE(value.length, at + 12);
    offset += key.length + value.length;
  });
  return Buffer.concat([elements, ...pairs.flat()]);
}

function branchBody(children: readonly Child[]): Buffer {
  const elements = Buffer.alloc(children.length * ELEMENT_BYTES);
  let offset = elements.length;
  children.forEach(({ first, page }, i) => {
    const at = i * ELEMENT_BYTES;
    elements.writeUInt32LE(offset - at, at);
    elements.writeUInt32LE(first.length, at + 4);
    elements.writeBigUInt64LE(page, at + 8);
    offset += first.length;
  });
  return Buffer.concat([elements, ...children.map(({ first }) => first)]);
}

function writeHeader(
  page: Buffer,
  header: { id: bigint; kind: number; count: number; overflow: number },
): void {
  page.writeBigUInt64LE(header.id, 0);
  page.writeUInt16LE(header.kind, 8);
  page.writeUInt16LE(header.count, 10);
  page.writeUInt32LE(header.overflow, 12);
}

/** Two meta pages, of which the one with the higher transaction counts; a transaction's page is its number's parity. */
async function writeMetas(file: FileHandle, meta: Meta, end: bigint): Promise<void> {
  const newest = meta.transaction + 2n;
  for (const transaction of [newest - 1n, newest]) {
    const id = transaction % 2n;
    const page = Buffer.alloc(meta.pageSize);
    writeHeader(page, { id, kind: META_PAGE, count: 0, overflow: 0 });
    const body = page.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + META_BYTES);
    body.writeUInt32LE(MAGIC, 0);
    body.writeUInt32LE(FORMAT_VERSION, 4);
    body.writeUInt32LE(meta.pageSize, 8);
    body.writeBigUInt64LE(meta.root, 16);
    body.writeBigUInt64LE(NO_FREELIST, 32);
    body.writeBigUInt64LE(end, 40);
    body.writeBigUInt64LE(transaction, 48);
    body.writeBigUInt64LE(metaChecksum(body), META_BYTES - 8);
    await file.write(page, 0, page.length, Number(id) * meta.pageSize);
  }
}
