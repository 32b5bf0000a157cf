import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SlipwayError } from '../../base/errors.ts';
import type { StoreRecord } from '../records.ts';
import { lockDirectory } from './lock.ts';
import { checksumOf, CREATE_TABLES, DATABASE_FILE } from './schema.ts';

/**
 * Makes a store in `dir`, which must hold none, with these records and no past: each gets a revision of its own
 * behind `after`, in their order, and whatever is older counts as compacted, so that every watch begins anew.
 * One transaction: a run that is cut off leaves nothing that opens. Throws E_STORAGE_FILL where there is a store.
 */
export async function seedStore(
  dir: string,
  records: AsyncIterable<StoreRecord>,
  after: number,
): Promise<{ keys: number; revision: number }> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const release = lockDirectory(dir);
  try {
    const path = join(dir, DATABASE_FILE);
    if (existsSync(path)) {
      const database = new DatabaseSync(path);
      const tables = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get();
      database.close();
      if (Number(tables?.['n']) > 0) {
        throw new SlipwayError('E_STORAGE_FILL', `${dir} holds a store already`, {
          hint: 'it is not overwritten: move it away first',
        });
      }
    }
    return await fill(path, records, after);
  } finally {
    release();
  }
}

async function fill(
  path: string,
  records: AsyncIterable<StoreRecord>,
  after: number,
): Promise<{ keys: number; revision: number }> {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE; ${CREATE_TABLES}`);
    const insert = database.prepare('INSERT INTO log VALUES (?, ?, ?, 0, ?, ?)');
    const setLive = database.prepare('INSERT INTO live VALUES (?, ?)');
    let keys = 0;
    let revision = 0;
    for await (const { key, value } of records) {
      revision = keys === 0 ? after + 1 : revision + 1;
      insert.run(revision, key, revision, checksumOf(revision, revision, key, value), value);
      setLive.run(key, revision);
      keys += 1;
    }
    revision = Math.max(revision, after);
    database.prepare("UPDATE meta SET value = ? WHERE name IN ('compacted', 'swept')").run(revision);
    database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
    return { keys, revision };
  } finally {
    database.close();
  }
}
