import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { silentLogger, type Logger } from '../../base/log.ts';
import { CompactedError, FutureRevisionError, StorageClosedError } from '../errors.ts';
import { checkKey, rangeBounds } from '../keys.ts';
import type {
  KeyValue,
  RangeOptions,
  RangeResult,
  Storage,
  StorageEvent,
  StorageWatch,
  StorageWatchHandler,
  WriteResult,
} from '../storage.ts';
import { WatchHub } from '../watch-hub.ts';
import { lockDirectory, type ReleaseLock } from './lock.ts';
import type { PendingWrite, Written } from './messages.ts';
import { RangeReader } from './range-reader.ts';
import { Reader } from './reader.ts';
import { DATABASE_FILE } from './schema.ts';
import { WriterClient } from './writer-client.ts';

export interface EmbeddedStorageOptions {
  clock: Clock;
  log?: Logger;
  /** Refuses writes (E_STORAGE_FULL) once the database is so large, in bytes. Default: the disk is the bound. */
  quotaBytes?: number;
}

/** Revisions swept in one transaction of the writer: some 5 ms, between which writes go on. */
const SWEEP_REVISIONS = 500;

/** A commit that takes longer is worth a line in the log: the disk is too slow for a control plane. */
const SLOW_COMMIT_MS = 500;

const EMPTY = Buffer.alloc(0);

/**
 * The store of a single control plane, on node:sqlite in a directory that it locks. One thread writes, with
 * one fsync for all writes that came in meanwhile; reads are made here, from a second connection, in slices.
 */
