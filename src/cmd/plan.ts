import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import type { Plan } from '../bootstrap/actions/plan.ts';
import { addOperatorOptions, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface PlanFlags extends OperatorFlags {
  out?: string;
}

const EXAMPLES = `
Examples:
  slipway plan --inventory cluster.yaml                     what would change on each server, and why
  slipway plan --inventory cluster.yaml --out plan.json     keep it, and let "slipway apply plan.json" do just that
  slipway plan --inventory cluster.yaml --output json

Exit codes:
  0  nothing would change
  2  the servers could not be looked at, or were refused
  3  something would change
  130  interrupted`;

const EXIT_CHANGES = 3;

export function planCommand(): Command {
  const command = new Command('plan').description(
    'look at the servers and tell what "slipway up" would change',
  );
  return addOperatorOptions(command)
    .option('--out <file>', 'write the plan to a file, for "slipway apply"')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: PlanFlags) => {
      const { makePlan, describePlan } = await import('../bootstrap/actions/plan.ts');
      let plan: Plan | undefined;
      await runOperation(
        { ...flags, quiet: true },
        async (options) => {
          plan = await makePlan(options);
          if (flags.out !== undefined) {
            await writeFile(flags.out, `${JSON.stringify(plan, null, 2)}\n`, { mode: 0o600 });
          }
          return plan;
        },
        (made) => {
          if (flags.output === 'json') printLine(JSON.stringify({ type: 'plan-made', ...made }));
          else for (const line of describePlan(made)) printLine(line);
          if (flags.output === 'text') printLine(made.changes.length === 0 ? 'no changes' : summary(made));
        },
      );
      if (plan !== undefined && plan.changes.length > 0) process.exitCode = EXIT_CHANGES;
    });
}

function summary({ changes, hash }: Plan): string {
  const servers = new Set(changes.flatMap(({ node }) => node ?? []));
  return `${changes.length} changes on ${servers.size} servers; plan ${hash.slice(0, 12)}`;
}
