import { resolve } from 'node:path';
import { Command } from 'commander';
import { SlipwayError } from '../base/errors.ts';
import type { ActionOptions } from '../bootstrap/actions/run-action.ts';
import type { UpResult } from '../bootstrap/actions/up.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface RestoreFlags extends OperatorFlags {
  snapshot?: string;
  yes?: boolean;
}

const EXAMPLES = `
Examples:
  slipway restore cluster.backup --inventory cluster.yaml --passphrase-file passphrase
  slipway restore cluster.backup --inventory other-servers.yaml --state-dir ./restored --passphrase-file passphrase
  slipway restore --snapshot cp1:latest --inventory cluster.yaml --dry-run
  slipway restore --snapshot cp1:20261124T124500Z-r1234.snapshot --inventory cluster.yaml --yes

A backup: the servers may be the same ones after a reset, or others under other addresses: what named the old ones is
reissued or left out. Service accounts' tokens stay valid. A server that holds a store is refused: reset it first.

A snapshot: the store of this cluster goes back to what a control plane has copied to its own disk ("slipway status" lists
that). The API is away meanwhile; what was written since is put aside on the servers, and no longer served.
${EXIT_CODES}`;

export function restoreCommand(): Command {
  const command = new Command('restore')
    .description('make a cluster of a backup, or take one back to a snapshot of its store')
    .argument('[file]', 'the backup');
  return addOperatorOptions(command)
    .option(
      '--snapshot <server:name>',
      'a snapshot on a control plane instead of a backup; the name may be "latest"',
    )
    .option('--yes', 'with --snapshot: do not ask')
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string | undefined, flags: RestoreFlags) => {
      await runOperation(
        flags,
        async (options) => {
          if (flags.snapshot !== undefined)
            return await restoreSnapshotOf(flags.snapshot, file, flags, options);
          if (file === undefined) {
            throw new SlipwayError('E_USAGE', 'neither a backup nor a snapshot was named', {
              hint: 'name a backup’s file, or give --snapshot SERVER:NAME',
            });
          }
          const [{ restore }, { requirePassphrase }] = await Promise.all([
            import('../bootstrap/backup/restore.ts'),
            import('../bootstrap/backup/backup.ts'),
          ]);
          return await restore({
            ...options,
            path: resolve(file),
            passphrase: requirePassphrase(options.passphrase),
          });
        },
        (result, durationMs) => tellResult(result, flags, durationMs),
      );
    });
}

async function restoreSnapshotOf(
  snapshot: string,
  file: string | undefined,
  flags: RestoreFlags,
  options: ActionOptions,
): Promise<UpResult> {
  const [, node, name] = /^([^:]+):([\w.-]+)$/.exec(snapshot) ?? [];
  if (node === undefined || name === undefined || file !== undefined) {
    throw new SlipwayError('E_USAGE', `--snapshot takes SERVER:NAME and no backup, not ${snapshot}`, {
      hint: 'for instance: slipway restore --snapshot cp1:latest --inventory cluster.yaml',
    });
  }
  if (flags.yes !== true && !options.dryRun) await confirmed(options.inventory.cluster.name, snapshot, flags);
  const { restoreSnapshot } = await import('../bootstrap/backup/restore-snapshot.ts');
  return await restoreSnapshot(options, { node, name });
}

/** The name of the cluster, typed: what was written since is not served any more. */
async function confirmed(cluster: string, snapshot: string, flags: RestoreFlags): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY || flags.output === 'json') {
    throw new SlipwayError('E_UNCONFIRMED', `taking ${cluster} back to a snapshot must be confirmed`, {
      hint: 'give --yes where there is no terminal to ask on',
    });
  }
  const { input } = await import('@inquirer/prompts');
  const message = `This takes the store back to ${snapshot}; what was written since is put aside. Type "${cluster}" to go on:`;
  if ((await input({ message })) === cluster) return;
  throw new SlipwayError('E_UNCONFIRMED', 'the restore was not confirmed', {
    hint: `type the cluster's name, ${cluster}, or give --yes`,
  });
}

function tellResult({ changes, kubeconfigPath }: UpResult, flags: RestoreFlags, durationMs: number): void {
  const seconds = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    printLine(JSON.stringify({ type: 'done', changes: changes.length, kubeconfig: kubeconfigPath, seconds }));
    return;
  }
  printLine(`${changes.length} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
  if (!flags.dryRun) printLine(`kubeconfig: ${kubeconfigPath}`);
}
