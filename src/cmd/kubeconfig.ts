import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { rfc3339, systemClock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import { printLine } from './operator.ts';

interface KubeconfigFlags {
  inventory: string;
  stateDir?: string;
  user: string;
  group: string[];
  lifetime: number;
  breakGlass?: boolean;
  server?: string;
  file?: string;
  merge?: string | true;
  output: 'text' | 'json';
}

const EXAMPLES = `
Examples:
  slipway kubeconfig --inventory cluster.yaml --user anna --group developers --lifetime 8h
  slipway kubeconfig --inventory cluster.yaml --user anna --group developers --merge     into ~/.kube/config
  slipway kubeconfig --inventory cluster.yaml --user root --group system:masters --break-glass --lifetime 1h

What the person may do is decided by roles: kubectl create clusterrolebinding developers --clusterrole edit --group developers
A certificate cannot be taken back before it ends: keep lifetimes short. Each is recorded in the state directory,
people/issued.jsonl. Needs the state directory alone, no server.

Exit codes:
  0  the kubeconfig is written
  2  refused: a reserved name, no cluster in the state directory, a file that is there already

JSON: {"type":"done","file":"…","user":"anna","groups":["developers"],"serialNumber":"5f…","notAfter":"2026-01-01T08:00:00Z"}`;

export function kubeconfigCommand(): Command {
  return new Command('kubeconfig')
    .description('issue a kubeconfig with a client certificate for a person')
    .requiredOption('-i, --inventory <file>', 'the inventory (see inventories/example.yaml)')
    .option('--state-dir <dir>', 'where the cluster’s keys are (default ~/.local/state/slipway/<cluster>)')
    .requiredOption('--user <name>', 'who the person is to the cluster')
    .option(
      '--group <name>',
      'a group of the person (repeatable)',
      (value, all: string[]) => [...all, value],
      [],
    )
    .option('--lifetime <time>', 'how long it is valid: 30m, 8h, 7d', lifetime, lifetime('8h'))
    .option('--break-glass', 'also give names and groups that are Kubernetes’ own, as system:masters')
    .option(
      '--server <url>',
      'the API server to put in (default: the virtual address, or the control planes)',
    )
    .option('--file <file>', 'the file to write (default: <user>@<cluster>.kubeconfig); none may be there')
    .option(
      '--merge [file]',
      'put it into an existing kubeconfig instead (default: $KUBECONFIG, or ~/.kube/config)',
    )
    .option('-o, --output <format>', 'text or json', 'text')
    .addHelpText('after', EXAMPLES)
    .action(issue);
}

const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function lifetime(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  if (count === '' || Number(count) === 0)
    throw new InvalidArgumentError('It is a number and m, h or d: 8h.');
  return Number(count) * (UNITS[unit] ?? 0);
}

async function issue(flags: KubeconfigFlags): Promise<void> {
  const [{ loadInventory }, { StateDirectory }, { issueForPerson }, files] = await Promise.all([
    import('../bootstrap/inventory/load.ts'),
    import('../bootstrap/state-directory.ts'),
    import('../bootstrap/people/issue.ts'),
    import('../bootstrap/people/merge.ts'),
  ]);
  try {
    const inventory = await loadInventory(flags.inventory);
    const { name } = inventory.cluster;
    const state = StateDirectory.locate(name, flags.stateDir && resolve(flags.stateDir), process.env);
    const path = target(flags, name);
    // Before anything is issued: a file that cannot be merged into, or is there already.
    const existing = await files.readIfThere(path);
    if (flags.merge === undefined && existing !== '') {
      throw new SlipwayError('E_PERSON', `${path} is there already`, {
        hint: 'give another --file, or --merge',
      });
    }
    if (existing !== '') files.mergeKubeconfig(existing, 'kind: Config');
    const { kubeconfig, record } = await issueForPerson(inventory, state, systemClock, {
      user: flags.user,
      groups: flags.group,
      lifetimeMs: flags.lifetime,
      breakGlass: flags.breakGlass === true,
      ...(flags.server === undefined ? {} : { server: flags.server }),
    });
    await files.writePrivate(
      path,
      existing === '' ? kubeconfig : files.mergeKubeconfig(existing, kubeconfig),
    );
    const { user, groups, serialNumber } = record;
    const notAfter = rfc3339(record.notAfterMs);
    if (flags.output === 'json') {
      printLine(JSON.stringify({ type: 'done', file: path, user, groups, serialNumber, notAfter }));
    } else
      printLine(`${path}: ${user}${groups.length > 0 ? ` in ${groups.join(', ')}` : ''}, until ${notAfter}`);
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    process.stderr.write(`error: ${error.message} [${error.code}]\n`);
    if (error.hint) process.stderr.write(`hint: ${error.hint}\n`);
    process.exitCode = 2;
  }
}

function target(flags: KubeconfigFlags, cluster: string): string {
  if (flags.merge === undefined)
    return resolve(flags.file ?? `${flags.user.replaceAll('/', '_')}@${cluster}.kubeconfig`);
  if (flags.merge !== true) return resolve(flags.merge);
  const own = process.env['KUBECONFIG']?.split(':').find((path) => path !== '');
  return own ?? join(homedir(), '.kube/config');
}
