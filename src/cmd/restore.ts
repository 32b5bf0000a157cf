import { resolve } from 'node:path';
import { Command } from 'commander';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

const EXAMPLES = `
Examples:
  slipway restore cluster.backup --inventory cluster.yaml --passphrase-file passphrase
  slipway restore cluster.backup --inventory other-servers.yaml --state-dir ./restored --passphrase-file passphrase

The servers may be the same ones after a reset, or others under other addresses: what named the old ones is reissued or
left out. Service accounts' tokens stay valid. A server that holds a store is refused: reset it first.
${EXIT_CODES}`;

export function restoreCommand(): Command {
  const command = new Command('restore')
    .description('make a cluster of a backup, on the same or on other servers')
    .argument('<file>', 'the backup');
  return addOperatorOptions(command)
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, flags: OperatorFlags) => {
      await runOperation(
        flags,
        async (options) => {
          const [{ restore }, { requirePassphrase }] = await Promise.all([
            import('../bootstrap/backup/restore.ts'),
            import('../bootstrap/backup/backup.ts'),
          ]);
          return restore({
            ...options,
            path: resolve(file),
            passphrase: requirePassphrase(options.passphrase),
          });
        },
        ({ changes, kubeconfigPath }, durationMs) => {
          const seconds = Number((durationMs / 1000).toFixed(1));
          if (flags.output === 'json') {
            printLine(
              JSON.stringify({ type: 'done', changes: changes.length, kubeconfig: kubeconfigPath, seconds }),
            );
            return;
          }
          printLine(`${changes.length} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
          if (!flags.dryRun) printLine(`kubeconfig: ${kubeconfigPath}`);
        },
      );
    });
}
