import { Command } from 'commander';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface RotateSaFlags extends OperatorFlags {
  dropOld?: boolean;
  now?: boolean;
}

const HELP = `
Examples:
  slipway certs rotate-sa --inventory cluster.yaml
  slipway certs rotate-sa --inventory cluster.yaml --drop-old

The first one makes a new key, lets every API server know it, signs with it and gives every pod a new token; tokens of the
old key are believed as before. The second one, an hour later or when nobody holds such tokens (--now), forgets the old key;
it refuses while pods or Secrets have tokens of it. Run the same command again after an interruption.
${EXIT_CODES}`;

export function rotateSaCommand(): Command {
  const command = new Command('rotate-sa').description('replace the key that signs service accounts’ tokens');
  return addOperatorOptions(command)
    .option('--drop-old', 'forget the old key, as the second step')
    .option('--now', 'with --drop-old: do not wait for tokens that were asked for by hand')
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', HELP)
    .action(async (flags: RotateSaFlags) => {
      const { rotateSa } = await import('../bootstrap/certificates/rotate/rotate-sa.ts');
      const further = { dropOld: flags.dropOld === true, now: flags.now === true };
      await runOperation(
        flags,
        (options) => rotateSa({ ...options, ...further }),
        ({ changes }, durationMs) => tell(flags, changes.length, durationMs),
      );
    });
}

function tell(flags: RotateSaFlags, changes: number, durationMs: number): void {
  const seconds = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    printLine(JSON.stringify({ type: 'done', changes, seconds }));
    return;
  }
  printLine(`${changes} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
  if (!flags.dropOld && !flags.dryRun) {
    printLine('the old key is still believed; an hour later: slipway certs rotate-sa --drop-old');
  }
}
