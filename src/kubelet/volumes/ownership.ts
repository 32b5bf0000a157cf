import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const SETGID = 0o2000;
const GROUP_READ_WRITE = 0o660;
const GROUP_READ = 0o440;
const EXECUTE = 0o110;

export interface OwnershipOptions {
  gid: number;
  readOnly: boolean;
  /** 'OnRootMismatch' leaves a tree alone whose root is as wanted. */
  changePolicy?: string;
}

/** Gives a volume to a group: its files readable (and writable), its folders passing the group on. Mirrors pkg/volume/volume_linux.go. */
export async function setGroupOwnership(root: string, options: OwnershipOptions): Promise<void> {
  if (options.changePolicy === 'OnRootMismatch' && (await isAsWanted(root, options))) return;
  await apply(root, options);
}

async function isAsWanted(root: string, { gid, readOnly }: OwnershipOptions): Promise<boolean> {
  const stat = await lstat(root);
  const wanted = (readOnly ? GROUP_READ : GROUP_READ_WRITE) | EXECUTE;
  return stat.gid === gid && (stat.mode & SETGID) !== 0 && (stat.mode & wanted) === wanted;
}

async function apply(path: string, options: OwnershipOptions): Promise<void> {
  const stat = await lstat(path);
  // Contents first: a crash then leaves a root that still asks for the work.
  if (stat.isDirectory()) {
    for (const name of await readdir(path)) await apply(join(path, name), options);
  }
  await lchown(path, stat.uid, options.gid);
  if (stat.isSymbolicLink()) return;
  const bits = options.readOnly ? GROUP_READ : GROUP_READ_WRITE;
  const folder = stat.isDirectory() ? SETGID | EXECUTE : 0;
  await chmod(path, (stat.mode & 0o7777) | bits | folder);
}
