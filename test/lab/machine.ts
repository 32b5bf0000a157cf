import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHash } from 'node:crypto';
import { run, systemEnvironment } from './command.ts';

/** What the lab runs on the machine, and the Debian package that brings it. */
const TOOLS: Readonly<Record<string, string>> = {
  mmdebstrap: 'mmdebstrap',
  nft: 'nftables',
  iptables: 'iptables',
  conntrack: 'conntrack',
  busybox: 'busybox-static',
  zstd: 'zstd',
  ping: 'iputils-ping',
  ip: 'iproute2',
  bridge: 'iproute2',
  ssh: 'openssh-client',
  nsenter: 'util-linux',
  flock: 'util-linux',
  pgrep: 'procps',
};

/** A bare server: systemd, sshd, iproute2, sudo. Whatever the cluster needs beyond it the installer brings. */
const BASE_PACKAGES =
  'systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,iproute2,sudo,netbase,procps,kmod,passwd,ca-certificates';

export const LAB_CACHE = '/var/cache/slipway-lab';
export const LAB_STATE = '/var/lib/slipway-lab';
export const SCRIPTS = join(dirname(fileURLToPath(import.meta.url)), 'scripts');

/** Why the lab cannot run here, as one sentence for a skipped test; undefined where it can. */
export function labSkipReason(): string | undefined {
  if (process.platform !== 'linux') return 'the lab needs Linux namespaces: run it on a Debian machine';
  if (process.getuid?.() !== 0)
    return 'the lab makes network namespaces and cgroups and needs root: run it as root';
  if (!existsSync('/usr/bin/apt-get'))
    return 'the lab is made of Debian packages and needs apt-get on this machine';
  return undefined;
}

function onPath(tool: string): boolean {
  const folders = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`.split(':');
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

let prepared: Promise<void> | undefined;

/** Installs the tools that are missing and raises the limits that many systemds need. Once per process. */
export function prepareMachine(): Promise<void> {
  prepared ??= prepare();
  return prepared;
}

async function prepare(): Promise<void> {
  await mkdir(LAB_CACHE, { recursive: true });
  await mkdir(LAB_STATE, { recursive: true, mode: 0o700 });
  const missing = [
    ...new Set(
      Object.keys(TOOLS)
        .filter((tool) => !onPath(tool))
        .map((tool) => TOOLS[tool] ?? ''),
    ),
  ];
  if (missing.length > 0) {
    const env = { ...systemEnvironment(), DEBIAN_FRONTEND: 'noninteractive' };
    const lock = ['-o', 'DPkg::Lock::Timeout=300'];
    await run('apt-get', [...lock, 'update', '-q'], { timeoutMs: 300_000, env });
    await run('apt-get', [...lock, 'install', '-q', '-y', '--no-install-recommends', ...missing], {
      timeoutMs: 600_000,
      env,
    });
  }
  // Each systemd takes dozens of inotify instances; the kernel's default of 128 is for one.
  const inotify = '/proc/sys/fs/inotify/max_user_instances';
  if (Number(await readFile(inotify, 'utf8')) < 8192) await writeFile(inotify, '8192');
}

/** The tree of a bare server, made with mmdebstrap where no run has made it yet (two to four minutes). */
export async function baseSystem(): Promise<string> {
  await prepareMachine();
  const script = join(SCRIPTS, 'build-base.sh');
  const recipe = createHash('sha256')
    .update(await readFile(script))
    .update(BASE_PACKAGES)
    .digest('hex')
    .slice(0, 12);
  const target = join(LAB_CACHE, `base-${recipe}`);
  if (!existsSync(target)) {
    await run('flock', [`${target}.lock`, script, target, BASE_PACKAGES], { timeoutMs: 1_200_000 });
  }
  return target;
}
