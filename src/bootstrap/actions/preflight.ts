import { bySeverity, type Finding } from '../preflight/finding.ts';
import { preflightPhases } from '../preflight/phases.ts';
import { runAction, type ActionOptions } from './run-action.ts';

export interface PreflightResult {
  /** The worst first. */
  findings: Finding[];
}

/** Finds out whether the servers of an inventory can become a cluster, and changes nothing on any of them. */
export async function preflight(options: ActionOptions): Promise<PreflightResult> {
  const findings: Finding[] = [];
  await runAction(options, preflightPhases(options.open, findings));
  return { findings: bySeverity(findings) };
}
