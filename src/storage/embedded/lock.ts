import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StorageLockedError } from '../errors.ts';
import { SQLITE_BUSY, sqliteCode } from './schema.ts';

/** Frees the lock. Idempotent. */
export type ReleaseLock = () => void;

/**
 * Locks a store's directory for this process. The lock is sqlite's own on a database beside the store: the
 * kernel drops it when the process dies, however it dies, so there is no stale lock to judge. Nothing else
 * may open `lock.db` in this process: POSIX locks go with the first descriptor that is closed. The holder's
 * pid stands in a file of its own, for the message alone.
 */
export function lockDirectory(dir: string): ReleaseLock {
  const pidFile = join(dir, 'holder');
  const database = new DatabaseSync(join(dir, 'lock.db'));
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (sqliteCode(error)?.primary !== SQLITE_BUSY) throw error;
    throw new StorageLockedError(dir, readPid(pidFile));
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return () => {
    if (database.isOpen) database.close();
  };
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
