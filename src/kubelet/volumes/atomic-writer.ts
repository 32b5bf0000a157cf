import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { codeOf, SlipwayError } from '../../base/errors.ts';

/** A file of a volume: its content, its mode, and its owner where not root. */
export interface FileProjection {
  data: Buffer;
  mode: number;
  uid?: number;
}

/** Files by relative path, which may have folders: 'a/b.txt'. */
export type Payload = ReadonlyMap<string, FileProjection>;

const DATA = '..data';
const DATA_TMP = '..data_tmp';

/**
 * Writes a volume's files so that a reader sees either all old or all new ones: a folder with a time in its
 * name, and the link '..data' moved onto it at once. Mirrors pkg/volume/util/atomic_writer.go.
 *
 * @param setPermissions prepares the new folder before it is shown: owners and modes for fsGroup.
 * @returns whether anything changed.
 */
export async function writeAtomically(
  target: string,
  payload: Payload,
  clock: Clock,
  setPermissions: (folder: string) => Promise<void>,
): Promise<boolean> {
  for (const path of payload.keys()) validatePath(path);
  const oldFolder = await linkTarget(join(target, DATA));
  const oldPaths = oldFolder === undefined ? new Set<string>() : await pathsIn(join(target, oldFolder));
  if (oldFolder !== undefined && (await isCurrent(join(target, oldFolder), oldPaths, payload))) {
    // A crash may have come between moving '..data' and the rest.
    await showNames(target, payload);
    await removeStale(target, payload, oldFolder);
    return false;
  }
  const folder = await makeFolder(target, clock);
  await writeFiles(join(target, folder), payload);
  await setPermissions(join(target, folder));
  await rm(join(target, DATA_TMP), { force: true });
  await symlink(folder, join(target, DATA_TMP));
  await rename(join(target, DATA_TMP), join(target, DATA));
  await showNames(target, payload);
  await removeStale(target, payload, folder);
  return true;
}

function validatePath(path: string): void {
  const parts = path.split('/');
  const bad =
    path === '' ||
    path.startsWith('/') ||
    parts.includes('..') ||
    (parts[0] ?? '').startsWith('..') ||
    path.length > 4096 ||
    parts.some((part) => part.length > 255);
  if (bad) {
    throw new SlipwayError('E_VOLUME_PATH', `invalid path "${path}": it must be relative, without '..'`);
  }
}

async function isCurrent(folder: string, oldPaths: Set<string>, payload: Payload): Promise<boolean> {
  if (oldPaths.size !== payload.size) return false;
  for (const [path, { data }] of payload) {
    if (!oldPaths.has(path)) return false;
    const old = await readFile(join(folder, path)).catch(() => undefined);
    if (!old?.equals(data)) return false;
  }
  return true;
}

async function makeFolder(target: string, clock: Clock): Promise<string> {
  const stamp = new Date(clock.now()).toISOString().slice(0, 19).replace(/[-:T]/g, '_');
  for (let serial = Math.floor(clock.monotonicMs()) % 1_000_000_000; ; serial += 1) {
    const name = `..${stamp}.${serial}`;
    try {
      await mkdir(join(target, name), { mode: 0o755 });
      await chmod(join(target, name), 0o755);
      return name;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

async function writeFiles(folder: string, payload: Payload): Promise<void> {
  for (const [path, { data, mode, uid }] of payload) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFile(file, data, { mode });
    // The process's umask must not take away what the pod asks for.
    await chmod(file, mode);
    if (uid !== undefined) await chown(file, uid, 0);
  }
}

/** The names a pod sees: links into '..data', one for each first part of a path. */
async function showNames(target: string, payload: Payload): Promise<void> {
  for (const name of topNames(payload)) {
    const link = join(target, name);
    if ((await linkTarget(link)) === `${DATA}/${name}`) continue;
    await rm(link, { force: true, recursive: true });
    await symlink(`${DATA}/${name}`, link);
  }
}

async function removeStale(target: string, payload: Payload, keep: string): Promise<void> {
  const names = topNames(payload);
  for (const entry of await readdir(target)) {
    if (entry === DATA || entry === keep) continue;
    if (entry.startsWith('..') || !names.has(entry)) {
      await rm(join(target, entry), { recursive: true, force: true });
    }
  }
}

const topNames = (payload: Payload): Set<string> =>
  new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path));

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}

async function pathsIn(folder: string, prefix = ''): Promise<Set<string>> {
  const paths = new Set<string>();
  for (const name of await readdir(join(folder, prefix)).catch(() => [] as string[])) {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    if ((await lstat(join(folder, path))).isDirectory()) {
      for (const inner of await pathsIn(folder, path)) paths.add(inner);
    } else paths.add(path);
  }
  return paths;
}
