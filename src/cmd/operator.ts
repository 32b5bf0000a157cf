import { dirname, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { checkoutPath, isExecutable } from '../base/assets.ts';
import { rfc3339, systemClock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import { processSignal } from '../base/lifecycle.ts';
import type { ActionOptions } from '../bootstrap/actions/run-action.ts';
import type { Inventory } from '../bootstrap/inventory/schema.ts';
import { isAlive } from '../bootstrap/operator-locks.ts';
import type { Operator } from '../provision/fence.ts';
import type { ReportEvent, View } from '../bootstrap/report.ts';
import type { SshQuestions } from '../provision/ssh/target.ts';

/** What every command that works on the servers of an inventory takes. */
export interface OperatorFlags {
  inventory: string;
  stateDir?: string;
  sshKey?: string;
  knownHosts?: string;
  acceptNewHostKeys?: boolean;
  executable?: string;
  bundle?: string;
  passphraseFile?: string;
  dryRun?: boolean;
  takeLock?: boolean;
  /** Tell nothing of the way, only the result and warnings. */
  quiet?: boolean;
  output: 'text' | 'json';
  /** How long a server may take to let us in, where a command is in a hurry. */
  connectTimeoutMs?: number;
}

export const EXIT_CODES = `
Exit codes:
  0  the servers are what the inventory says
  1  a step failed; run the same command again after the remedy: it continues where it stopped
  2  refused before anything was changed on any server
  130  interrupted`;

/** `file`: the command's own -o names a file, and --json asks for JSON. */
export function addOperatorOptions(command: Command, output: 'format' | 'file' = 'format'): Command {
  command
    .requiredOption('-i, --inventory <file>', 'the inventory (see inventories/example.yaml)')
    .option(
      '--state-dir <dir>',
      'where the root keys and the kubeconfig are kept (default ~/.local/state/slipway/<cluster>)',
    )
    .option('--ssh-key <file>', 'private key for every server, instead of the inventory’s')
    .option('--known-hosts <file>', 'host keys to believe, besides ~/.ssh/known_hosts')
    .option(
      '--accept-new-host-keys',
      'believe servers that no file knows (a changed key is refused all the same)',
    )
    .option('--executable <file>', 'the slipway executable for the servers (default: this one)')
    .option('--bundle <file>', 'packages for servers without a repository, made by "slipway bundle"')
    .option('--passphrase-file <file>', 'passphrase of the root keys (or SLIPWAY_PASSPHRASE)')
    .option('--take-lock', 'take over from an operator whose machine is gone for good');
  if (output === 'file') return command.option('--json', 'tell the result as JSON');
  const format = new Option('-o, --output <format>', 'text or json')
    .choices(['text', 'json'])
    .default('text');
  return command.addOption(format);
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/**
 * Loads the inventory, runs an action on it with a view of its progress, tells the result, and sets the exit code
 * as EXIT_CODES says. `tellResult` prints what the action gave; it is not called when the action failed.
 */
export async function runOperation<R>(
  flags: OperatorFlags,
  action: (options: ActionOptions) => Promise<R>,
  tellResult: (result: R, durationMs: number) => void,
): Promise<void> {
  const signal = processSignal();
  const view = await makeView(flags);
  const startedMs = systemClock.monotonicMs();
  try {
    const { loadInventory } = await import('../bootstrap/inventory/load.ts');
    const inventory = await loadInventory(flags.inventory);
    const result = await action(await actionOptions(flags, inventory, view, signal));
    await view.finish();
    process.exitCode = 0;
    // May set another one: what an action found is not always good.
    tellResult(result, systemClock.monotonicMs() - startedMs);
  } catch (error) {
    await view.finish();
    if (signal.aborted) {
      process.stderr.write('interrupted; run the same command again: it continues where it stopped\n');
      process.exitCode = 130;
      return;
    }
    const { PhaseError } = await import('../bootstrap/run-phases.ts');
    process.exitCode = tellFailure(error, flags, error instanceof PhaseError && error.changed);
  }
}

/** Tells of an error that an operator can do something about, and gives the exit code; a bug is thrown on. */
function tellFailure(error: unknown, flags: OperatorFlags, changed: boolean): number {
  if (!(error instanceof SlipwayError)) throw error;
  if (flags.output === 'json') {
    const { code, message, hint } = error;
    printLine(JSON.stringify({ type: 'failed', code, message, hint, changed }));
  }
  process.stderr.write(`error: ${error.message} [${error.code}]\n`);
  if (error.hint) process.stderr.write(`hint: ${error.hint}\n`);
  const untouched = 'nothing was changed on any server';
  if (!changed && !error.hint?.includes(untouched)) process.stderr.write(`hint: ${untouched}\n`);
  return changed ? 1 : 2;
}

async function makeView(flags: OperatorFlags): Promise<View> {
  if (flags.quiet) return { report: tellWarning, finish: async () => undefined };
  if (flags.output === 'json')
    return (await import('../bootstrap/view/json.ts')).jsonView(printLine, systemClock);
  if (process.stdout.isTTY && !flags.dryRun) return (await import('../bootstrap/view/live.ts')).liveView();
  return (await import('../bootstrap/view/plain.ts')).plainView(printLine);
}

function tellWarning(event: ReportEvent): void {
  if (event.type !== 'warning') return;
  process.stderr.write(`warning: ${event.node === undefined ? '' : `${event.node}: `}${event.message}\n`);
}

async function actionOptions(
  flags: OperatorFlags,
  inventory: Inventory,
  view: View,
  signal: AbortSignal,
): Promise<ActionOptions> {
  const [{ StateDirectory }, { prepareRelease }, { expandPath, sshTarget }, { SshHost }, { SshConfigFile }] =
    await Promise.all([
      import('../bootstrap/state-directory.ts'),
      import('../bootstrap/local-release.ts'),
      import('../bootstrap/ssh-targets.ts'),
      import('../provision/ssh/ssh-host.ts'),
      import('../provision/ssh/ssh-config.ts'),
    ]);
  const folder = dirname(resolve(flags.inventory));
  const state = StateDirectory.locate(
    inventory.cluster.name,
    flags.stateDir && resolve(flags.stateDir),
    process.env,
  );
  const executable = flags.executable ?? (isExecutable() ? process.execPath : checkoutPath('dist/slipway'));
  const bundle = flags.bundle ?? (inventory.packages.bundle && expandPath(inventory.packages.bundle, folder));
  const etcdBinary = inventory.etcd.binary && expandPath(inventory.etcd.binary, folder);
  const passphrase = await readPassphrase(flags);
  const knownHostsFiles: [string, ...string[]] = [state.knownHostsPath];
  if (flags.knownHosts) knownHostsFiles.push(resolve(flags.knownHosts));
  knownHostsFiles.push(expandPath('~/.ssh/known_hosts', folder), '/etc/ssh/ssh_known_hosts');
  const targetOptions = {
    folder,
    env: process.env,
    sshConfig: await SshConfigFile.read(),
    ...(flags.sshKey ? { keyFile: resolve(flags.sshKey) } : {}),
  };
  const questions = await makeQuestions(flags);
  return {
    inventory,
    release: await prepareRelease(executable, process.env),
    state,
    clock: systemClock,
    report: view.report,
    signal,
    dryRun: flags.dryRun === true,
    lock: { operator: await whoWorks(), takeLock: flags.takeLock === true, isAlive },
    ...(bundle ? { bundlePath: bundle } : {}),
    ...(etcdBinary ? { etcdBinaryPath: etcdBinary } : {}),
    ...(passphrase === undefined ? {} : { passphrase }),
    open: async (node) =>
      SshHost.open(await sshTarget(inventory, node.entry, targetOptions), {
        knownHostsFiles,
        acceptNewHostKeys: flags.acceptNewHostKeys === true,
        questions,
        clock: systemClock,
        signal,
        ...(flags.connectTimeoutMs === undefined ? {} : { timeoutMs: flags.connectTimeoutMs }),
      }),
  };
}

/** From --passphrase-file, else SLIPWAY_PASSPHRASE. */
async function whoWorks(): Promise<Operator> {
  const { hostname, userInfo } = await import('node:os');
  return {
    user: userInfo().username,
    host: hostname(),
    pid: process.pid,
    command: process.argv.slice(2).find((word) => !word.startsWith('-')) ?? '',
    since: rfc3339(systemClock.now()),
  };
}

export async function readPassphrase(flags: { passphraseFile?: string }): Promise<string | undefined> {
  if (flags.passphraseFile === undefined) return process.env['SLIPWAY_PASSPHRASE'] || undefined;
  const { readFile } = await import('node:fs/promises');
  return (await readFile(flags.passphraseFile, 'utf8')).replace(/\r?\n$/, '');
}

/** Questions are asked on a terminal only, one at a time; elsewhere the answer is no. */
async function makeQuestions(flags: OperatorFlags): Promise<SshQuestions> {
  if (!process.stdin.isTTY || !process.stdout.isTTY || flags.output === 'json') return {};
  const { terminalQuestions } = await import('../bootstrap/view/questions.ts');
  return terminalQuestions();
}
