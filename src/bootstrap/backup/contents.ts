import { SlipwayError } from '../../base/errors.ts';
import { decodeRecords, type ReceivedContent } from '../../storage/record-stream.ts';

/** What a backup says of itself and holds besides the objects. */
export interface BackupHead {
  format: 1;
  cluster: string;
  /** Of the slipway that made it, as `slipway version` says. */
  release: string;
  /** RFC 3339. */
  madeAt: string;
  /** The inventory's file, as it was. */
  inventory: string;
  /** The state directory: certificates, keys, the keys of the store, host keys. */
  files: Record<string, string>;
}

export interface Backup extends Omit<ReceivedContent, 'head'> {
  head: BackupHead;
}

/** Opens a backup's plaintext. E_BACKUP where another version of slipway made it in a way that we do not know. */
export async function readBackup(plaintext: AsyncIterable<Uint8Array>): Promise<Backup> {
  const content = await decodeRecords(plaintext);
  const head = content.head as BackupHead;
  if (head.format !== 1) {
    throw new SlipwayError(
      'E_BACKUP',
      `the backup is of format ${String(head.format)}, and this slipway knows 1`,
      {
        hint: 'use the slipway that made it, or a newer one',
      },
    );
  }
  return { ...content, head };
}
