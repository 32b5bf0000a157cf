import { mkdir, open, stat } from 'node:fs/promises';
import type { HostPathVolumeSource } from '../../api/gen/types/core-v1.ts';
import { codeOf, SlipwayError } from '../../base/errors.ts';

/** Checks, and where asked makes, what a hostPath names. Mirrors pkg/volume/hostpath/host_path.go. */
export async function prepareHostPath(source: HostPathVolumeSource): Promise<void> {
  const { path, type = '' } = source;
  if (path.split('/').includes('..')) {
    throw new SlipwayError('E_HOST_PATH', `hostPath ${path} must not contain '..'`);
  }
  if (type === '') return;
  const found = await statOf(path);
  if (!found) {
    if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
    else if (type === 'FileOrCreate') await (await open(path, 'a', 0o644)).close();
    else throw new SlipwayError('E_HOST_PATH', `hostPath type check failed: ${path} is not ${article(type)}`);
    return;
  }
  const fits: Record<string, () => boolean> = {
    Directory: () => found.isDirectory(),
    DirectoryOrCreate: () => found.isDirectory(),
    File: () => found.isFile(),
    FileOrCreate: () => found.isFile(),
    Socket: () => found.isSocket(),
    CharDevice: () => found.isCharacterDevice(),
    BlockDevice: () => found.isBlockDevice(),
  };
  const check = fits[type];
  if (!check) throw new SlipwayError('E_HOST_PATH', `${type} is an invalid volume type`);
  if (!check()) {
    throw new SlipwayError('E_HOST_PATH', `hostPath type check failed: ${path} is not ${article(type)}`);
  }
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function article(type: string): string {
  const words: Record<string, string> = {
    Directory: 'a directory',
    DirectoryOrCreate: 'a directory',
    File: 'a file',
    FileOrCreate: 'a file',
    Socket: 'a socket file',
    CharDevice: 'a character device',
    BlockDevice: 'a block device',
  };
  return words[type] ?? type;
}
