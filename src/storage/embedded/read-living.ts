import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { StoreContent, StoreRecord } from '../records.ts';
import { StorageCorruptError } from '../errors.ts';
import { APPLICATION_ID, checksumOf, DATABASE_FILE, FORMAT, singleNumber } from './schema.ts';

/**
 * Gives `use` all that lives in an embedded store, at one revision, while whoever holds the store goes on writing.
 * Throws E_STORAGE_OPEN where there is none, StorageCorruptError where what it reads is not what was written.
 */
export async function readLiving<T>(dir: string, use: (content: StoreContent) => Promise<T>): Promise<T> {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(join(dir, DATABASE_FILE), { readOnly: true });
  } catch (cause) {
    throw new SlipwayError('E_STORAGE_OPEN', `the store in ${dir} cannot be opened: ${messageOf(cause)}`, {
      cause,
    });
  }
  try {
    // One transaction sees one state, whatever is written meanwhile.
    database.exec('PRAGMA busy_timeout = 5000; BEGIN');
    const application = singleNumber(database, 'PRAGMA application_id');
    if (application !== APPLICATION_ID || singleNumber(database, 'PRAGMA user_version') !== FORMAT) {
      throw new StorageCorruptError(dir, 'it is no store of this format');
    }
    const revision = Math.max(
      1,
      singleNumber(database, "SELECT value FROM meta WHERE name = 'compacted'"),
      singleNumber(database, 'SELECT max(revision) FROM log'),
    );
    return await use({ revision, records: recordsOf(database, dir) });
  } finally {
    database.close();
  }
}

function* recordsOf(database: DatabaseSync, dir: string): Generator<StoreRecord> {
  const statement = database.prepare(`
    SELECT log.revision, log.key, log.create_revision, log.checksum, log.value
    FROM live JOIN log ON log.revision = live.revision ORDER BY log.revision`);
  for (const row of statement.iterate()) {
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
    yield { key, modRevision: revision, value: Buffer.from(value) };
  }
}
