import { Command } from 'commander';
import { SlipwayError } from '../base/errors.ts';
import type { ActionOptions } from '../bootstrap/actions/run-action.ts';
import type { UpResult } from '../bootstrap/actions/up.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

const EXAMPLES = `
Examples:
  slipway up --inventory cluster.yaml                    on a terminal it shows the plan, and asks
  slipway up --inventory cluster.yaml --yes
  slipway up --inventory cluster.yaml --dry-run          show what would change, and change nothing
  slipway up --inventory cluster.yaml --bundle packages.tar
  slipway up --inventory cluster.yaml --output json      one JSON object a line, for machines
${EXIT_CODES}`;

interface UpFlags extends OperatorFlags {
  yes?: boolean;
}

export function upCommand(): Command {
  const command = new Command('up').description(
    'bring the servers of an inventory to a working cluster, and again: only what differs is changed',
  );
  return addOperatorOptions(command)
    .option('--yes', 'on a terminal, do not show the plan and ask first')
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: UpFlags) => {
      await runOperation(
        flags,
        (options) => planAskAndRun(options, flags),
        (result, durationMs) => {
          tellUpResult(result, flags, durationMs);
        },
      );
    });
}

/** A person sees the plan first and is asked; a script, or who gives --yes, has decided already. */
async function planAskAndRun(options: ActionOptions, flags: UpFlags): Promise<UpResult> {
  const { up } = await import('../bootstrap/actions/up.ts');
  const asks = process.stdin.isTTY && process.stdout.isTTY && flags.output === 'text';
  if (!asks || flags.yes || options.dryRun) return up(options);
  const { describePlan, makePlan, upAsPlanned } = await import('../bootstrap/actions/plan.ts');
  const plan = await makePlan({ ...options, report: () => undefined });
  if (plan.changes.length > 0) {
    for (const line of describePlan(plan)) printLine(line);
    const { confirm } = await import('@inquirer/prompts');
    const message = `Make these ${plan.changes.length} changes?`;
    if (!(await confirm({ message, default: false }, { signal: options.signal }))) {
      throw new SlipwayError('E_UNCONFIRMED', 'nothing was changed: the plan was not confirmed', {
        hint: 'answer yes, or give --yes',
      });
    }
  }
  return upAsPlanned(plan, options);
}

/** Tells what `up` or an applied plan has done. */
export function tellUpResult(result: UpResult, flags: OperatorFlags, durationMs: number): void {
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
