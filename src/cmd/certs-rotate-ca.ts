import { Command, Option } from 'commander';
import { AUTHORITIES, type AuthorityPath, type RotationStage } from '../pki/rotation.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface RotateCaFlags extends OperatorFlags {
  ca: keyof typeof CHOICES;
  until?: RotationStage;
}

const CHOICES: Record<'all' | 'cluster' | 'front-proxy' | 'etcd', readonly AuthorityPath[]> = {
  all: AUTHORITIES,
  cluster: ['ca'],
  'front-proxy': ['front-proxy-ca'],
  etcd: ['etcd/ca'],
};

const HELP = `
Examples:
  slipway certs rotate-ca --inventory cluster.yaml --dry-run
  slipway certs rotate-ca --inventory cluster.yaml --passphrase-file passphrase
  slipway certs rotate-ca --inventory cluster.yaml --until trust

Three stages, each on one server after the other: everybody trusts the new authorities beside the old ones; every
certificate is issued anew; the old authorities are forgotten. Run the same command again after an interruption: it goes
on where it stopped. --until trust leaves time to restart pods that read kube-root-ca.crt only once, and to give
people kubeconfigs that trust both; the next run without it goes on to the end.
${EXIT_CODES}`;

export function rotateCaCommand(): Command {
  const command = new Command('rotate-ca').description(
    'replace certificate authorities while the cluster works',
  );
  return addOperatorOptions(command)
    .addOption(
      new Option('--ca <which>', 'the authorities to replace').choices(Object.keys(CHOICES)).default('all'),
    )
    .addOption(new Option('--until <stage>', 'stop after this stage').choices(['trust', 'issue']))
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', HELP)
    .action(async (flags: RotateCaFlags) => {
      const { rotateCa } = await import('../bootstrap/certificates/rotate/rotate-ca.ts');
      const { ca, until } = flags;
      const further = { authorities: CHOICES[ca], ...(until === undefined ? {} : { until }) };
      await runOperation(
        flags,
        (options) => rotateCa({ ...options, ...further }),
        ({ changes }, durationMs) => tell(flags, changes.length, durationMs),
      );
    });
}

function tell(flags: RotateCaFlags, changes: number, durationMs: number): void {
  const seconds = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    printLine(JSON.stringify({ type: 'done', changes, seconds }));
    return;
  }
  printLine(`${changes} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
  if (flags.until !== undefined && !flags.dryRun) {
    printLine(`the rotation waits after the stage "${flags.until}": slipway certs rotate-ca goes on`);
  }
}
