import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { StorageCorruptError } from '../errors.ts';
import type { KeyValue, StorageEvent } from '../storage.ts';
import { checksumOf, sqliteCode, SQLITE_CORRUPT, SQLITE_NOTADB } from './schema.ts';

/** A row of the log as the statements below return it. */
type Row = [
  key: string,
  revision: number,
  createRevision: number,
  checksum: number,
  value: Uint8Array,
  previousRevision: number,
];

const COLUMNS = 'log.key, log.revision, log.create_revision, log.checksum, log.value, log.previous_revision';

/** Rows, and about how many bytes, that one slice reads: 2 to 4 ms of work. */
const SLICE_ROWS = 500;
const SLICE_BYTES = 4 * 1024 * 1024;

/** Keys that one slice counts: under 2 ms. */
const COUNT_ROWS = 10_000;

export interface RangeSlice {
  kvs: KeyValue[];
  /** First key of the next slice; undefined: the range is exhausted. */
  next: string | undefined;
}

/**
 * Reads of the database by a connection of the loop's own. They are synchronous and short: sqlite's readers
 * never wait for its writer, and whoever needs many rows takes them in slices.
 */
export class Reader {
  readonly #dir: string;
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(dir: string, path: string) {
    this.#dir = dir;
    this.#database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    this.#database.exec('PRAGMA cache_size = -8000; PRAGMA query_only = 1');
    this.#statements = prepare(this.#database);
  }

