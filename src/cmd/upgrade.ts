import { Command } from 'commander';
import { EXIT_CODES, runOperation } from './operator.ts';
import { addRollOptions, requestOf, tellRoll, type RollFlags } from './roll-options.ts';

const EXAMPLES = `
Examples:
  slipway upgrade --inventory cluster.yaml --dry-run     play it through: budgets, room, quorum, versions
  slipway upgrade --inventory cluster.yaml               to the release of this executable
  slipway upgrade --inventory cluster.yaml --to 0.2.0 --executable ./slipway-0.2.0
  slipway upgrade --inventory cluster.yaml --drain --batch 2
API servers go first, one at a time; then the rest of each control plane; then the workers in batches. Each is proven
healthy before the next. When a step fails it stops there: run the same command again, or "slipway rollback".
${EXIT_CODES}`;

export function upgradeCommand(): Command {
  const command = new Command('upgrade').description(
    'bring a running cluster to another release, server by server, with a way back',
  );
  return addRollOptions(command)
    .option('--to <version>', 'the version that you mean: refused where the executable is of another one')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: RollFlags & { to?: string }) => {
      const { upgrade } = await import('../bootstrap/actions/upgrade.ts');
      const request = { ...requestOf(flags, 'forward'), ...(flags.to === undefined ? {} : { to: flags.to }) };
      await runOperation(
        flags,
        (options) => upgrade(options, request),
        (result, durationMs) => tellRoll(result, flags, durationMs),
      );
    });
}
