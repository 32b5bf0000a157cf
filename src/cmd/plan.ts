import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { messageOf, SlipwayError } from '../base/errors.ts';
import type { Plan } from '../bootstrap/actions/plan.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';
import { tellUpResult } from './up.ts';

interface PlanFlags extends OperatorFlags {
  out?: string;
}

const PLAN_EXAMPLES = `
Examples:
  slipway plan --inventory cluster.yaml                     what would change on each server, and why
  slipway plan --inventory cluster.yaml --out plan.json     keep it, and let "slipway apply plan.json" do just that
  slipway plan --inventory cluster.yaml --output json

Exit codes:
  0  nothing would change
  2  the servers could not be looked at, or were refused
  3  something would change
  130  interrupted`;

const APPLY_EXAMPLES = `
Examples:
  slipway apply plan.json --inventory cluster.yaml

The servers are looked at again first: where anything differs from the plan, nothing is changed.
${EXIT_CODES}`;

const EXIT_CHANGES = 3;

export function planCommand(): Command {
  const command = new Command('plan').description(
    'look at the servers and tell what "slipway up" would change',
  );
  return addOperatorOptions(command)
    .option('--out <file>', 'write the plan to a file, for "slipway apply"')
    .addHelpText('after', PLAN_EXAMPLES)
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

export function applyCommand(): Command {
  const command = new Command('apply')
    .description('make exactly the changes of a plan, or none where the world has moved')
    .argument('<file>', 'a plan that "slipway plan --out" wrote');
  return addOperatorOptions(command)
    .addHelpText('after', APPLY_EXAMPLES)
    .action(async (file: string, flags: OperatorFlags) => {
      const { applyPlan, parsePlan } = await import('../bootstrap/actions/plan.ts');
      await runOperation(
        flags,
        async (options) => applyPlan(parsePlan(await readPlan(file)), options),
        (result, durationMs) => {
          tellUpResult(result, flags, durationMs);
        },
      );
    });
}

async function readPlan(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new SlipwayError('E_FILE', `${file} cannot be read: ${messageOf(cause)}`, {
      cause,
      hint: 'name the file that "slipway plan --out" wrote',
    });
  }
}
