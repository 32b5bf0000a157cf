import { Command, Option } from 'commander';
import type { JoinResult } from '../bootstrap/actions/join.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface JoinFlags extends OperatorFlags {
  node: string[];
  role?: 'control-plane' | 'worker';
}

const EXAMPLES = `
Examples:
  slipway join --inventory cluster.yaml                    every server that is not in the cluster yet
  slipway join --inventory cluster.yaml --node worker7     this one alone
  slipway join --inventory cluster.yaml --role control-plane
                                                           from one control plane to three or five: the
                                                           embedded store moves to etcd
  slipway join --inventory cluster.yaml --dry-run
${EXIT_CODES}`;

export function joinCommand(): Command {
  const command = new Command('join').description(
    'add servers of the inventory to the cluster; servers that are in it are not touched',
  );
  return addOperatorOptions(command)
    .option(
      '--node <name>',
      'a server that joins (repeatable; default: all that are not in the cluster)',
      collect,
      [],
    )
    .addOption(
      new Option('--role <role>', 'only servers with this role').choices(['control-plane', 'worker']),
    )
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: JoinFlags) => {
      const { join } = await import('../bootstrap/actions/join.ts');
      const request = { nodes: flags.node, ...(flags.role ? { role: flags.role } : {}) };
      await runOperation(
        flags,
        (options) => join(options, request),
        (result, durationMs) => tellResult(result, flags, durationMs),
      );
    });
}

const collect = (value: string, before: string[]): string[] => [...before, value];

function tellResult(
  { changes, nodes, kubeconfigPath }: JoinResult,
  flags: JoinFlags,
  durationMs: number,
): void {
  const seconds = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    printLine(
      JSON.stringify({ type: 'done', changes: changes.length, nodes, seconds, kubeconfig: kubeconfigPath }),
    );
    return;
  }
  if (nodes.length === 0) {
    printLine('no changes: every server that was asked for is in the cluster');
    return;
  }
  const verb = flags.dryRun ? 'would be changed' : 'changed';
  printLine(`${nodes.join(', ')} ${verb} (${changes.length} changes), in ${seconds} s`);
}
