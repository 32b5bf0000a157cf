import { constants } from 'node:fs';
import { chmod, mkdir, open, readlink, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, SlipwayError } from '../../base/errors.ts';
import type { Mounter } from './mounts.ts';

/** Only names the file: no read permission is needed, nothing is opened for real. */
const O_PATH = 0o10000000;
const FOLLOW_NOTHING = constants.O_NOFOLLOW | O_PATH;

/** Refuses subPaths that leave the volume by their text. Mirrors the messages of makeMounts. */
export function checkSubPath(subPath: string): void {
  if (subPath.startsWith('/')) {
    throw new SlipwayError('E_SUBPATH', `error SubPath \`${subPath}\` must not be an absolute path`);
  }
  if (subPath.split('/').includes('..')) {
    throw new SlipwayError('E_SUBPATH', `unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  }
}

/**
 * Mounts a part of a volume at a place of the kubelet's own, and returns that place. Each step is opened
 * without following links, below the descriptor of the one before, so that a container that swaps a folder
 * for a link cannot lead the mount out of the volume. A missing path is made as a folder.
 * Mirrors pkg/util/../subpath/subpath_linux.go.
 *
 * @param holder the folder under which the mount point is made: '<pod>/volume-subpaths/<volume>/<container>/<index>'.
 */
export async function prepareSubPath(
  volumePath: string,
  subPath: string,
  holder: string,
  mode: number,
  mounter: Mounter,
): Promise<string> {
  const target = await openBeneath(volumePath, subPath, mode);
  try {
    if ((await mounter.under(holder)).includes(holder)) return holder;
    const stat = await target.stat();
    await mkdir(dirname(holder), { recursive: true, mode: 0o750 });
    if (stat.isDirectory()) await mkdir(holder, { recursive: true, mode: 0o750 });
    else await writeFile(holder, '', { mode: 0o640 });
    await mounter.bind(`/proc/${process.pid}/fd/${target.fd}`, holder);
    return holder;
  } finally {
    await target.close();
  }
}

/**
 * Opens a path inside a volume, making folders where nothing is. Links are followed only where they stay in
 * the volume: those of '..data' are the kubelet's own.
 */
export async function openBeneath(root: string, subPath: string, mode: number): Promise<FileHandle> {
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.');
  const trail: FileHandle[] = [await open(root, O_PATH | constants.O_DIRECTORY)];
  try {
    for (let links = 0; parts.length > 0;) {
      const part = parts.shift() as string;
      const here = trail.at(-1) as FileHandle;
      if (part === '..') {
        if (trail.length === 1) throw escape(subPath);
        await trail.pop()?.close();
        continue;
      }
      const next = await openOrMake(here, part, mode, parts.length > 0);
      const stat = await next.stat();
      if (stat.isSymbolicLink()) {
        const link = await readLink(here, part);
        await next.close();
        links += 1;
        if (links > 40 || link.startsWith('/')) throw escape(subPath);
        parts.unshift(...link.split('/').filter((step) => step !== '' && step !== '.'));
        continue;
      }
      trail.push(next);
    }
    return trail.pop() as FileHandle;
  } finally {
    for (const handle of trail) await handle.close();
  }
}

async function openOrMake(
  parent: FileHandle,
  name: string,
  mode: number,
  more: boolean,
): Promise<FileHandle> {
  const path = `/proc/self/fd/${parent.fd}/${name}`;
  try {
    return await open(path, FOLLOW_NOTHING);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  try {
    await mkdir(path, { mode });
    // Against the umask: a pod with fsGroup must be able to write there.
    await chmod(path, mode);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  return open(path, more ? FOLLOW_NOTHING | constants.O_DIRECTORY : FOLLOW_NOTHING);
}

const readLink = (parent: FileHandle, name: string): Promise<string> =>
  readlink(join(`/proc/self/fd/${parent.fd}`, name));

const escape = (subPath: string) =>
  new SlipwayError('E_SUBPATH', `subPath "${subPath}" leads out of its volume`);