export class EmbeddedStorage implements Storage {
  readonly #dir: string;
  readonly #log: Logger;
  readonly #writer: WriterClient;
  readonly #reader: Reader;
  readonly #hub: WatchHub;
  readonly #release: ReleaseLock;
  readonly #ranges: RangeReader;
  #compaction: Promise<void> = Promise.resolve();
  #ended: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: {
    dir: string;
    options: EmbeddedStorageOptions;
    writer: WriterClient;
    reader: Reader;
    hub: WatchHub;
    release: ReleaseLock;
  }) {
    this.#dir = parts.dir;
    this.#log = parts.options.log ?? silentLogger;
    this.#writer = parts.writer;
    this.#reader = parts.reader;
    this.#hub = parts.hub;
    this.#release = parts.release;
    this.#ranges = new RangeReader(
      parts.reader,
      () => this.#now(),
      () => this.#checkOpen(),
    );
  }

  /**
   * Opens the store in `dir`, which is made where it is missing. Throws StorageLockedError,
   * StorageCorruptError, StorageFormatError, or E_STORAGE_OPEN.
   */
  static async open(dir: string, options: EmbeddedStorageOptions): Promise<EmbeddedStorage> {
    const startedMs = options.clock.monotonicMs();
    const path = join(dir, DATABASE_FILE);
    let release: ReleaseLock | undefined;
    let writer: WriterClient | undefined;
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      release = lockDirectory(dir);
      let storage: EmbeddedStorage | undefined;
      const started = await WriterClient.open({
        dir,
        path,
        maxBytes: options.quotaBytes,
        clock: options.clock,
        onWritten: (writes, results, tookMs) => storage?.publish(writes, results, tookMs),
        onBroken: (error) => storage?.fail(error),
      });
      writer = started.writer;
      const { revision, compactedRevision, swept } = started.opened;
      const reader = new Reader(dir, path);
      const hub = new WatchHub({
        revision,
        compactedRevision,
        log: { readEvents: (prefix, from, limit) => reader.readEvents(prefix, from, limit) },
      });
      storage = new EmbeddedStorage({ dir, options, writer, reader, hub, release });
      // A sweep that a crash cut short goes on; nobody waits for it.
      if (swept < compactedRevision) storage.#sweepInBackground();
      const tookMs = Math.round(options.clock.monotonicMs() - startedMs);
      storage.#log.info({ dir, revision, compactedRevision, tookMs }, 'opened the store');
      return storage;
    } catch (error) {
      await writer?.close();
      release?.();
      if (error instanceof SlipwayError) throw error;
      throw new SlipwayError('E_STORAGE_OPEN', `the store in ${dir} cannot be opened: ${messageOf(error)}`, {
        hint: 'Check that the directory can be written by this user and that its disk has space.',
        cause: error,
      });
    }
  }

  async get(key: string, revision?: number): Promise<{ kv: KeyValue | undefined; revision: number }> {
    this.#checkOpen();
    return this.#reader.snapshot(() => {
      const now = this.#now();
      const at = this.#readRevision(revision, now);
      return { kv: at === now ? this.#reader.get(key) : this.#reader.getAt(key, at), revision: at };
    });
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    this.#checkOpen();
    const { first, limit } = rangeBounds(options);
    const revision = this.#readRevision(options.revision, this.#now());
    return this.#ranges.range(options.prefix, first, limit, revision);
  }

  async put(key: string, value: Buffer, expected?: number): Promise<WriteResult> {
    return this.#write({ key, value, expected });
  }

  async delete(key: string, expected?: number): Promise<WriteResult> {
    return this.#write({ key, value: undefined, expected });
  }

  async watch(prefix: string, fromRevision: number, handler: StorageWatchHandler): Promise<StorageWatch> {
    this.#checkOpen();
    return this.#hub.watch(prefix, fromRevision, handler);
  }

  /** Resolves when the space is free for new writes. Runs in slices between the writes of others. */
  async compact(revision: number): Promise<void> {
    this.#checkOpen();
    if (revision > this.#hub.revision) throw new FutureRevisionError(revision, this.#hub.revision);
    const compaction = this.#compaction.then(() => this.#compact(revision));
    this.#compaction = compaction.catch(() => {});
    await compaction;
  }

  async currentRevision(): Promise<number> {
    this.#checkOpen();
    return this.#hub.revision;
  }

  async compactedRevision(): Promise<number> {
    this.#checkOpen();
    return this.#hub.compactedRevision;
  }

  async size(): Promise<number> {
    this.#checkOpen();
    const path = join(this.#dir, DATABASE_FILE);
    const sizes = await Promise.all(
      [path, `${path}-wal`].map((file) =>
        stat(file).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Called by the writer with each durable batch. */
  publish(writes: readonly PendingWrite[], results: readonly Written[], tookMs: number): void {
    if (tookMs > SLOW_COMMIT_MS) {
      this.#log.warn(
        { tookMs: Math.round(tookMs), writes: writes.length },
        'a commit was slow: is the disk?',
      );
    }
    const events: StorageEvent[] = [];
    results.forEach(({ ok, revision, createRevision, previous }, i) => {
      const { key, value } = writes[i]!;
      if (!ok || (!value && !previous)) return;
      events.push({
        type: value ? 'put' : 'delete',
        key,
        value: value ?? EMPTY,
        revision,
        createRevision,
        previous,
      });
    });
    this.#hub.publish(events);
  }

  /** Called by the writer when it can go on no longer. */
  fail(error: Error): void {
    this.#ended = error;
    this.#log.error({ err: messageOf(error), dir: this.#dir }, 'the store has failed');
    this.#hub.end(error);
  }

  async #write(write: PendingWrite): Promise<WriteResult> {
    this.#checkOpen();
    checkKey(write.key);
    const { ok, revision, previous } = await this.#writer.write(write);
    return ok ? { ok, revision, previous } : { ok, revision, current: previous };
  }

  async #compact(revision: number): Promise<void> {
    if (revision <= this.#hub.compactedRevision) return;
    await this.#writer.compact(revision);
    this.#hub.compact(revision);
    await this.#sweep();
  }

  async #sweep(): Promise<void> {
    const target = this.#hub.compactedRevision;
    await this.#ranges.whenUnpinned(target);
    for (let swept = 0; swept < target;) swept = await this.#writer.sweep(SWEEP_REVISIONS);
  }

  #sweepInBackground(): void {
    this.#compaction = this.#sweep().catch((error: unknown) => {
      this.#log.warn({ err: messageOf(error) }, 'could not finish an earlier compaction');
    });
  }

  async #close(): Promise<void> {
    const error = new StorageClosedError('it was closed');
    this.#ended ??= error;
    await this.#writer.close();
    this.#hub.end(error);
    this.#reader.close();
    this.#release();
  }

  #checkOpen(): void {
    if (this.#ended) throw this.#ended;
  }

  /** The newest durable revision, which the hub may learn of only a moment later. */
  #now(): number {
    return Math.max(this.#reader.revision(), this.#hub.revision);
  }

  #readRevision(revision: number | undefined, now: number): number {
    if (revision === undefined) return now;
    if (revision > now) throw new FutureRevisionError(revision, now);
    if (revision < this.#hub.compactedRevision) {
      throw new CompactedError(revision, this.#hub.compactedRevision);
    }
    return revision;
  }
}
