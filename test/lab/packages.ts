import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { run } from './command.ts';
import { baseSystem, LAB_CACHE } from './machine.ts';

/** What a node of the cluster needs from Debian beyond a bare server. */
export const NODE_PACKAGES = [
  'containerd',
  'runc',
  'containernetworking-plugins',
  'nftables',
  'iptables',
  'conntrack',
];

/**
 * Options for apt-get that make it see bookworm and the package state of a bare lab server, not this machine:
 * its own lists, cache and sources under `folder`. `status` is a dpkg status file.
 */
export function aptOptions(folder: string, status: string): string[] {
  const settings = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': status,
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'APT::Get::List-Cleanup': 'false',
    'APT::Sandbox::User': 'root',
    'Acquire::Check-Valid-Until': 'false',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Makes the folders that `aptOptions` names and fetches bookworm's package lists into them. */
export async function prepareApt(folder: string, status: string): Promise<void> {
  for (const path of ['state/lists/partial', 'cache/archives/partial'])
    await mkdir(join(folder, path), { recursive: true });
  const keyring = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]';
  const sources = [
    `deb ${keyring} http://deb.debian.org/debian bookworm main`,
    `deb ${keyring} http://deb.debian.org/debian bookworm-updates main`,
    `deb ${keyring} http://deb.debian.org/debian-security bookworm-security main`,
  ];
  await run('sh', ['-c', 'cat > "$1"', 'sh', join(folder, 'sources.list')], {
    input: `${sources.join('\n')}\n`,
  });
  await run('apt-get', [...aptOptions(folder, status), '-q', 'update'], { timeoutMs: 300_000 });
}

/**
 * A folder with the .deb files of `packages` and of all that they need and a bare lab server lacks. Downloaded
 * once per base system; `dpkg --install --recursive` on it completes without a repository.
 */
export async function labPackages(packages: readonly string[] = NODE_PACKAGES): Promise<string> {
  const status = join(await baseSystem(), 'var/lib/dpkg/status');
  const key = createHash('sha256')
    .update(await readFile(status))
    .update(packages.join(' '))
    .digest('hex')
    .slice(0, 12);
  const target = join(LAB_CACHE, `packages-${key}`);
  if (existsSync(target)) return target;
  const work = `${target}.${process.pid}`;
  try {
    await prepareApt(work, status);
    const install = ['-q', '-y', '--no-install-recommends', '--download-only', 'install', ...packages];
    await run('apt-get', [...aptOptions(work, status), ...install], { timeoutMs: 600_000 });
    const archives = join(work, 'cache/archives');
    for (const name of await readdir(archives)) {
      if (!name.endsWith('.deb')) await rm(join(archives, name), { recursive: true });
    }
    // Two runs at once may both have downloaded; the first one's folder stands.
    await rename(archives, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}
