import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { SlipwayError } from '../../base/errors.ts';
import { readBackup, type Backup } from './contents.ts';
import { unseal } from './sealed-file.ts';

/** Opens a backup's file. Errors: E_BACKUP, E_PASSPHRASE; reading its records fails with E_BACKUP where it was cut off. */
export async function openBackup(path: string, passphrase: string): Promise<Backup> {
  await access(path).catch((cause: unknown) => {
    throw new SlipwayError('E_BACKUP', `the backup ${path} cannot be read`, {
      cause,
      hint: 'name the file of a backup',
    });
  });
  return await readBackup(unseal(createReadStream(path), passphrase));
}
