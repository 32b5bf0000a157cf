import { basename } from 'node:path';
import { Command, CommanderError } from 'commander';
import { reportFatal } from '../base/lifecycle.ts';

interface Entry {
  summary: string;
  /** 'Hidden:' is what no person calls. */
  group: 'Commands:' | 'Components of a server:' | 'Hidden:';
  /** Runs on servers or for long: its bundle in the executable has its code alone. */
  ownBundle?: true;
  /** Loads the command's own code: a component pays for nothing that it does not use. */
  load: () => Promise<Command>;
}

const COMMANDS: Record<string, Entry> = {
  init: {
    summary: 'ask for servers, look at them, and write an inventory',
    group: 'Commands:',
    load: async () => (await import('./init.ts')).initCommand(),
  },
  up: {
    summary: 'turn the servers of an inventory into a cluster, and keep them so',
    group: 'Commands:',
    load: async () => (await import('./up.ts')).upCommand(),
  },
  preflight: {
    summary: 'find out whether servers can become a cluster, and change nothing',
    group: 'Commands:',
    load: async () => (await import('./preflight.ts')).preflightCommand(),
  },
  join: {
    summary: 'add servers of the inventory to the cluster',
    group: 'Commands:',
    load: async () => (await import('./join.ts')).joinCommand(),
  },
  plan: {
    summary: 'tell what "up" would change on each server, and why',
    group: 'Commands:',
    load: async () => (await import('./plan.ts')).planCommand(),
  },
  apply: {
    summary: 'make exactly the changes of a plan',
    group: 'Commands:',
    load: async () => (await import('./apply.ts')).applyCommand(),
  },
  'rotate-store-key': {
    summary: 'replace the key that Secrets are encrypted with in the store',
    group: 'Commands:',
    load: async () => (await import('./rotate-store-key.ts')).rotateStoreKeyCommand(),
  },
  reset: {
    summary: 'take slipway and the cluster off servers, and put back what stood there before',
    group: 'Commands:',
    load: async () => (await import('./reset.ts')).resetCommand(),
  },
  remove: {
    summary: 'take a server out of the cluster',
    group: 'Commands:',
    load: async () => (await import('./remove.ts')).removeCommand(),
  },
  upgrade: {
    summary: 'bring a running cluster to another release, server by server',
    group: 'Commands:',
    load: async () => (await import('./upgrade.ts')).upgradeCommand(),
  },
  rollback: {
    summary: 'take the last upgrade back, finished or not',
    group: 'Commands:',
    load: async () => (await import('./rollback.ts')).rollbackCommand(),
  },
  journal: {
    summary: 'list the steps that commands have taken, and how each is undone',
    group: 'Commands:',
    load: async () => (await import('./journal.ts')).journalCommand(),
  },
  undo: {
    summary: 'put back what steps changed on their servers',
    group: 'Commands:',
    load: async () => (await import('./undo.ts')).undoCommand(),
  },
  status: {
    summary: 'tell how the cluster is',
    group: 'Commands:',
    load: async () => (await import('./status.ts')).statusCommand(),
  },
  support: {
    summary: 'collect logs and facts into one file, without secrets',
    group: 'Commands:',
    load: async () => (await import('./support.ts')).supportCommand(),
  },
  kubeconfig: {
    summary: 'issue a kubeconfig for a person',
    group: 'Commands:',
    load: async () => (await import('./kubeconfig.ts')).kubeconfigCommand(),
  },
  certs: {
    summary: 'show the certificates of every server, and renew them',
    group: 'Commands:',
    load: async () => (await import('./certs.ts')).certsCommand(),
  },
  backup: {
    summary: 'copy the whole cluster into one encrypted file, or rehearse restoring one',
    group: 'Commands:',
    load: async () => (await import('./backup.ts')).backupCommand(),
  },
  restore: {
    summary: 'make a cluster of a backup, on the same or on other servers',
    group: 'Commands:',
    load: async () => (await import('./restore.ts')).restoreCommand(),
  },
  'recover-quorum': {
    summary: 'bring etcd back after most of its members are lost',
    group: 'Commands:',
    load: async () => (await import('./recover-quorum.ts')).recoverQuorumCommand(),
  },
  bundle: {
    summary: 'collect the packages that servers without a repository need',
    group: 'Commands:',
    load: async () => (await import('./bundle.ts')).bundleCommand(),
  },
  server: {
    summary: 'run a control plane on this machine, without root',
    group: 'Commands:',
    ownBundle: true,
    load: async () => (await import('./server.ts')).serverCommand(),
  },
  'move-store': {
    summary: 'copy an embedded store into an empty etcd',
    group: 'Commands:',
    ownBundle: true,
    load: async () => (await import('./move-store.ts')).moveStoreCommand(),
  },
  'sandbox-image': {
    summary: 'write the image of pod sandboxes as a tar',
    group: 'Commands:',
    ownBundle: true,
    load: async () => (await import('./sandbox-image.ts')).sandboxImageCommand(),
  },
  completion: {
    summary: 'print a completion script for bash, zsh or fish',
    group: 'Commands:',
    load: async () => (await import('./completion.ts')).completionCommand(loadTree),
  },
  version: {
    summary: 'print version and commit',
    group: 'Commands:',
    ownBundle: true,
    load: async () => (await import('./version.ts')).versionCommand(),
  },
  'store-snapshot': {
    summary: 'writes a snapshot of the store on a control plane',
    group: 'Hidden:',
    load: async () => (await import('./store-snapshot.ts')).storeSnapshotCommand(),
  },
  'store-copy': {
    summary: 'copies a store out of or into a server for backups',
    group: 'Hidden:',
    load: async () => (await import('./store-copy.ts')).storeCopyCommand(),
  },
  probe: {
    summary: 'listens and measures on a server for preflight',
    group: 'Hidden:',
    load: async () => (await import('./probe.ts')).probeCommand(),
  },
  apiserver: {
    summary: 'the Kubernetes API and its store',
    group: 'Components of a server:',
    load: async () => (await import('./apiserver.ts')).apiServerCommand(),
  },
  'controller-manager': {
    summary: 'the controllers',
    group: 'Components of a server:',
    load: async () => (await import('./controller-manager.ts')).controllerManagerCommand(),
  },
  scheduler: {
    summary: 'gives pods their nodes',
    group: 'Components of a server:',
    load: async () => (await import('./scheduler.ts')).schedulerCommand(),
  },
  kubelet: {
    summary: 'runs the pods of a node',
    group: 'Components of a server:',
    load: async () => (await import('./kubelet.ts')).kubeletCommand(),
  },
  proxy: {
    summary: 'Services, as nftables rules',
    group: 'Components of a server:',
    load: async () => (await import('./proxy.ts')).proxyCommand(),
  },
  dns: {
    summary: 'the names of the cluster',
    group: 'Components of a server:',
    load: async () => (await import('./dns.ts')).dnsCommand(),
  },
  network: {
    summary: 'routes between pods, and the configuration of CNI',
    group: 'Components of a server:',
    load: async () => (await import('./network.ts')).networkCommand(),
  },
};

