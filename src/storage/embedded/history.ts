import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StorageCorruptError } from '../errors.ts';
import { lockDirectory } from './lock.ts';
import { checksumOf, DATABASE_FILE, singleNumber } from './schema.ts';
import { Writer } from './writer.ts';

/** One write of the store's past: of a key, or its deletion. */
export interface HistoryEntry {
  revision: number;
  key: string;
  /** 0 for a deletion. */
  createRevision: number;
  value: Uint8Array;
}

export interface History {
  /** The store's revision: the next write would get the next one. */
  revision: number;
  /** Reads and watches of older revisions fail. */
  compactedRevision: number;
  /** All that lives, and every write from the compacted revision on, in order of revision. */
  entries(): Generator<HistoryEntry>;
  close(): void;
}

/**
 * Opens a store that no process holds and gives all that can still be read of it. Throws StorageLockedError where
 * one holds it, StorageCorruptError where what it reads is not what was written.
 */
export function openHistory(dir: string): History {
  const release = lockDirectory(dir);
  try {
    const path = join(dir, DATABASE_FILE);
    // The writer checks the file's format and soundness, and takes in what lies in the write-ahead log.
    const writer = new Writer(path);
    const { revision, compactedRevision } = writer;
    writer.checkpoint(true);
    writer.close();
    const database = new DatabaseSync(path, { readOnly: true });
    return {
      revision,
      compactedRevision,
      entries: () => entriesOf(database, dir, compactedRevision),
      close: () => {
        database.close();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

function* entriesOf(database: DatabaseSync, dir: string, compacted: number): Generator<HistoryEntry> {
  const statement = database.prepare(`
    SELECT revision, key, create_revision, checksum, value FROM log
    WHERE revision >= :compacted OR (create_revision <> 0 AND NOT EXISTS (
      SELECT 1 FROM log AS later
      WHERE later.key = log.key AND later.revision > log.revision AND later.revision < :compacted))
    ORDER BY revision`);
  const living = singleNumber(database, 'SELECT count(*) FROM live');
  const alive = new Set<string>();
  for (const row of statement.iterate({ compacted })) {
    const { revision, key, create_revision, checksum, value } = row as {
      revision: number;
      key: string;
      create_revision: number;
      checksum: number;
      value: Uint8Array;
    };
    if (checksumOf(revision, create_revision, key, value) !== checksum) {
      throw new StorageCorruptError(dir, `the checksum of revision ${revision} (key ${key}) does not match`);
    }
    if (create_revision === 0) alive.delete(key);
    else alive.add(key);
    yield { revision, key, createRevision: create_revision, value };
  }
  if (alive.size !== living) {
    throw new StorageCorruptError(dir, `its log has ${alive.size} living keys, its table of them ${living}`);
  }
}
