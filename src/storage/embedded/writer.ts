import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { KeyValue } from '../storage.ts';
import type { PendingWrite, Written } from './messages.ts';
import { APPLICATION_ID, checksumOf, CREATE_TABLES, FORMAT, singleNumber } from './schema.ts';
import type { MetaName } from './schema.ts';

/** The database was written by something else, or is damaged; `kind` as in Failure. */
export class WriterError extends Error {
  readonly kind: 'corrupt' | 'format';
  readonly found: number | undefined;

  constructor(kind: 'corrupt' | 'format', message: string, found?: number) {
    super(message);
    this.kind = kind;
    this.found = found;
  }
}

const EMPTY = Buffer.alloc(0);

/** Pages in the write-ahead log after which it is copied into the database, between two batches. */
const CHECKPOINT_PAGES = 2000;

/**
 * The one writer of a store: synchronous, so it lives in a thread of its own, where an fsync stalls nobody.
 * Every method is one durable transaction (WAL with synchronous=FULL: the commit returns after the fsync,
 * and only then do readers see it).
 */
export class Writer {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  #revision: number;
  #compacted: number;
  #swept: number;

  /** `maxBytes` bounds the database file (not its write-ahead log); undefined: the disk does. */
  constructor(path: string, maxBytes?: number) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA cache_size = -8000;
      PRAGMA temp_store = MEMORY;
    `);
    this.#openFormat();
    if (maxBytes !== undefined) this.#database.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / 4096)}`);
    this.#statements = prepare(this.#database);
    this.#compacted = this.#meta('compacted');
    this.#swept = this.#meta('swept');
    this.#revision = Math.max(
      1,
      this.#compacted,
      singleNumber(this.#database, 'SELECT max(revision) FROM log'),
    );
  }

  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  get swept(): number {
    return this.#swept;
  }

  /** Compares and writes each in order, all in one commit. When it throws, none of them happened. */
  apply(writes: Iterable<PendingWrite>): Written[] {
    const before = this.#revision;
    try {
      return this.#transaction(() => {
        const results: Written[] = [];
        for (const write of writes) results.push(this.#applyOne(write));
        return results;
      });
    } catch (error) {
      this.#revision = before;
      throw error;
    }
  }

  compact(revision: number): void {
    this.#transaction(() => this.#setMeta('compacted', revision));
    this.#compacted = revision;
  }

  /**
   * Sweeps up to `limit` revisions of the log: of each write below the compacted revision the version that
   * it replaced goes, and so does a tombstone. A tombstone at the compacted revision itself stays until the
   * next compaction, because a watch from that revision is still owed its event.
   */
  sweep(limit: number): number {
    const from = this.#swept;
    const to = Math.min(from + limit, this.#compacted);
    if (to <= from) return from;
    this.#transaction(() => {
      this.#statements.sweepReplaced.run(from, to);
      this.#statements.sweepTombstones.run(from, to);
      this.#setMeta('swept', to);
    });
    this.#swept = to;
    return to;
  }

  /** Copies the write-ahead log into the database once it is large, so that commits need not. */
  checkpoint(force = false): void {
    const row = this.#statements.walPages.get() as { log: number; checkpointed: number } | undefined;
    if (!force && row && row.log - row.checkpointed < CHECKPOINT_PAGES) return;
    this.#database.exec(`PRAGMA wal_checkpoint(${force ? 'TRUNCATE' : 'PASSIVE'})`);
  }

  close(): void {
    this.#database.close();
  }

  #openFormat(): void {
    const format = singleNumber(this.#database, 'PRAGMA user_version');
    const tables = singleNumber(this.#database, 'SELECT count(*) FROM sqlite_schema');
    if (tables === 0) {
      this.#database.exec(`BEGIN IMMEDIATE; ${CREATE_TABLES} COMMIT`);
      return;
    }
    if (singleNumber(this.#database, 'PRAGMA application_id') !== APPLICATION_ID) {
      throw new WriterError('corrupt', 'the file is a database of another program');
    }
    if (format !== FORMAT) throw new WriterError('format', `format ${format}`, format);
    const problem = Object.values(this.#database.prepare('PRAGMA quick_check(1)').get() ?? {})[0];
    if (problem !== 'ok') throw new WriterError('corrupt', String(problem));
  }

  #applyOne({ key, value, expected }: PendingWrite): Written {
    const previous = this.#current(key);
    if (expected !== undefined && expected !== (previous?.modRevision ?? 0)) {
      return { ok: false, revision: this.#revision, createRevision: 0, previous };
    }
    if (!value && !previous) return { ok: true, revision: this.#revision, createRevision: 0, previous };
    const revision = ++this.#revision;
    const createRevision = value ? (previous?.createRevision ?? revision) : 0;
    const stored = value ?? EMPTY;
    const checksum = checksumOf(revision, createRevision, key, stored);
    const { insert, setLive, removeLive } = this.#statements;
    insert.run(revision, key, createRevision, previous?.modRevision ?? 0, checksum, stored);
    if (value) setLive.run(key, revision);
    else removeLive.run(key);
    return { ok: true, revision, createRevision, previous };
  }

  #current(key: string): KeyValue | undefined {
    const row = this.#statements.current.get(key) as unknown as
      | [number, number, number, Uint8Array]
      | undefined;
    if (!row) return undefined;
    const [modRevision, createRevision, checksum, value] = row;
    if (checksumOf(modRevision, createRevision, key, value) !== checksum) {
      throw new WriterError('corrupt', `the checksum of revision ${modRevision} (${key}) does not match`);
    }
    return {
      key,
      createRevision,
      modRevision,
      value: Buffer.from(value.buffer, value.byteOffset, value.length),
    };
  }

  #meta(name: MetaName): number {
    return singleNumber(this.#database, `SELECT value FROM meta WHERE name = '${name}'`);
  }

  #setMeta(name: MetaName, value: number): void {
    this.#statements.setMeta.run(value, name);
  }

  #transaction<T>(body: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = body();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      // sqlite has rolled back by itself after most disk errors; a second rollback is then an error of its own.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

function prepare(
  database: DatabaseSync,
): Record<
  | 'current'
  | 'insert'
  | 'setLive'
  | 'removeLive'
  | 'setMeta'
  | 'sweepReplaced'
  | 'sweepTombstones'
  | 'walPages',
  StatementSync
> {
  const current = database.prepare(`
    SELECT log.revision, log.create_revision, log.checksum, log.value
    FROM live JOIN log ON log.revision = live.revision WHERE live.key = ?`);
  current.setReturnArrays(true);
  return {
    current,
    insert: database.prepare('INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)'),
    setLive: database.prepare('INSERT OR REPLACE INTO live VALUES (?, ?)'),
    removeLive: database.prepare('DELETE FROM live WHERE key = ?'),
    setMeta: database.prepare('UPDATE meta SET value = ? WHERE name = ?'),
    sweepReplaced: database.prepare(`
      DELETE FROM log WHERE revision IN
        (SELECT previous_revision FROM log WHERE revision BETWEEN ? AND ? AND previous_revision > 0)`),
    sweepTombstones: database.prepare(
      'DELETE FROM log WHERE revision >= ? AND revision < ? AND create_revision = 0',
    ),
    walPages: database.prepare('PRAGMA wal_checkpoint(NOOP)'),
  };
}
