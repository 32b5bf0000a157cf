import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Command } from 'commander';
import type { ActionOptions } from '../bootstrap/actions/run-action.ts';
import type { UpgradeResult } from '../bootstrap/actions/upgrade.ts';
import { EXIT_CODES, runOperation } from './operator.ts';
import { addRollOptions, requestOf, tellRoll, type RollFlags } from './roll-options.ts';

const EXAMPLES = `
Examples:
  slipway rollback --inventory cluster.yaml
  slipway rollback --inventory cluster.yaml --dry-run
The release that the last upgrade came from is still on the servers, and does this itself: it is fetched from one of
them. Workers go first, API servers last. An upgrade that stopped half-way is taken back in the same way.
${EXIT_CODES}`;

export function rollbackCommand(): Command {
  const command = new Command('rollback').description('take the last upgrade back, finished or not');
  return addRollOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(async (flags: RollFlags) => {
      await runOperation(
        flags,
        (options) => rollBack(options, flags),
        (result, durationMs) => {
          if (typeof result === 'number') process.exitCode = result;
          else tellRoll(result, flags, durationMs);
        },
      );
    });
}

/** The result, or the exit code of the older release, which knows its own files and did the work. */
async function rollBack(options: ActionOptions, flags: RollFlags): Promise<UpgradeResult | number> {
  const { readUpgradeRecord } = await import('../bootstrap/upgrade/record.ts');
  const record = await readUpgradeRecord(options.state);
  if (record !== undefined && record.from !== options.release.id) {
    const { fetchRelease } = await import('../bootstrap/upgrade/fetch-release.ts');
    const executable = await fetchRelease(options, record.from, process.env);
    return await handOver(executable, options.signal);
  }
  const { upgrade } = await import('../bootstrap/actions/upgrade.ts');
  return await upgrade(options, requestOf(flags, 'back'));
}

/** Runs this very command with another executable of ours, and gives its exit code. */
async function handOver(executable: string, signal: AbortSignal): Promise<number> {
  const child = spawn(executable, withoutExecutable(process.argv.slice(2)), { stdio: 'inherit' });
  signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** The arguments without --executable: the one that runs is the one that is meant. */
function withoutExecutable(args: readonly string[]): string[] {
  return args.filter(
    (arg, i) => arg !== '--executable' && !arg.startsWith('--executable=') && args[i - 1] !== '--executable',
  );
}
