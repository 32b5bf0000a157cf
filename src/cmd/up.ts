import { Command } from 'commander';
import type { UpResult } from '../bootstrap/actions/up.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

const EXAMPLES = `
Examples:
  slipway up --inventory cluster.yaml
  slipway up --inventory cluster.yaml --dry-run          show what would change, and change nothing
  slipway up --inventory cluster.yaml --bundle packages.tar
  slipway up --inventory cluster.yaml --output json      one JSON object a line, for machines
${EXIT_CODES}`;

export function upCommand(): Command {
  const command = new Command('up').description(
    'bring the servers of an inventory to a working cluster, and again: only what differs is changed',
  );
  return addOperatorOptions(command)
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: OperatorFlags) => {
      const { up } = await import('../bootstrap/actions/up.ts');
      await runOperation(flags, up, (result, durationMs) => {
        tellResult(result, flags, durationMs);
      });
    });
}

function tellResult(result: UpResult, flags: OperatorFlags, durationMs: number): void {
  const seconds = (durationMs / 1000).toFixed(1);
  const count = result.changes.length;
  if (flags.output === 'json') {
    const done = {
      type: 'done',
      changes: count,
      seconds: Number(seconds),
      kubeconfig: result.kubeconfigPath,
    };
    printLine(JSON.stringify(done));
    return;
  }
  const changes = count === 0 ? 'no changes' : `${count} ${count === 1 ? 'change' : 'changes'}`;
  printLine(`${changes}${flags.dryRun && count > 0 ? ' would be made' : ''}, in ${seconds} s`);
  if (!flags.dryRun) printLine(`kubeconfig: ${result.kubeconfigPath}`);
}
