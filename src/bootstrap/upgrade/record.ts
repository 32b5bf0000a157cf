import { SlipwayError } from '../../base/errors.ts';
import type { StateDirectory } from '../state-directory.ts';

const FILE = 'upgrade.json';

/** The last upgrade, as the operator's side remembers it: where it came from, so that there is a way back. */
export interface UpgradeRecord {
  version: 1;
  /** Ids of releases: '0.1.0-7f1ad64f5a7e'. */
  from: string;
  to: string;
  /** RFC 3339. */
  begun: string;
  /** Undefined while servers may have either release. */
  finished?: string;
}

/** Undefined where nothing was upgraded yet, or the last upgrade was rolled back. E_STATE where the file is no record. */
export async function readUpgradeRecord(state: StateDirectory): Promise<UpgradeRecord | undefined> {
  const text = await state.read(FILE);
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as UpgradeRecord;
    if (record.version === 1 && record.from && record.to) return record;
  } catch {
    // Told below.
  }
  throw new SlipwayError('E_UPGRADE', `${state.path}/${FILE} is no record of an upgrade`, {
    hint: 'remove the file; "slipway status" tells which release each server runs',
  });
}

export const writeUpgradeRecord = (state: StateDirectory, record: UpgradeRecord): Promise<void> =>
  state.write(FILE, `${JSON.stringify(record, null, 1)}\n`);

export const removeUpgradeRecord = (state: StateDirectory): Promise<void> => state.remove(FILE);
