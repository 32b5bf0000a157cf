import type { ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { CommandResult } from './command.ts';
import type { Lab } from './lab.ts';
import type { LabServer } from './server.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface UpRun {
  inventory: string;
  /** Further flags; --known-hosts of the lab is given unless it is here. */
  flags?: readonly string[];
  /** Whether to give the lab's --ssh-key, unless it is among the flags. Default true. */
  key?: boolean;
  /** The executable that runs `up`. Default: this checkout. */
  executable?: string;
  env?: Record<string, string>;
  timeoutMs?: number;
}

/** Runs `slipway up` as an operator's machine in the lab's network would, with a home of its own. */
export async function slipwayUp(lab: Lab, run: UpRun): Promise<CommandResult> {
  const { command, env } = await upCommand(lab, run);
  return await lab.fabricTryExec(command, { env, timeoutMs: run.timeoutMs ?? 60_000 });
}

/** Any command on an inventory, in the same way; 'certs list' is one, too. */
export async function slipwayCommand(lab: Lab, name: string, run: UpRun): Promise<CommandResult> {
  const { command, env } = await upCommand(lab, run, name);
  return await lab.fabricTryExec(command, { env, timeoutMs: run.timeoutMs ?? 60_000 });
}

/** Any command on an inventory as a child process. */
export async function startSlipway(lab: Lab, name: string, run: UpRun): Promise<ChildProcess> {
  const { command, env } = await upCommand(lab, run, name);
  return lab.fabricSpawn(command, { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function upCommand(
  lab: Lab,
  run: UpRun,
  name = 'up',
): Promise<{ command: string[]; env: NodeJS.ProcessEnv }> {
  const home = join(lab.directory, 'home');
  await mkdir(home, { recursive: true });
  const flags = [...(run.flags ?? [])];
  if (run.key !== false && !flags.includes('--ssh-key')) flags.push('--ssh-key', lab.sshKeyPath);
  if (!flags.includes('--known-hosts')) flags.push('--known-hosts', lab.knownHostsPath);
  const program = run.executable === undefined ? [process.execPath, MAIN] : [run.executable];
  return {
    command: [...program, ...name.split(' '), '--inventory', run.inventory, ...flags],
    env: { PATH: process.env['PATH'], HOME: home, NODE_NO_WARNINGS: '1', ...run.env },
  };
}

/** Writes an inventory file into the lab's folder and gives its path. */
export async function writeInventory(lab: Lab, name: string, content: unknown): Promise<string> {
  const path = join(lab.directory, `${name}.yaml`);
  await writeFile(path, typeof content === 'string' ? content : stringify(content));
  return path;
}

/** The lab's servers as inventory entries: the first one runs the control plane. */
export const serverEntries = (
  lab: Lab,
): Array<{ name: string; address: string; roles: string[]; ssh?: unknown }> =>
  lab.servers.map(({ name, address }, index) => ({
    name,
    address,
    roles: index === 0 ? ['control-plane', 'worker'] : ['worker'],
  }));

const EVERYWHERE = [
  '/etc',
  '/usr',
  '/opt',
  '/root',
  '/home',
  '/srv',
  '/boot',
  '/var/lib',
  '/var/spool',
  '/var/cache',
];

/**
 * Everything on a server that an installer could have changed: each file, folder and link with its size, time,
 * mode and owner, each unit with its state, each user and package. What a running system writes by itself is left out, and
 * the mark that sudo leaves in the home of whoever used it.
 */
export async function systemInventory(server: LabServer, folders = EVERYWHERE): Promise<string> {
  return await server.exec(`
for at in ${folders.join(' ')}; do
  [ -e "$at" ] && find "$at" -xdev \\( -path /var/lib/systemd -o -path /var/lib/sudo -o -path /var/lib/private \\) -prune -o \\
    -printf '%p %y %s %T@ %m %u:%g %l\\n'
done | grep -Ev '^/home/[^/]* d |/\\.sudo_as_admin_successful ' | sort
systemctl list-unit-files --no-legend --no-pager | awk '$2 != "transient" {print $1, $2}'
systemctl list-units --all --no-legend --no-pager --plain --type=service | awk '{print $1, $3}' | grep -Ev '^(ssh@|session-|user@|user-runtime|systemd-|motd|apt-daily|dpkg-db|e2scrub|fstrim)'
cat /etc/passwd /etc/group
dpkg-query -W -f '\${Package} \${Version} \${db:Status-Status}\\n'
cat /proc/sys/net/ipv4/ip_forward
`);
}

/** Lines that only one of two inventories has: '-' what went, '+' what came. */
export function differences(before: string, after: string): string[] {
  const [old, now] = [new Set(before.split('\n')), new Set(after.split('\n'))];
  return [
    ...[...old].filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...[...now].filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}
