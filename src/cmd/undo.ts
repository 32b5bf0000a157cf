import { Command } from 'commander';
import type { UndoResult } from '../bootstrap/actions/undo.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

const EXAMPLES = `
Examples:
  slipway undo 1790000000000.17 --inventory cluster.yaml            puts back on its server what that step changed
  slipway undo 1790000000000.17 --inventory cluster.yaml --dry-run

"slipway journal" lists the steps. A step is undone where no later one has changed the same thing: undo the newest first.
A cluster that is to stay as its inventory says is corrected by "slipway up", which makes undone steps again; a server is
given back with "slipway reset", which undoes all of them.
${EXIT_CODES}`;

export function undoCommand(): Command {
  const command = new Command('undo')
    .description('put back what steps changed on their servers')
    .argument('<step...>', 'ids, as "slipway journal" has them: undone in this order');
  return addOperatorOptions(command)
    .option('--dry-run', 'show what would be done, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (steps: string[], flags: OperatorFlags) => {
      const { undoSteps } = await import('../bootstrap/actions/undo.ts');
      await runOperation(
        flags,
        (options) => undoSteps(options, steps),
        (result, durationMs) => tellResult(result, flags, durationMs),
      );
    });
}

function tellResult({ undone, changes }: UndoResult, flags: OperatorFlags, durationMs: number): void {
  const seconds = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    const steps = undone.map(({ step, ...rest }) => ({ step: step.id, ...rest }));
    printLine(JSON.stringify({ type: 'done', steps, changes: changes.length, seconds }));
    return;
  }
  for (const { step, alreadyUndone, left } of undone) {
    const done = left.length === 0 ? 'is undone' : 'is undone as far as it can be now';
    const what = alreadyUndone ? 'was undone before' : flags.dryRun ? 'would be undone' : done;
    printLine(`${step.id} (${step.change}) ${what}`);
    for (const line of left) printLine(`  ! ${line}`);
  }
  printLine(`${changes.length} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
}
