import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { rfc3339, type Clock } from '../../base/clock.ts';
import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';
import { runCommand } from '../../base/command.ts';
import { hashFile } from '../hash-file.ts';
import { MANIFEST_NAME, type BundleManifest } from './manifest.ts';

export interface BundleOptions {
  output: string;
  packages: readonly string[];
  /** Code name of the servers' distribution release: 'bookworm'. */
  suite: string;
  architecture: string;
  /** 'http://deb.debian.org/debian' and the like. */
  mirror: string;
  securityMirror: string | undefined;
  keyring: string;
  clock: Clock;
  signal: AbortSignal;
  progress: (message: string) => void;
}

/** What every server has: a base system with apt. Its packages are left out of the bundle. */
const BASE = ['apt', 'systemd', 'systemd-sysv', 'iproute2', 'openssh-server'];

/**
 * Downloads packages with all that they need into one archive with checksums and an index, which a server's apt
 * takes for a repository. Touches nothing of this machine's package state. E_BUNDLE where apt-get fails.
 */
export async function makeBundle(options: BundleOptions): Promise<BundleManifest> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bundle-'));
  try {
    await prepareApt(folder, options);
    options.progress(`reading the package lists of ${options.suite}`);
    await apt(folder, options, ['update']);
    const base = await closure(folder, options, BASE);
    const all = await closure(folder, options, options.packages);
    const wanted = [...all].filter((each) => !base.has(each));
    options.progress(`downloading ${wanted.length} packages`);
    const archive = join(folder, 'archive');
    await mkdir(archive);
    await apt(folder, options, ['download', ...wanted], archive);
    return await pack(archive, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function prepareApt(folder: string, options: BundleOptions): Promise<void> {
  for (const path of ['state/lists/partial', 'cache/archives/partial', 'etc']) {
    await mkdir(join(folder, path), { recursive: true });
  }
  const line = (mirror: string, suite: string): string =>
    `deb [arch=${options.architecture} signed-by=${options.keyring}] ${mirror} ${suite} main\n`;
  const { suite, mirror, securityMirror } = options;
  const sources = [line(mirror, suite), line(mirror, `${suite}-updates`)];
  if (securityMirror !== undefined) sources.push(line(securityMirror, `${suite}-security`));
  await writeFile(join(folder, 'etc/sources.list'), sources.join(''));
  // An empty package state: nothing counts as installed, so that the closure is whole.
  await writeFile(join(folder, 'state/status'), '');
}

async function apt(folder: string, options: BundleOptions, args: string[], cwd = folder): Promise<string> {
  const settings: Record<string, string> = {
    'APT::Architecture': options.architecture,
    'APT::Sandbox::User': 'root',
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'state/status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::SourceList': join(folder, 'etc/sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
  };
  const flags = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const words = ['-q', ...flags.flatMap((flag) => ['-o', flag]), ...args];
  try {
    // apt-get downloads into its working directory.
    return await runCommand('env', ['-C', cwd, 'apt-get', ...words], {
      timeoutMs: 600_000,
      signal: options.signal,
    });
  } catch (cause) {
    options.signal.throwIfAborted();
    const missing = codeOf(cause) === 'ENOENT';
    throw new SlipwayError(
      'E_BUNDLE',
      missing ? 'apt-get is not on this machine' : `apt-get ${args[0]}: ${messageOf(cause)}`,
      {
        cause,
        hint: missing
          ? 'make the bundle on a Debian or Ubuntu machine'
          : 'check the way to the mirror, and --suite, --mirror, --keyring',
      },
    );
  }
}

/** 'name=version' of the packages and all that they need. */
async function closure(
  folder: string,
  options: BundleOptions,
  packages: readonly string[],
): Promise<Set<string>> {
  const text = await apt(folder, options, ['--simulate', '--no-install-recommends', 'install', ...packages]);
  const found = new Set<string>();
  for (const [, name, version] of text.matchAll(/^Inst (\S+) (?:\[[^\]]*\] )?\((\S+) /gm))
    found.add(`${name}=${version}`);
  return found;
}

async function pack(archive: string, options: BundleOptions): Promise<BundleManifest> {
  // apt writes an epoch's colon as '%3a', and would decode it when it reads the index.
  for (const name of await readdir(archive)) {
    if (name.includes('%3a')) await rename(join(archive, name), join(archive, name.replaceAll('%3a', '.')));
  }
  const debs = (await readdir(archive)).filter((name) => name.endsWith('.deb')).sort();
  const files: BundleManifest['files'] = [];
  const index: string[] = [];
  for (const name of debs) {
    const path = join(archive, name);
    const [sha256, { size: bytes }] = await Promise.all([hashFile(path), stat(path)]);
    files.push({ name, bytes, sha256 });
    const control = (await runCommand('dpkg-deb', ['--field', path])).trim();
    index.push(`${control}\nFilename: ./${name}\nSize: ${bytes}\nSHA256: ${sha256}\n`);
  }
  const packagesPath = join(archive, 'Packages');
  await writeFile(packagesPath, index.join('\n'));
  files.push({
    name: 'Packages',
    bytes: (await stat(packagesPath)).size,
    sha256: await hashFile(packagesPath),
  });
  const manifest: BundleManifest = {
    formatVersion: 1,
    suite: options.suite,
    architecture: options.architecture,
    created: rfc3339(options.clock.now()),
    files,
  };
  const temporary = `${options.output}.new`;
  const output = tar.pack();
  const writing = pipeline(output, createWriteStream(temporary));
  output.entry({ name: MANIFEST_NAME }, `${JSON.stringify(manifest, null, 2)}\n`);
  for (const { name, bytes } of files) {
    await pipeline(createReadStream(join(archive, name)), output.entry({ name, size: bytes }));
  }
  output.finalize();
  await writing;
  await rename(temporary, options.output);
  return manifest;
}
