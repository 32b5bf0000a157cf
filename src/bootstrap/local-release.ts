import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { runCommand } from '../base/command.ts';
import { SlipwayError } from '../base/errors.ts';
import { hashFile } from './hash-file.ts';
import type { Release } from './release.ts';

const ELF_MACHINES: Record<number, string> = { 0x3e: 'x86_64', 0xb7: 'aarch64' };

/**
 * Looks at an executable on this machine and compresses it once: the result is kept in the cache directory under its
 * hash. `ask` runs it for its version. E_EXECUTABLE where it is missing or no Linux executable.
 */
export async function prepareRelease(
  path: string,
  env: NodeJS.ProcessEnv,
  ask: typeof versionOf = versionOf,
): Promise<Release> {
  const cache = cacheDirectory(env);
  const { sha256, version, kubernetes, architecture, bytes } = await lookAt(path, cache, ask);
  const compressedPath = join(cache, `${sha256}.gz`);
  const kept = await access(compressedPath).then(
    () => true,
    () => false,
  );
  if (!kept) {
    await mkdir(cache, { recursive: true });
    const temporary = `${compressedPath}.${process.pid}`;
    // Level 1: three times as fast as the default for a tenth more bytes.
    const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 1 << 18 });
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), gzip, createWriteStream(temporary));
    await rename(temporary, compressedPath);
  }
  const compressedBytes = (await stat(compressedPath)).size;
  return {
    version,
    kubernetes,
    id: `${version}-${sha256.slice(0, 12)}`,
    sha256,
    bytes,
    compressedPath,
    compressedBytes,
    architecture,
  };
}

/** Where executables are kept that can be had again. */
export const cacheDirectory = (env: NodeJS.ProcessEnv): string =>
  join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'slipway');

interface Looked {
  sha256: string;
  version: string;
  kubernetes: string;
  architecture: string;
  bytes: number;
}

/**
 * Hashing and asking an executable takes most of a second, and every command would do it: what was found is remembered for
 * this very file, with its inode, its size and the time of its last change of any kind, which nobody can set.
 */
async function lookAt(path: string, cache: string, ask: typeof versionOf): Promise<Looked> {
  const before = await stampOf(path);
  const file = join(cache, `${createHash('sha256').update(before).digest('hex').slice(0, 32)}.json`);
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Looked;
  } catch {
    // Not looked at yet; what cannot be read is written anew.
  }
  const architecture = await architectureOf(path);
  const { version, kubernetes } = await ask(path);
  const [sha256, { size: bytes }] = await Promise.all([hashFile(path), stat(path)]);
  const looked = { sha256, version, kubernetes, architecture, bytes };
  // A file that changed meanwhile is looked at again by the next command.
  if ((await stampOf(path)) === before) {
    await mkdir(cache, { recursive: true, mode: 0o700 });
    const temporary = `${file}.${process.pid}`;
    await writeFile(temporary, JSON.stringify(looked));
    await rename(temporary, file);
  }
  return looked;
}

async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined) return `${resolve(path)} is missing`;
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  return [resolve(path), dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

async function architectureOf(path: string): Promise<string> {
  const header = Buffer.alloc(20);
  try {
    const file = await open(path);
    try {
      await file.read(header, 0, 20, 0);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new SlipwayError('E_EXECUTABLE', `the executable for the servers is missing: ${path}`, {
      cause,
      hint: 'build it with "npm run build", or name it with --executable',
    });
  }
  const architecture =
    header.toString('latin1', 0, 4) === '\u007fELF' ? ELF_MACHINES[header.readUInt16LE(18)] : undefined;
  if (architecture === undefined) {
    throw new SlipwayError('E_EXECUTABLE', `${path} is no Linux executable for x86_64 or aarch64`, {
      hint: 'build it with "npm run build"',
    });
  }
  return architecture;
}

/** What the executable says of itself: it may be of another version than the one that runs. */
async function versionOf(path: string): Promise<{ version: string; kubernetes: string }> {
  let text: string;
  try {
    text = await runCommand(resolve(path), ['version']);
  } catch (cause) {
    throw new SlipwayError('E_EXECUTABLE', `${path} does not tell its version`, {
      cause,
      hint: 'name an executable of slipway that runs on this machine with --executable',
    });
  }
  const version = /\d+\.\d+\.\d+[-+.\w]*/.exec(text)?.[0];
  const kubernetes = /Kubernetes (\d+\.\d+)/.exec(text)?.[1];
  if (version === undefined || kubernetes === undefined)
    throw new SlipwayError('E_EXECUTABLE', `${path} is not slipway: it answers "${text.trim()}"`);
  return { version, kubernetes };
}
