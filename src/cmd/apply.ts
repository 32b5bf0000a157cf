import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { messageOf, SlipwayError } from '../base/errors.ts';
import { addOperatorOptions, EXIT_CODES, runOperation, type OperatorFlags } from './operator.ts';
import { tellUpResult } from './up.ts';

const EXAMPLES = `
Examples:
  slipway apply plan.json --inventory cluster.yaml

The servers are looked at again first: where anything differs from the plan, nothing is changed.
${EXIT_CODES}`;

export function applyCommand(): Command {
  const command = new Command('apply')
    .description('make exactly the changes of a plan, or none where the world has moved')
    .argument('<file>', 'a plan that "slipway plan --out" wrote');
  return addOperatorOptions(command)
    .addHelpText('after', EXAMPLES)
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
