import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';

/**
 * On disk: `log` has a row for each revision (the write itself, or a tombstone with create_revision 0), and
 * `live` says which revision each living key stands at. Old revisions stay in the log until compaction, so
 * a watch or a read of the past needs no second structure.
 */
export const FORMAT = 1;

/** 'slip' in ASCII: `file` and sqlite3 show it, and a foreign database is not taken for ours. */
export const APPLICATION_ID = 0x736c6970;

export const DATABASE_FILE = 'store.db';

/** Names in the table `meta`: revisions before `compacted` are forgotten, and swept from the log up to `swept`. */
export type MetaName = 'compacted' | 'swept';

export const CREATE_TABLES = `
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    previous_revision INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    value BLOB NOT NULL
  ) STRICT;
  CREATE INDEX log_by_key ON log (key, revision);
  CREATE TABLE live (
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('compacted', 0), ('swept', 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};
`;

/**
 * What a row's checksum covers: sqlite has none of its own, and a flipped bit in a value would otherwise be
 * served as if it had been written.
 */
export function checksumOf(revision: number, createRevision: number, key: string, value: Uint8Array): number {
  return crc32(value, crc32(`${revision} ${createRevision} ${key}`));
}

export function singleNumber(database: DatabaseSync, sql: string): number {
  const row = database.prepare(sql).get();
  return Number(row ? Object.values(row)[0] : 0);
}

/** sqlite's primary result code of an error that node:sqlite threw, or undefined. See https://sqlite.org/rescode.html. */
export function sqliteCode(error: unknown): { primary: number; extended: number } | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  const extended = Number(error.errcode);
  return { primary: extended & 0xff, extended };
}

export const SQLITE_BUSY = 5;
export const SQLITE_CORRUPT = 11;
export const SQLITE_FULL = 13;
export const SQLITE_NOTADB = 26;
