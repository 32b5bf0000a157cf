import { Command } from 'commander';
import type { UndoResult } from '../bootstrap/actions/undo.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

const EXAMPLES = `
Examples:
  slipway undo 1790000000000.17 --inventory cluster.yaml            puts back on the server what that step changed
  slipway undo 1790000000000.17 --inventory cluster.yaml --dry-run

"slipway journal" lists the steps. A step is undone where no later one has changed the same thing: undo the newest first.
A cluster that is to stay as its inventory says is corrected by "slipway up", which makes undone steps again; a server is
given back with "slipway reset", which undoes all of them.
${EXIT_CODES}`;

export function undoCommand(): Command {
  const command = new Command('undo')
    .description('put back what one step changed on its server')
    .argument('<step>', 'its id, as "slipway journal" has it');
  return addOperatorOptions(command)
    .option('--dry-run', 'show what would be done, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (step: string, flags: OperatorFlags) => {
      const { undoStep } = await import('../bootstrap/actions/undo.ts');
      await runOperation(
        flags,
        (options) => undoStep(options, step),
        (result, durationMs) => tellResult(result, flags, durationMs),
      );
    });
}

function tellResult(result: UndoResult, flags: OperatorFlags, durationMs: number): void {
  const { step, alreadyUndone, left, changes } = result;
  const seconds = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    printLine(
      JSON.stringify({ type: 'done', step: step.id, alreadyUndone, left, changes: changes.length, seconds }),
    );
    return;
  }
  const what = alreadyUndone ? 'was undone before' : flags.dryRun ? 'would be undone' : 'is undone';
  printLine(`${step.id} (${step.change}) ${what}, in ${seconds} s`);
  for (const line of left) printLine(`  ! ${line}`);
}
