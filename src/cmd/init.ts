import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import { processSignal } from '../base/lifecycle.ts';
import type { Draft, DraftLogin } from '../bootstrap/wizard/draft.ts';
import type { Asker } from '../bootstrap/wizard/asker.ts';
import type { Look, LookAt, WizardOptions } from '../bootstrap/wizard/wizard.ts';
import type { SshQuestions } from '../provision/ssh/target.ts';
import { printLine } from './operator.ts';

interface InitFlags {
  file: string;
  force?: boolean;
  yes?: boolean;
  offline?: boolean;
  name?: string;
  server: string[];
  sshKey?: string;
  bastion?: string;
  knownHosts?: string;
  acceptNewHostKeys?: boolean;
  stateDir?: string;
  podRange?: string;
  serviceRange?: string;
  virtualAddress?: string;
  extraName: string[];
  bundle?: string;
}

const EXAMPLES = `
Examples:
  slipway init                                   asks, connects, offers what it finds, writes cluster.yaml
  slipway init --yes --name demo --server root@10.0.0.1 --server root@10.0.0.2
  slipway init --yes --server cp1/admin@10.0.0.1=control-plane --server w1/admin@10.0.0.2=worker --ssh-key ~/.ssh/id
  slipway init --yes --offline --server cp1/10.0.0.1=control-plane,worker

The file needs no further editing; it says where secrets are and never holds one.

Exit codes:
  0  the inventory is written
  2  it is not: a wrong answer or flag, a server that cannot be reached, a file that is there already
  130  interrupted`;

export function initCommand(): Command {
  return new Command('init')
    .description('ask for servers, look at them, and write an inventory')
    .option('-f, --file <file>', 'the inventory to write', 'cluster.yaml')
    .option('--force', 'overwrite the file')
    .option('-y, --yes', 'take the defaults instead of asking; servers are given by --server')
    .option('--offline', 'do not connect to the servers')
    .option('--name <name>', 'name of the cluster')
    .option('--server <server>', '[name/][user@]host[:port][=role,role] (repeatable)', collect, [])
    .option('--ssh-key <file>', 'private key for every server')
    .option('--bastion <server>', '[user@]host[:port] that every server is reached through')
    .option('--known-hosts <file>', 'host keys to believe, besides ~/.ssh/known_hosts')
    .option('--accept-new-host-keys', 'believe servers that no file knows')
    .option(
      '--state-dir <dir>',
      'where accepted host keys are kept (default ~/.local/state/slipway/<cluster>)',
    )
    .option('--pod-range <range>', 'addresses of pods')
    .option('--service-range <range>', 'addresses of Services')
    .option('--virtual-address <address>', 'an address that moves between the control planes')
    .option('--extra-name <name>', 'a further name of the API server (repeatable)', collect, [])
    .option('--bundle <file>', 'packages for servers without a repository')
    .addHelpText('after', EXAMPLES)
    .action(init);
}

const collect = (value: string, before: string[]): string[] => [...before, value];

async function init(flags: InitFlags): Promise<void> {
  try {
    await writeInventory(flags);
  } catch (error) {
    // What @inquirer throws when a person presses ^C.
    if (error instanceof Error && error.name === 'ExitPromptError') {
      process.stderr.write('interrupted; nothing was written\n');
      process.exitCode = 130;
      return;
    }
    if (!(error instanceof SlipwayError)) throw error;
    process.stderr.write(`error: ${error.message} [${error.code}]\n`);
    if (error.hint) process.stderr.write(`hint: ${error.hint}\n`);
    process.exitCode = 2;
  }
}

async function writeInventory(flags: InitFlags): Promise<void> {
  const path = resolve(flags.file);
  const taken = await access(path).then(
    () => true,
    () => false,
  );
  if (taken && !flags.force) {
    throw new SlipwayError('E_USAGE', `${flags.file} is there already`, {
      hint: 'name another --file, or give --force',
    });
  }
  const interactive = !flags.yes;
  if (interactive && !(process.stdin.isTTY && process.stdout.isTTY)) {
    throw new SlipwayError('E_USAGE', 'there is no terminal to ask on', {
      hint: 'give --yes and the servers with --server; slipway init --help has examples',
    });
  }
  const [{ runWizard }, { defaultAsker }, { renderInventory }, { writePrivate }] = await Promise.all([
    import('../bootstrap/wizard/wizard.ts'),
    import('../bootstrap/wizard/asker.ts'),
    import('../bootstrap/wizard/render.ts'),
    import('../bootstrap/people/merge.ts'),
  ]);
  const ask = interactive ? await terminalAsker() : defaultAsker(printLine);
  const draft = await runWizard(ask, lookOver(flags, interactive), await wizardOptions(flags));
  await writePrivate(path, renderInventory(draft, flags.file));
  printLine(`${flags.file} is written. Next:`);
  printLine(`  slipway preflight --inventory ${flags.file}     measure the servers, change nothing`);
  printLine(`  slipway up --inventory ${flags.file}            make the cluster`);
}

