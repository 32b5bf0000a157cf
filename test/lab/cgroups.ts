import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';

const ROOT = '/sys/fs/cgroup';
const LAB = 'slipway-lab';
const V1 = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'devices',
  'freezer',
  'blkio',
  'pids',
  'systemd',
  'unified',
];

export type CgroupVersion = 'v1' | 'v2';

export function cgroupVersion(): CgroupVersion {
  return existsSync(join(ROOT, 'cgroup.controllers')) ? 'v2' : 'v1';
}

/** This process's own group in one v1 hierarchy, '' for the root. */
function ownPath(controller: string): string {
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers.replace('name=', '').split(',').includes(controller)) return path === '/' ? '' : path;
  }
  return '';
}

/**
 * The folders, one per hierarchy, below which a lab's servers get their groups. They lie below this process's
 * own group, because where the machine is itself a container its memory is accounted (and limited) there.
 */
export function labGroups(id: string): string[] {
  if (cgroupVersion() === 'v2') return [join(ROOT, LAB, id)];
  return V1.filter((name) => existsSync(join(ROOT, name))).map((name) =>
    join(ROOT, name, ownPath(name), LAB, id),
  );
}

async function makeGroup(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  // A new cpuset is empty, and no process can enter it before it has cpus and memory nodes.
  for (const group of [dirname(dirname(path)), dirname(path), path]) {
    if (!existsSync(join(group, 'cpuset.cpus')) || group === ROOT || cgroupVersion() === 'v2') continue;
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if ((await readFile(join(group, file), 'utf8')).trim() !== '') continue;
      await writeFile(join(group, file), await readFile(join(dirname(group), file), 'utf8'));
    }
    await writeFile(join(group, 'cgroup.clone_children'), '1');
  }
  if (cgroupVersion() === 'v2') {
    for (const group of [ROOT, dirname(dirname(path)), dirname(path)]) {
      const controllers = (await readFile(join(group, 'cgroup.controllers'), 'utf8')).trim().split(' ');
      for (const name of controllers.filter(Boolean)) {
        await writeFile(join(group, 'cgroup.subtree_control'), `+${name}`).catch(() => {}); // some are not delegable
      }
    }
  }
}

/** Makes a server's group in every hierarchy and gives their paths. */
export async function makeServerGroups(groups: readonly string[], server: string): Promise<string[]> {
  const paths = groups.map((group) => join(group, server));
  for (const path of paths) await makeGroup(path);
  return paths;
}

async function removeTree(path: string): Promise<void> {
  if (!existsSync(path)) return;
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeTree(join(path, entry.name));
  }
  await rmdir(path).catch(() => {}); // busy for a moment after its last process: the caller tries again
}

/** Removes a lab's groups, children first. Groups stay busy for a moment after their processes are gone. */
export async function removeGroups(groups: readonly string[]): Promise<string[]> {
  let left = [...groups];
  for (let attempt = 0; attempt < 50 && left.length > 0; attempt++) {
    if (attempt > 0) await systemClock.sleep(100);
    for (const group of left) await removeTree(group);
    left = left.filter((group) => existsSync(group));
  }
  // The folder that all labs share goes with the last of them; it is not empty while another lab runs.
  for (const group of groups) await rmdir(dirname(group)).catch(() => {});
  return left;
}
