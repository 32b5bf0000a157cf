import type { Clock } from '../../base/clock.ts';
import { silentLogger, type Logger } from '../../base/log.ts';
import { CompactedError, FutureRevisionError, StorageClosedError } from '../errors.ts';
import { checkKey, rangeBounds } from '../keys.ts';
import type {
  KeyValue,
  RangeOptions,
  RangeResult,
  Storage,
  StorageWatch,
  StorageWatchHandler,
  WriteResult,
} from '../storage.ts';
import { STATUS } from './admin-methods.ts';
import { isCompacted, isFutureRevision } from './errors.ts';
import { KeySpace } from './key-space.ts';
import { MemberPool } from './member-pool.ts';
import type { RangeRequest, RangeResponse } from './messages.ts';
import { COMPACT, RANGE } from './methods.ts';
import type { EtcdTls } from './tls-files.ts';
import { WatchMux } from './watch-mux.ts';
import { revisionOf, Writer } from './writer.ts';

export interface EtcdStorageOptions {
  /** Client URLs of the members, e.g. ['https://10.0.0.1:2379']; the first that answers is used until it fails. */
  endpoints: readonly string[];
  /** Needed for https. Files are read again as they change; new connections use what they hold then. */
  tls?: EtcdTls;
  /** What all keys begin with in etcd, for several stores in one etcd. Default: nothing. */
  prefix?: string;
  clock: Clock;
  log?: Logger;
  /** How long one try of a request may take before another member is asked. Default 2,500. */
  attemptMs?: number;
  /** How long an operation may take, fail-over included. Default 15,000. */
  requestMs?: number;
  /** How often the certificate files are read again. Default 30,000. */
  reloadMs?: number;
}

/** A key that nobody writes. Reading it asks for the store's revision, or whether a revision is compacted. */
const NO_KEY = Buffer.from('\0');
/** Pairs in the first page of a range; the next ones follow the size that they turn out to have. */
const FIRST_PAGE = 500;
const PAGE_BYTES = 4 * 1024 * 1024;

