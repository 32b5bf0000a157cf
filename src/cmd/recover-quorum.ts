import { Command } from 'commander';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

const EXAMPLES = `
Examples:
  slipway recover-quorum --inventory cluster.yaml --dry-run
  slipway recover-quorum --inventory cluster.yaml

For when most members of etcd are lost for good, and the API answers nothing. The survivor that has the most becomes the
first member of a new etcd; the others join it. It is refused while etcd has a quorum. Old data is put aside beside the
new one (/var/lib/slipway/etcd/lost-…). A lost server that comes back must be reset before it joins again.
${EXIT_CODES}`;

export function recoverQuorumCommand(): Command {
  const command = new Command('recover-quorum').description(
    'make a new etcd of what a surviving member has, after a quorum is lost',
  );
  return addOperatorOptions(command)
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: OperatorFlags) => {
      const { recoverQuorum } = await import('../bootstrap/backup/recover-quorum.ts');
      await runOperation(flags, recoverQuorum, ({ changes }, durationMs) => {
        const seconds = Number((durationMs / 1000).toFixed(1));
        if (flags.output === 'json')
          printLine(JSON.stringify({ type: 'done', changes: changes.length, seconds }));
        else printLine(`${changes.length} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
      });
    });
}
