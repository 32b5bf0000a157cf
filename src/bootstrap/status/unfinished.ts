import { messageOf, SlipwayError } from '../../base/errors.ts';
import { rotationOf } from '../../pki/rotation.ts';
import type { StateDirectory } from '../state-directory.ts';
import { readUpgradeRecord } from '../upgrade/record.ts';

/**
 * What was begun on the cluster and stopped half-way, each with how to go on: from what the state directory remembers.
 * A memory that cannot be read is told in its place: the rest of the status is worth having all the same.
 */
export async function findUnfinished(state: StateDirectory): Promise<string[]> {
  const found = await Promise.all([told(() => upgradeOf(state)), told(() => rotationSentence(state))]);
  return found.filter((sentence) => sentence !== undefined);
}

async function told(look: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof SlipwayError) return messageOf(error);
    throw error;
  }
}

async function upgradeOf(state: StateDirectory): Promise<string | undefined> {
  const record = await readUpgradeRecord(state);
  if (record === undefined || record.finished !== undefined) return undefined;
  const { from, to } = record;
  return `the upgrade from ${from} to ${to} is not finished: go on with "slipway upgrade", or back with "slipway rollback"`;
}

async function rotationSentence(state: StateDirectory): Promise<string | undefined> {
  const rotation = rotationOf(await state.readPkiFiles());
  if (rotation === undefined) return undefined;
  return `the rotation of certificate authorities is at the stage "${rotation.stage}": go on with "slipway certs rotate-ca"`;
}