async function wizardOptions(flags: InitFlags): Promise<WizardOptions> {
  const { parseServerArgument } = await import('../bootstrap/wizard/server-argument.ts');
  if (flags.yes && flags.server.length === 0) {
    throw new SlipwayError('E_USAGE', 'no server is given', { hint: 'give --server user@host for each' });
  }
  const given = {
    name: flags.name,
    // The inventory's own relative paths start from its folder, a flag's from here.
    key: flags.sshKey && (flags.sshKey.startsWith('~/') ? flags.sshKey : resolve(flags.sshKey)),
    bastion: flags.bastion === undefined ? undefined : parseServerArgument(flags.bastion),
    podRange: flags.podRange,
    serviceRange: flags.serviceRange,
    virtualAddress: flags.virtualAddress,
    bundle: flags.bundle && resolve(flags.bundle),
  };
  const some = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { servers: flags.server.map(parseServerArgument), extraNames: flags.extraName, ...some };
}

async function terminalAsker(): Promise<Asker> {
  const { confirm, input, select } = await import('@inquirer/prompts');
  return {
    input: (question) => input(question),
    select: (question) => select(question),
    confirm: (question) => confirm(question),
    say: printLine,
  };
}

/** Connects as `up` does, with the same questions about host keys and passwords. */
function lookOver(flags: InitFlags, interactive: boolean): LookAt {
  const signal = processSignal();
  return async (host: string, login: DraftLogin, draft: Draft): Promise<Look | undefined> => {
    if (flags.offline) return undefined;
    const [{ StateDirectory }, { expandPath, sshTarget }, { SshHost }, { SshConfigFile }, { discover }] =
      await Promise.all([
        import('../bootstrap/state-directory.ts'),
        import('../bootstrap/ssh-targets.ts'),
        import('../provision/ssh/ssh-host.ts'),
        import('../provision/ssh/ssh-config.ts'),
        import('../bootstrap/wizard/discover.ts'),
      ]);
    const state = StateDirectory.locate(draft.name, flags.stateDir && resolve(flags.stateDir), process.env);
    const folder = process.cwd();
    const known = flags.knownHosts === undefined ? [] : [resolve(flags.knownHosts)];
    const entry = { name: host, address: host, roles: ['worker' as const], ssh: { ...login, address: host } };
    const ssh = draft.bastion ? { bastion: draft.bastion } : {};
    const target = await sshTarget({ ssh }, entry, {
      folder,
      env: process.env,
      sshConfig: await SshConfigFile.read(),
    });
    const asked = { askedPassword: false, askedSudoPassword: false };
    const open = await SshHost.open(target, {
      knownHostsFiles: [
        state.knownHostsPath,
        ...known,
        expandPath('~/.ssh/known_hosts', folder),
        '/etc/ssh/ssh_known_hosts',
      ],
      acceptNewHostKeys: flags.acceptNewHostKeys === true,
      questions: interactive ? watched(await terminalQuestions(), asked) : {},
      clock: systemClock,
      signal,
    });
    try {
      return { discovery: await discover(open, host, signal), ...asked };
    } finally {
      await open.close();
    }
  };
}

const terminalQuestions = async (): Promise<SshQuestions> =>
  (await import('../bootstrap/view/questions.ts')).terminalQuestions();

/** Notes which passwords a person typed. */
function watched(
  questions: SshQuestions,
  asked: { askedPassword: boolean; askedSudoPassword: boolean },
): SshQuestions {
  return {
    ...questions,
    password: async (target) => {
      asked.askedPassword = true;
      return await questions.password?.(target);
    },
    sudoPassword: async (target) => {
      asked.askedSudoPassword = true;
      return await questions.sudoPassword?.(target);
    },
  };
}
