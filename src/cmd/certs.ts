import { Command } from 'commander';
import { rfc3339 } from '../base/clock.ts';
import type { CertificateList } from '../bootstrap/certificates/list.ts';
import type { Rotation } from '../pki/rotation.ts';
import type { FoundCertificate } from '../bootstrap/certificates/look.ts';
import { rotateCaCommand } from './certs-rotate-ca.ts';
import { rotateSaCommand } from './certs-rotate-sa.ts';
import { addOperatorOptions, EXIT_CODES, printLine, runOperation, type OperatorFlags } from './operator.ts';

const DAY_MS = 86_400_000;
const WARN_DAYS = 30;

const EXAMPLES = `
Examples:
  slipway certs list --inventory cluster.yaml
  slipway certs renew --inventory cluster.yaml
  slipway certs rotate-ca --inventory cluster.yaml

The first two go by SSH alone: they work when certificates have expired and the API does not answer.

Exit codes:
  0  done
  1  it failed; the message says why
  2  wrong usage`;

const LIST_HELP = `
Example:
  slipway certs list --inventory cluster.yaml --output json

Exit codes:
  0  all are good for ${WARN_DAYS} days and more
  1  some are not, or a server could not be asked
  2  the list could not be made`;

const RENEW_HELP = `
Examples:
  slipway certs renew --inventory cluster.yaml --dry-run
  slipway certs renew --inventory cluster.yaml --passphrase-file passphrase

Issues all but the authorities anew and restarts what holds them, one control plane after the other. What each port shows
afterwards is compared with what was written. Kubelets renew by themselves; one whose certificate has expired is helped.
${EXIT_CODES}`;

export function certsCommand(): Command {
  const command = new Command('certs')
    .description('show certificates, renew them, and replace authorities')
    .addHelpText('after', EXAMPLES);
  const list = command
    .command('list')
    .description('every certificate: on disks, as ports show them, and their ends');
  addOperatorOptions(list)
    .addHelpText('after', LIST_HELP)
    .action(async (flags: OperatorFlags) => {
      const { listCertificates } = await import('../bootstrap/certificates/list.ts');
      await runOperation(flags, listCertificates, (result) => tellList(result, flags));
    });
  const renew = command.command('renew').description('issue certificates anew, and restart what holds them');
  addOperatorOptions(renew)
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText('after', RENEW_HELP)
    .action(async (flags: OperatorFlags) => {
      const { renewCertificates } = await import('../bootstrap/certificates/renew.ts');
      await runOperation(flags, renewCertificates, ({ changes }, durationMs) => {
        const seconds = Number((durationMs / 1000).toFixed(1));
        if (flags.output === 'json')
          printLine(JSON.stringify({ type: 'done', changes: changes.length, seconds }));
        else printLine(`${changes.length} changes${flags.dryRun ? ' would be made' : ''}, in ${seconds} s`);
      });
    });
  command.addCommand(rotateCaCommand());
  command.addCommand(rotateSaCommand());
  return command;
}

function tellList(list: CertificateList, flags: OperatorFlags): void {
  const { certificates, nowMs, unreached } = list;
  const daysLeft = ({ notAfterMs }: FoundCertificate): number => Math.floor((notAfterMs - nowMs) / DAY_MS);
  const soon = certificates.filter((each) => daysLeft(each) < WARN_DAYS);
  process.exitCode = soon.length > 0 || unreached.length > 0 ? 1 : 0;
  if (flags.output === 'json') {
    const told = certificates.map((each) => ({
      ...each,
      pem: undefined,
      notBefore: rfc3339(each.notBeforeMs),
      notAfter: rfc3339(each.notAfterMs),
      daysLeft: daysLeft(each),
    }));
    printLine(JSON.stringify({ type: 'done', certificates: told, unreached, rotation: list.rotation }));
    return;
  }
  for (const each of certificates) {
    const { commonName, generation, issuer, notAfterMs, serialNumber, server = '(state)', where } = each;
    const by = generation === undefined ? issuer : `${issuer} (${generation})`;
    const mark = daysLeft(each) < WARN_DAYS ? '!' : ' ';
    const left = notAfterMs <= nowMs ? 'EXPIRED' : `${daysLeft(each)} d`;
    printLine(
      `${mark} ${server.padEnd(10)} ${where.padEnd(52)} ${left.padStart(8)}  ${rfc3339(notAfterMs)}  ${serialNumber.slice(0, 12).padEnd(12)}  ${commonName} by ${by}`,
    );
  }
  if (list.rotation) tellRotation(list, list.rotation);
  for (const { server, why } of unreached) printLine(`! ${server} could not be asked: ${why}`);
  if (soon.length > 0) {
    printLine(`${soon.length} end within ${WARN_DAYS} days or have ended: slipway certs renew`);
  }
}

function tellRotation({ certificates }: CertificateList, rotation: Rotation): void {
  const count = (wanted: string): number =>
    certificates.filter(({ generation, server }) => server !== undefined && generation === wanted).length;
  printLine(
    `authorities are being replaced (${rotation.authorities.join(', ')}), stage "${rotation.stage}": ${count('old')} certificates on servers are of the old ones, ${count('new')} of the new ones; slipway certs rotate-ca goes on`,
  );
}
