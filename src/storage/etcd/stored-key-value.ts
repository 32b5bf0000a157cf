import { messageType } from './codec.ts';

interface StoredKeyValue {
  key: Buffer;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Buffer;
}

/** mvccpb.KeyValue as it lies in the database. */
export const STORED_KEY_VALUE = messageType<StoredKeyValue>('KeyValue', {
  key: [1, 'bytes'],
  createRevision: [2, 'int'],
  modRevision: [3, 'int'],
  version: [4, 'int'],
  value: [5, 'bytes'],
});
