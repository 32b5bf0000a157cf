import type { KubeObject } from '../../api/resource.ts';

/** One version of one object: its bytes as they are served, and perhaps the parsed form for a while. */
export class CacheEntry {
  /** 'namespace/name' or 'name'. */
  readonly key: string;
  readonly revision: number;
  /** JSON with metadata.resourceVersion. */
  readonly bytes: Buffer;
  /** Managed by ParsedObjects alone. */
  parsed: KubeObject | undefined;
  recentlyUsed = false;

  constructor(key: string, revision: number, bytes: Buffer) {
    this.key = key;
    this.revision = revision;
    this.bytes = bytes;
  }

  get namespace(): string {
    const slash = this.key.indexOf('/');
    return slash < 0 ? '' : this.key.slice(0, slash);
  }

  get name(): string {
    return this.key.slice(this.key.indexOf('/') + 1);
  }
}

/**
 * Parsed forms of entries, bounded by the bytes they were parsed from: a hundred thousand parsed Pods would
 * cost the garbage collector half a second a round. What was used since it came up for eviction last gets
 * a second chance.
 */
export class ParsedObjects {
  readonly #maxBytes: number;
  readonly #parse: (bytes: Buffer) => KubeObject;
  #queue: CacheEntry[] = [];
  #next = 0;
  #bytes = 0;

  constructor(maxBytes: number, parse: (bytes: Buffer) => KubeObject) {
    this.#maxBytes = maxBytes;
    this.#parse = parse;
  }

  /** The object, shared by all who ask: it must not be changed. */
  of(entry: CacheEntry): KubeObject {
    if (entry.parsed) {
      entry.recentlyUsed = true;
      return entry.parsed;
    }
    const parsed = this.#parse(entry.bytes);
    this.keep(entry, parsed);
    return parsed;
  }

  /** A copy that the caller may change. */
  copyOf(entry: CacheEntry): KubeObject {
    return this.#parse(entry.bytes);
  }

  keep(entry: CacheEntry, parsed: KubeObject): void {
    if (entry.bytes.length > this.#maxBytes / 4) return;
    entry.parsed = parsed;
    this.#queue.push(entry);
    this.#bytes += entry.bytes.length;
    while (this.#bytes > this.#maxBytes) this.#evictOne();
    if (this.#next > 1024 && this.#next > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
  }

  #evictOne(): void {
    const entry = this.#queue[this.#next++];
    if (!entry) return;
    if (entry.recentlyUsed) {
      entry.recentlyUsed = false;
      this.#queue.push(entry);
      return;
    }
    entry.parsed = undefined;
    this.#bytes -= entry.bytes.length;
  }
}
