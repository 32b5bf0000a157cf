import type { Command } from 'commander';
import type { UpgradeResult } from '../bootstrap/actions/upgrade.ts';
import { describeFinding } from '../bootstrap/preflight/finding.ts';
import type { RollRequest } from '../bootstrap/upgrade/request.ts';
import { addDrainOptions, drainOf, type DrainFlags } from './drain-options.ts';
import { addOperatorOptions, printLine, type OperatorFlags } from './operator.ts';

/** What `upgrade` and `rollback` both take. */
export interface RollFlags extends OperatorFlags, DrainFlags {
  drain?: boolean;
  batch: string;
  ignoreFindings?: boolean;
}

export function addRollOptions(command: Command): Command {
  addOperatorOptions(command).option(
    '--drain',
    'let pods leave a server before its components restart (without it they run on)',
  );
  return addDrainOptions(command)
    .option('--batch <count>', 'how many workers at a time, or what share of them', '20%')
    .option('--ignore-findings', 'go on in spite of what the simulation says must be fixed')
    .option('--dry-run', 'play it through and tell what would happen; change nothing');
}

export const requestOf = (flags: RollFlags, direction: RollRequest['direction']): RollRequest => ({
  direction,
  drain: flags.drain === true,
  ...drainOf(flags),
  batch: flags.batch,
  ignoreFindings: flags.ignoreFindings === true,
});

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
