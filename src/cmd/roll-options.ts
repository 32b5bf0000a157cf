import { InvalidArgumentError, type Command } from 'commander';
import type { UpgradeResult } from '../bootstrap/actions/upgrade.ts';
import { describeFinding } from '../bootstrap/preflight/finding.ts';
import type { RollRequest } from '../bootstrap/upgrade/request.ts';
import { addOperatorOptions, printLine, type OperatorFlags } from './operator.ts';

/** What `upgrade` and `rollback` both take. */
export interface RollFlags extends OperatorFlags {
  drain?: boolean;
  drainTimeout: number;
  force?: boolean;
  deleteEmptydirData?: boolean;
  batch: string;
  ignoreFindings?: boolean;
}

export function addRollOptions(command: Command): Command {
  return addOperatorOptions(command)
    .option('--drain', 'let pods leave a server before its components restart (without it they run on)')
    .option('--drain-timeout <seconds>', 'how long pods may take to go', seconds, 300)
    .option('--force', 'delete pods that no controller would make again')
    .option('--delete-emptydir-data', 'evict pods whose emptyDir volumes are lost with them')
    .option('--batch <count>', 'how many workers at a time, or what share of them', '20%')
    .option('--ignore-findings', 'go on in spite of what the simulation says must be fixed')
    .option('--dry-run', 'play it through and tell what would happen; change nothing');
}

export const requestOf = (flags: RollFlags, direction: RollRequest['direction']): RollRequest => ({
  direction,
  drain: flags.drain === true,
  drainTimeoutMs: flags.drainTimeout * 1000,
  force: flags.force === true,
  deleteEmptyDirData: flags.deleteEmptydirData === true,
  batch: flags.batch,
  ignoreFindings: flags.ignoreFindings === true,
});

function seconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It is a whole number of seconds.');
  return Number(text);
}

export function tellRoll(result: UpgradeResult, flags: RollFlags, durationMs: number): void {
  const { changes, release, from, findings } = result;
  const took = Number((durationMs / 1000).toFixed(1));
  const must = findings.filter(({ severity }) => severity === 'must');
  if (flags.dryRun && must.length > 0 && !flags.ignoreFindings) process.exitCode = 2;
  if (flags.output === 'json') {
    printLine(
      JSON.stringify({ type: 'done', release, from, changes: changes.length, seconds: took, findings }),
    );
    return;
  }
  if (flags.dryRun) {
    printLine('');
    for (const finding of findings) {
      printLine(
        `${{ must: 'must be fixed', should: 'should be fixed', fine: 'fine' }[finding.severity]}: ${describeFinding(finding)}`,
      );
      if (finding.remedy !== undefined) printLine(`    ${finding.remedy}`);
    }
  }
  if (changes.length === 0) printLine(`every server runs release ${release} already, looked at in ${took} s`);
  else if (!flags.dryRun)
    printLine(`every server runs release ${release} (${changes.length} changes), in ${took} s`);
  else if (must.length > 0) printLine(`it would be refused: ${must.length} must be fixed`);
  else printLine(`${changes.length} changes would be made, from ${from ?? release} to ${release}`);
}
