import { Command } from 'commander';
import type { RemoveResult } from '../bootstrap/actions/remove.ts';
import { addDrainOptions, drainOf, type DrainFlags } from './drain-options.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface RemoveFlags extends OperatorFlags, DrainFlags {
  dead?: boolean;
  keepFiles?: boolean;
}

const EXAMPLES = `
Examples:
  slipway remove worker2 --inventory cluster.yaml
  slipway remove cp1 --inventory cluster.yaml            a control plane, the first one too, where two others are left
  slipway remove worker2 --inventory cluster.yaml --dead the server is lost
  slipway remove worker2 --inventory cluster.yaml --dry-run
Afterwards take the server out of the inventory, or bring it (or another one in its place) back with "slipway join".
${EXIT_CODES}`;

export function removeCommand(): Command {
  const command = new Command('remove')
    .description('take a server out of the cluster: drained, out of etcd, its credentials deleted')
    .argument('<node>', 'the server’s name');
  addOperatorOptions(command).option('--dead', 'the server is lost: it is neither drained nor reached');
  return addDrainOptions(command)
    .option('--keep-files', 'leave programs, packages and settings on the server')
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (node: string, flags: RemoveFlags) => {
      const { remove } = await import('../bootstrap/actions/remove.ts');
      const request = {
        node,
        dead: flags.dead === true,
        ...drainOf(flags),
        keepFiles: flags.keepFiles === true,
      };
      await runOperation(
        flags,
        (options) => remove(options, request),
        (result, durationMs) => tellResult(node, result, flags, durationMs),
      );
    });
}

function tellResult(node: string, { changes }: RemoveResult, flags: RemoveFlags, durationMs: number): void {
  const took = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    printLine(JSON.stringify({ type: 'done', node, changes: changes.length, seconds: took }));
    return;
  }
  const what =
    changes.length === 0 ? 'was not in the cluster' : flags.dryRun ? 'would be removed' : 'is removed';
  printLine(`${node} ${what} (${changes.length} changes), in ${took} s`);
}