  /** Runs `body` in one snapshot of the database. It must not await anything. */
  snapshot<T>(body: () => T): T {
    this.#statements.begin.run();
    try {
      return body();
    } catch (error) {
      const code = sqliteCode(error);
      if (code?.primary !== SQLITE_CORRUPT && code?.primary !== SQLITE_NOTADB) throw error;
      throw new StorageCorruptError(this.#dir, (error as Error).message, error);
    } finally {
      if (this.#database.isTransaction) this.#statements.end.run();
    }
  }

  revision(): number {
    return (this.#statements.revision.get() as unknown as [number | null])[0] ?? 0;
  }

  get(key: string): KeyValue | undefined {
    return this.#pair(this.#statements.get.get(key));
  }

  getAt(key: string, revision: number): KeyValue | undefined {
    return this.#pair(this.#statements.getAt.get(key, revision));
  }

  /** Pairs from `first` on, below `end`, at the newest revision. */
  range(first: string, end: Uint8Array, limit: number): RangeSlice {
    return this.#slice(this.#statements.range, [first, end], limit);
  }

  /** The same at a revision of the past. */
  rangeAt(first: string, end: Uint8Array, limit: number, revision: number): RangeSlice {
    return this.#slice(this.#statements.rangeAt, [revision, first, end], limit);
  }

  /** Counts living keys from `first` on in a slice; `next` is where to go on. */
  count(first: string, end: Uint8Array): { count: number; next: string | undefined } {
    return countSlice(this.#statements.count, [first, end]);
  }

  countAt(first: string, end: Uint8Array, revision: number): { count: number; next: string | undefined } {
    return countSlice(this.#statements.countAt, [revision, first, end]);
  }

  /** As EventLog.readEvents. In one snapshot: a commit between its statements would be skipped by `next`. */
  readEvents(prefix: string, from: number, limit: number): { events: StorageEvent[]; next: number } {
    return this.snapshot(() => this.#readEvents(prefix, from, limit));
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #readEvents(prefix: string, from: number, limit: number): { events: StorageEvent[]; next: number } {
    const events: StorageEvent[] = [];
    let next = from;
    let rows = 0;
    let bytes = 0;
    for (const found of this.#statements.events.iterate(from)) {
      const row = found as unknown as Row;
      next = row[1] + 1;
      if (row[0].startsWith(prefix)) {
        const event = this.#event(row);
        events.push(event);
        bytes += event.value.length + (event.previous?.value.length ?? 0);
      }
      if (++rows >= limit || bytes > SLICE_BYTES) return { events, next };
    }
    return { events, next: Math.max(next, this.revision() + 1) };
  }

  #slice(
    statement: StatementSync,
    parameters: Array<string | number | Uint8Array>,
    limit: number,
  ): RangeSlice {
    const kvs: KeyValue[] = [];
    let bytes = 0;
    let rows = 0;
    for (const row of statement.iterate(...parameters)) {
      const kv = this.#pair(row);
      // Tombstones count as rows read, or a long run of them would be one long slice.
      if (rows++ >= SLICE_ROWS || bytes > SLICE_BYTES) return { kvs, next: (row as unknown as Row)[0] };
      if (!kv) continue;
      if (kvs.length >= limit) return { kvs, next: kv.key };
      kvs.push(kv);
      bytes += kv.value.length;
    }
    return { kvs, next: undefined };
  }

  #event(row: Row): StorageEvent {
    const [key, revision, createRevision, , , previousRevision] = row;
    this.#check(row);
    const before = previousRevision > 0 ? this.#statements.byRevision.get(previousRevision) : undefined;
    return {
      type: createRevision === 0 ? 'delete' : 'put',
      key,
      value: bufferOf(row[4]),
      revision,
      createRevision,
      previous: this.#pair(before),
    };
  }

  /** The pair of a row, or undefined for none and for a tombstone. */
  #pair(found: unknown): KeyValue | undefined {
    const row = found as Row | undefined;
    if (!row) return undefined;
    this.#check(row);
    const [key, modRevision, createRevision, , value] = row;
    return createRevision === 0 ? undefined : { key, value: bufferOf(value), createRevision, modRevision };
  }

  #check([key, revision, createRevision, checksum, value]: Row): void {
    if (checksumOf(revision, createRevision, key, value) === checksum) return;
    throw new StorageCorruptError(
      this.#dir,
      `the checksum of revision ${revision} (key ${key}) does not match`,
    );
  }
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.length);
}

function countSlice(
  statement: StatementSync,
  parameters: Array<string | number | Uint8Array>,
): { count: number; next: string | undefined } {
  const [count, rows, last] = statement.get(...parameters) as unknown as [number, number, string | null];
  // Keys hold no NUL, so nothing lies between a key and the same key followed by U+0001.
  return { count, next: rows < COUNT_ROWS || last === null ? undefined : `${last}\u0001` };
}

/** CAST keeps the end of a prefix, which need not be valid UTF-8, comparable byte by byte with the keys. */
const END = 'CAST(? AS TEXT)';

function prepare(
  database: DatabaseSync,
): Record<
  | 'begin'
  | 'end'
  | 'revision'
  | 'get'
  | 'getAt'
  | 'byRevision'
  | 'range'
  | 'rangeAt'
  | 'count'
  | 'countAt'
  | 'events',
  StatementSync
> {
  const arrays = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  const newestAt = `SELECT key, max(revision) AS revision FROM log
    WHERE revision <= ? AND key >= ? AND key < ${END} GROUP BY key`;
  return {
    begin: database.prepare('BEGIN'),
    end: database.prepare('ROLLBACK'),
    revision: arrays('SELECT max(revision) FROM log'),
    get: arrays(`SELECT ${COLUMNS} FROM live JOIN log ON log.revision = live.revision WHERE live.key = ?`),
    getAt: arrays(
      `SELECT ${COLUMNS} FROM log WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1`,
    ),
    byRevision: arrays(`SELECT ${COLUMNS} FROM log WHERE revision = ?`),
    range: arrays(`SELECT ${COLUMNS} FROM live CROSS JOIN log ON log.revision = live.revision
      WHERE live.key >= ? AND live.key < ${END} ORDER BY live.key`),
    rangeAt: arrays(`SELECT ${COLUMNS} FROM (${newestAt}) AS newest
      CROSS JOIN log ON log.revision = newest.revision ORDER BY newest.key`),
    count: arrays(`SELECT count(*), count(*), max(key) FROM
      (SELECT key FROM live WHERE key >= ? AND key < ${END} ORDER BY key LIMIT ${COUNT_ROWS})`),
    countAt: arrays(`SELECT count(*) FILTER (WHERE log.create_revision > 0), count(*), max(log.key)
      FROM (${newestAt} ORDER BY key LIMIT ${COUNT_ROWS}) AS newest
      CROSS JOIN log ON log.revision = newest.revision`),
    events: arrays(`SELECT ${COLUMNS} FROM log WHERE revision >= ? ORDER BY revision`),
  };
}