/** What people run on their own machine: one bundle in the executable for all of it. */
export const SHARED_BUNDLE = 'operator';

/** The bundle that a command is in, by the command's name. */
export const BUNDLE_OF: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(COMMANDS).map(([name, { group, ownBundle }]) => [
    name,
    group === 'Commands:' && !ownBundle ? SHARED_BUNDLE : name,
  ]),
);

/** Commands whose code a bundle must hold: completion in the shared one loads every command that people call. */
export const commandsIn = (bundle: string): string[] =>
  bundle === SHARED_BUNDLE
    ? Object.keys(COMMANDS).filter((name) => COMMANDS[name]?.group === 'Commands:')
    : [bundle];

/** Every command that people call, loaded: for completion and documentation. */
export async function loadTree(): Promise<Array<{ name: string; summary: string; command: Command }>> {
  const entries = Object.entries(COMMANDS).filter(([, { group }]) => group === 'Commands:');
  return await Promise.all(
    entries.map(async ([name, { summary, load }]) => ({ name, summary, command: await load() })),
  );
}

const NAME_PREFIX = 'slipway-';

const EXAMPLES = `
Examples:
  slipway up --inventory cluster.yaml       turn servers into a cluster
  slipway server --data-dir ./cluster       a control plane on this machine
  slipway <command> --help                  what a command takes

Called as slipway-<component> (slipway-apiserver, slipway-kubelet, …) it is that component.`;

/** Wrong usage: an unknown command or flag, a value that is no value. */
const EXIT_USAGE = 2;

/**
 * Runs what the program was called as (`slipway-kubelet`) or told to do (`slipway up …`), and resolves with
 * the exit code: 0, 2 for wrong usage, else what reportFatal says. A command may set process.exitCode itself.
 */
export async function runProgram(calledAs: string, args: readonly string[]): Promise<number> {
  try {
    const component = basename(calledAs).startsWith(NAME_PREFIX)
      ? basename(calledAs).slice(NAME_PREFIX.length)
      : undefined;
    if (component !== undefined && Object.hasOwn(COMMANDS, component)) {
      await runCommand(component, `${NAME_PREFIX}${component}`, args);
    } else if (args[0] !== undefined && Object.hasOwn(COMMANDS, args[0])) {
      await runCommand(args[0], `slipway ${args[0]}`, args.slice(1));
    } else {
      await overview(args);
    }
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    return reportFatal(error);
  }
}

async function runCommand(name: string, displayName: string, args: readonly string[]): Promise<void> {
  const command = await COMMANDS[name]!.load();
  // `slipway-kubelet version` asks about the executable, as `slipway version` does.
  if (args.length === 1 && (args[0] === 'version' || args[0] === '--version') && name !== 'version') {
    const { printVersion } = await import('./version.ts');
    printVersion(displayName);
    return;
  }
  command.name(displayName);
  await strict(command, `${displayName} --help`).parseAsync([...args], { from: 'user' });
}

/** Help of the whole program, or the complaint about a command that there is not. */
async function overview(args: readonly string[]): Promise<void> {
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
    const { printVersion } = await import('./version.ts');
    printVersion('slipway');
    return;
  }
  if (args[0] === 'help' && args[1] !== undefined && Object.hasOwn(COMMANDS, args[1])) {
    await runCommand(args[1], `slipway ${args[1]}`, ['--help']);
    return;
  }
  const program = strict(new Command('slipway'), 'slipway --help')
    .description('Kubernetes for bare Linux servers.')
    .helpCommand(true)
    .addHelpText('after', EXAMPLES)
    .option('-V, --version', 'print version and commit');
  for (const [name, { summary, group }] of Object.entries(COMMANDS)) {
    program
      .command(name, { hidden: group === 'Hidden:' })
      .summary(summary)
      .helpGroup(group);
  }
  if (args.length === 0) program.outputHelp();
  else await program.parseAsync([...args], { from: 'user' });
}

/** Errors of usage are thrown here, and say where to look. */
function strict(command: Command, help: string): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError(`hint: ${help} shows what there is`);
}
