import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { StoreContent, StoreRecord } from '../records.ts';
import { readBolt } from './bolt/read-bolt.ts';
import { decode } from './codec.ts';
import { STORED_KEY_VALUE } from './stored-key-value.ts';

const PREFIX = '/registry/';
const REVISION_BYTES = 17;

/**
 * All that lives in the database of an etcd member: of a snapshot, or of a member that is stopped. Mirrors what
 * server/storage/mvcc/kvstore.go restores its index from. Throws E_STORAGE_SNAPSHOT.
 */
export function readDatabase(file: Buffer): StoreContent {
  try {
    const living = new Map<string, StoreRecord>();
    let revision = 1;
    for (const [at, stored] of readBolt(file).buckets.get('key') ?? []) {
      const modRevision = Number(at.readBigUInt64BE(0));
      revision = Math.max(revision, modRevision);
      const { key, value } = decode(STORED_KEY_VALUE, stored);
      const name = key.toString('utf8');
      // In order of their last writes, so that a copy begins with what is oldest.
      living.delete(name);
      const isDeletion = at.length > REVISION_BYTES;
      if (!isDeletion && name.startsWith(PREFIX)) living.set(name, { key: name, modRevision, value });
    }
    return { revision, records: living.values() };
  } catch (cause) {
    throw new SlipwayError('E_STORAGE_SNAPSHOT', `the database of etcd cannot be read: ${messageOf(cause)}`, {
      cause,
      hint: 'it is damaged or none: take the one of another member',
    });
  }
}
