import type { Finding } from '../preflight/finding.ts';
import { rollPhases, type Roll } from '../upgrade/phases.ts';
import type { RollRequest } from '../upgrade/request.ts';
import { runAction, type ActionOptions } from './run-action.ts';

export interface UpgradeResult {
  changes: ReadonlyArray<{ node: string | undefined; change: string }>;
  /** Id of the release that the servers run now. */
  release: string;
  /** Id of the one that they ran before; undefined where they all ran it already. */
  from: string | undefined;
  /** What the simulation found. */
  findings: readonly Finding[];
}

/**
 * Brings a cluster to the release of the given executable, one control plane at a time and workers in batches, or back
 * to the one that the last upgrade came from. It is played through first, and refused before the first change where
 * it could not end well. A run that was cut off is gone on with by the next one. Errors: PhaseError.
 */
export async function upgrade(options: ActionOptions, request: RollRequest): Promise<UpgradeResult> {
  const roll: Roll = { request, findings: [], from: undefined, record: undefined };
  const { changes } = await runAction(options, rollPhases(options, roll));
  return { changes, release: options.release.id, from: roll.from, findings: roll.findings };
}
