import { Command } from 'commander';
import { SlipwayError } from '../base/errors.ts';
import type { ResetOutcome, ResetResult } from '../bootstrap/actions/reset.ts';
import { addOperatorOptions, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface ResetFlags extends OperatorFlags {
  node: string[];
  yes?: boolean;
}

const EXAMPLES = `
Examples:
  slipway reset --inventory cluster.yaml                  asks, then takes everything off every server
  slipway reset --inventory cluster.yaml --node worker7   this one alone; take it out of the cluster first:
                                                          slipway remove worker7
  slipway reset --inventory cluster.yaml --yes --output json
  slipway reset --inventory cluster.yaml --dry-run

Pods, their data and the store are lost. Keys and the kubeconfig stay in the state directory.

Exit codes:
  0  nothing of ours is left on the servers; what differs from before the installation is listed
  1  a step failed; run the same command again after the remedy: it begins again where it must
  2  refused before anything was changed on any server
  130  interrupted`;

export function resetCommand(): Command {
  const command = new Command('reset').description(
    'take slipway and the cluster off servers, and put back what stood there before',
  );
  return addOperatorOptions(command)
    .option('--node <name>', 'a server (repeatable; default: all)', collect, [])
    .option('--yes', 'do not ask')
    .option('--dry-run', 'show what would be done, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: ResetFlags) => {
      const { reset } = await import('../bootstrap/actions/reset.ts');
      await runOperation(
        flags,
        async (options) => {
          if (flags.yes !== true && !options.dryRun) await confirmed(options.inventory.cluster.name, flags);
          return reset(options, { nodes: flags.node });
        },
        (result, durationMs) => {
          tellResult(result, flags, durationMs);
        },
      );
    });
}

const collect = (value: string, before: string[]): string[] => [...before, value];

/** The name of the cluster, typed: a habit of answering yes is no protection. */
async function confirmed(cluster: string, flags: ResetFlags): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY || flags.output === 'json') {
    throw new SlipwayError('E_UNCONFIRMED', `a reset of ${cluster} destroys its data and must be confirmed`, {
      hint: 'give --yes where there is no terminal to ask on',
    });
  }
  const { input } = await import('@inquirer/prompts');
  const what = flags.node.length > 0 ? flags.node.join(', ') : 'every server';
  const answer = await input({
    message: `This resets ${what} and destroys all data. Type "${cluster}" to go on:`,
  });
  if (answer !== cluster) {
    throw new SlipwayError('E_UNCONFIRMED', 'the reset was not confirmed', {
      hint: `type the cluster's name, ${cluster}, or give --yes`,
    });
  }
}

function tellResult({ outcomes, changes }: ResetResult, flags: ResetFlags, durationMs: number): void {
  const seconds = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    printLine(JSON.stringify({ type: 'done', changes: changes.length, servers: outcomes, seconds }));
    return;
  }
  if (!flags.dryRun) for (const outcome of outcomes) tellOutcome(outcome);
  printLine(`${changes.length} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
}

function tellOutcome({ node, verdict, differences, left }: ResetOutcome): void {
  const sentence = {
    equal:
      'is as it was before the installation: files, packages, units, users, sysctls, firewall, interfaces, mounts',
    different: `differs from before the installation in ${differences.length} lines:`,
    clean: 'had nothing of slipway',
    unknown: 'was reset; no inventory was taken before its installation to compare with',
  }[verdict];
  printLine(`${node} ${sentence}`);
  for (const line of [...left.map((text) => `! ${text}`), ...differences]) printLine(`  ${line}`);
}
