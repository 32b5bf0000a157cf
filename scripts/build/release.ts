import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { RELEASE_INFO_ASSET, releaseInfo } from '../../src/base/version.ts';
import { bundleProgram } from './bundle.ts';
import { makeExecutable } from './executable.ts';
import { pauseImage } from './pause-image.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface BuiltFile {
  path: string;
  bytes: number;
}

/**
 * Makes `outDir`/slipway, the one executable for every component and command, its .sha256, and pause.tar,
 * the sandbox image that it also carries. Intermediate files are in `outDir`/build.
 */
export async function buildRelease(outDir: string): Promise<BuiltFile[]> {
  const work = join(outDir, 'build');
  await mkdir(work, { recursive: true });
  const release = releaseInfo();
  const pauseTar = join(outDir, 'pause.tar');
  await writeFile(pauseTar, await pauseImage(release.version, process.arch === 'arm64' ? 'arm64' : 'amd64'));
  const releaseJson = join(work, RELEASE_INFO_ASSET);
  await writeFile(releaseJson, JSON.stringify(release));
  const { main, workers } = await bundleProgram(ROOT, work);
  const output = join(outDir, 'slipway');
  const assets = {
    ...(await filesBelow('templates')),
    ...workers,
    [RELEASE_INFO_ASSET]: releaseJson,
    'dist/pause.tar': pauseTar,
  };
  await makeExecutable({ main, assets, node: nodeBinary(), workDir: work, output });
  await writeFile(`${output}.sha256`, `${await sha256(output)}  slipway\n`);
  return Promise.all([output, pauseTar].map(async (path) => ({ path, bytes: (await stat(path)).size })));
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
