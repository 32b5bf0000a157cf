import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { RELEASE_INFO_ASSET, releaseInfo } from '../../src/base/version.ts';
import { bundleProgram } from './bundle.ts';
import { makeExecutable, NODE_FLAGS } from './executable.ts';
import { pauseImage } from './pause-image.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface BuiltFile {
  path: string;
  bytes: number;
}

/**
 * Makes `outDir`/slipway, the one executable for every component and command, its .sha256, and pause.tar,
 * the sandbox image that it also carries. Each file appears whole or not at all, and two builds at once do
 * not meet: each works in a folder of its own. `version`: another one than package.json says.
 */
export async function buildRelease(outDir: string, version = releaseInfo().version): Promise<BuiltFile[]> {
  await mkdir(outDir, { recursive: true });
  const work = await mkdtemp(join(outDir, 'build-'));
  try {
    const made = await buildIn(work, version);
    const files = Object.entries(made).map(async ([name, path]) => {
      await rename(path, join(outDir, name));
      return { path: join(outDir, name), bytes: (await stat(join(outDir, name))).size };
    });
    return await Promise.all(files);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Files by the name that they get, where they lie in the folder of work. */
async function buildIn(work: string, version: string): Promise<Record<string, string>> {
  const release = { ...releaseInfo(), version };
  const pauseTar = join(work, 'pause.tar');
  await writeFile(pauseTar, await pauseImage(release.version, process.arch === 'arm64' ? 'arm64' : 'amd64'));
  const releaseJson = join(work, RELEASE_INFO_ASSET);
  await writeFile(releaseJson, JSON.stringify(release));
  const node = nodeBinary();
  const bundles = await bundleProgram({ root: ROOT, workDir: work, node, nodeFlags: NODE_FLAGS });
  const executable = join(work, 'slipway');
  const assets = {
    ...(await filesBelow('templates')),
    ...bundles.assets,
    [RELEASE_INFO_ASSET]: releaseJson,
    'dist/pause.tar': pauseTar,
  };
  await makeExecutable({ main: bundles.main, assets, node, workDir: work, output: executable });
  const checksum = join(work, 'slipway.sha256');
  await writeFile(checksum, `${await sha256(executable)}  slipway\n`);
  return { slipway: executable, 'slipway.sha256': checksum, 'pause.tar': pauseTar };
}

/** The binary of the package node-linux-<arch>, whose hash is in the lockfile. */
function nodeBinary(): string {
  return join(ROOT, `node_modules/node-linux-${process.arch}/bin/node`);
}

async function filesBelow(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(files.map((file) => [relative(ROOT, file), file]));
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
