import { Command } from 'commander';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

const EXAMPLES = `
Examples:
  slipway rotate-store-key --inventory cluster.yaml
  slipway rotate-store-key --inventory cluster.yaml --dry-run

Every API server learns the new key, then all Secrets are written anew with it, then the old key is forgotten. Run the
same command again after an interruption: it goes on where it stopped. Backups of before need the old key: it is in them.
${EXIT_CODES}`;

export function rotateStoreKeyCommand(): Command {
  const command = new Command('rotate-store-key').description(
    'replace the key that Secrets are encrypted with in the store, and rewrite them',
  );
  return addOperatorOptions(command)
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: OperatorFlags) => {
      const { rotateStoreKey } = await import('../bootstrap/actions/rotate-store-key.ts');
      await runOperation(flags, rotateStoreKey, ({ changes }, durationMs) => {
        const seconds = Number((durationMs / 1000).toFixed(1));
        if (flags.output === 'json')
          printLine(JSON.stringify({ type: 'done', changes: changes.length, seconds }));
        else printLine(`${changes.length} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
      });
    });
}