/** The store of several control planes: a cluster of etcd (3.4 or later) over gRPC. */
export class EtcdStorage implements Storage {
  readonly #pool: MemberPool;
  readonly #keys: KeySpace;
  readonly #watches: WatchMux;
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #requestMs: number;
  /** What we know to be compacted; another client may have gone further. */
  #compacted = 0;
  #ended: StorageClosedError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(pool: MemberPool, options: EtcdStorageOptions) {
    const log = options.log ?? silentLogger;
    this.#pool = pool;
    this.#clock = options.clock;
    this.#requestMs = options.requestMs ?? 15_000;
    this.#keys = new KeySpace(options.prefix ?? '');
    this.#watches = new WatchMux(pool, this.#keys, options.clock, log);
    this.#writer = new Writer(pool, this.#keys, this.#watches);
  }

  /**
   * Resolves when a member answers that knows a leader. Throws StorageUnavailableError after `requestMs`,
   * E_STORAGE_ENDPOINT and E_STORAGE_TLS for bad options, E_STORAGE_DENIED where etcd refuses the client.
   */
  static async open(options: EtcdStorageOptions): Promise<EtcdStorage> {
    const pool = await MemberPool.open({
      endpoints: options.endpoints,
      tls: options.tls,
      clock: options.clock,
      log: options.log ?? silentLogger,
      attemptMs: options.attemptMs ?? 2500,
      requestMs: options.requestMs ?? 15_000,
      reloadMs: options.reloadMs ?? 30_000,
    });
    options.log?.info({ endpoint: pool.active.url, revision: pool.revision }, 'opened the store in etcd');
    return new EtcdStorage(pool, options);
  }

  async get(key: string, revision?: number): Promise<{ kv: KeyValue | undefined; revision: number }> {
    const answer = await this.#read({ key: this.#keys.key(key) }, revision);
    const [kv] = answer.kvs;
    return { kv: kv && this.#keys.keyValue(kv), revision: revision ?? revisionOf(answer) };
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    this.#checkOpen();
    const { first, limit } = rangeBounds(options);
    const { rangeEnd, key: from } = this.#keys.range(options.prefix, first);
    const kvs: KeyValue[] = [];
    let key = from;
    let revision = options.revision;
    let count: number | undefined;
    let page = FIRST_PAGE;
    for (;;) {
      const asked = Math.min(limit - kvs.length, page);
      const answer = await this.#read({ key, rangeEnd, limit: asked }, revision);
      // Every page but the first is of the first one's revision: the whole is one snapshot.
      revision ??= revisionOf(answer);
      count ??= answer.count;
      for (const kv of answer.kvs) kvs.push(this.#keys.keyValue(kv));
      const last = answer.kvs.at(-1);
      if (!answer.more || !last || kvs.length >= limit) {
        return { kvs, more: answer.more, count, revision };
      }
      const bytes = answer.kvs.reduce((sum, kv) => sum + kv.value.length + kv.key.length, 0);
      page = Math.max(50, Math.min(5000, Math.floor((PAGE_BYTES / bytes) * answer.kvs.length)));
      key = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  put(key: string, value: Buffer, expected?: number): Promise<WriteResult> {
    return this.#write(key, value, expected);
  }

  delete(key: string, expected?: number): Promise<WriteResult> {
    return this.#write(key, undefined, expected);
  }

  async watch(prefix: string, fromRevision: number, handler: StorageWatchHandler): Promise<StorageWatch> {
    this.#checkOpen();
    const from = Math.max(fromRevision, 1);
    await this.#checkHistory(from);
    const target = this.#keys.range(prefix);
    const watcher = await this.#watches.open(target, prefix, from, handler, this.#requestMs);
    // Nothing is delivered before the caller holds the handle.
    setImmediate(() => watcher.release());
    return { cancel: () => this.#watches.cancel(watcher) };
  }

  /** Resolves when older history cannot be read any more; etcd frees its space afterwards by itself. */
  async compact(revision: number): Promise<void> {
    const current = await this.currentRevision();
    if (revision > current) throw new FutureRevisionError(revision, current);
    if (revision <= this.#compacted) return;
    // One less than asked for, so that a deletion at the revision itself stays for watches (see WatchMux).
    if (revision > 1) {
      try {
        const requestMs = Math.max(this.#requestMs, 60_000);
        await this.#pool.call(COMPACT, { revision: revision - 1 }, { repeat: true, requestMs });
      } catch (error) {
        // Somebody has compacted further.
        if (!isCompacted(error)) throw error;
      }
    }
    this.#compacted = Math.max(this.#compacted, revision);
  }

  async currentRevision(): Promise<number> {
    return revisionOf(await this.#read({ key: NO_KEY, countOnly: true }));
  }

  async compactedRevision(): Promise<number> {
    this.#checkOpen();
    try {
      // A revision that can still be read tells that nobody has compacted beyond it. etcd's 1 is as good as none.
      await this.#pool.call(
        RANGE,
        { key: NO_KEY, countOnly: true, revision: Math.max(this.#compacted - 1, 1) },
        { repeat: true },
      );
    } catch (error) {
      if (!isCompacted(error)) throw error;
      this.#compacted = Math.max(this.#compacted, await this.#askCompacted());
    }
    return this.#compacted;
  }

  /** Bytes of the database file of the member in use. */
  async size(): Promise<number> {
    this.#checkOpen();
    return (await this.#pool.call(STATUS, {}, { repeat: true })).dbSize;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended = new StorageClosedError('it was closed');
    await this.#writer.idle();
    this.#watches.close(this.#ended);
    this.#pool.close();
  }

  async #write(key: string, value: Buffer | undefined, expected: number | undefined): Promise<WriteResult> {
    this.#checkOpen();
    checkKey(key);
    return this.#writer.write({ key, value, expected });
  }

  /** A read that sees every write acknowledged before, by whomever; or the past at `revision`. */
  async #read(request: Partial<RangeRequest>, revision?: number): Promise<RangeResponse> {
    this.#checkOpen();
    if (revision !== undefined && revision < this.#compacted) {
      throw new CompactedError(revision, this.#compacted);
    }
    try {
      return await this.#pool.call(RANGE, revision === undefined ? request : { ...request, revision }, {
        repeat: true,
      });
    } catch (error) {
      if (revision === undefined) throw error;
      if (isCompacted(error)) throw new CompactedError(revision, await this.compactedRevision());
      if (isFutureRevision(error)) throw new FutureRevisionError(revision, await this.currentRevision());
      throw error;
    }
  }

  /** Throws CompactedError where a watch cannot begin at the revision any more. */
  async #checkHistory(from: number): Promise<void> {
    if (from < this.#compacted) throw new CompactedError(from, this.#compacted);
    try {
      const revision = Math.max(from - 1, 1);
      await this.#pool.call(RANGE, { key: NO_KEY, countOnly: true, revision }, { repeat: true });
    } catch (error) {
      if (isCompacted(error)) throw new CompactedError(from, await this.compactedRevision());
      if (!isFutureRevision(error)) throw error;
    }
  }

  /** etcd tells its compacted revision only to a watch that begins before it. */
  async #askCompacted(): Promise<number> {
    let finish = (_revision: number): void => {};
    const told = new Promise<number>((resolve) => (finish = resolve));
    const target = { key: NO_KEY, rangeEnd: Buffer.alloc(0) };
    const onEnd = (error: Error): void =>
      finish(error instanceof CompactedError ? error.compactedRevision : this.#compacted);
    const watcher = await this.#watches.open(target, '', 1, { onEvents() {}, onEnd }, this.#requestMs);
    watcher.release();
    // A member that has not heard of the compaction yet stays silent.
    const timer = this.#clock.after(this.#requestMs, () => finish(this.#compacted));
    const revision = await told;
    timer.cancel();
    this.#watches.cancel(watcher);
    return revision;
  }

  #checkOpen(): void {
    if (this.#ended) throw this.#ended;
  }
}
