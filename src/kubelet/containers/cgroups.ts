import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { codeOf, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { CGROUP_ROOT, podCgroup, qosCgroup } from './cgroup-names.ts';
import { podResources, quotaOf, sharesOf } from './resources.ts';

/** The controllers of v1 whose files the kubelet writes; runc makes the directories of the others. */
const V1_CONTROLLERS = ['cpu', 'memory', 'pids'];

/** cpu.shares 2 to 262144 as cpu.weight 1 to 10000: runc's formula. */
export const weightOf = (shares: number): number => 1 + Math.floor(((shares - 2) * 9999) / 262_142);

/**
 * The kubepods hierarchy with the cgroupfs driver, on cgroup v1 and v2: QoS classes and a cgroup for each pod
 * with its limits, removed after the pod. Mirrors pkg/kubelet/cm.
 */
export class PodCgroups {
  readonly #mount: string;
  readonly #log: Logger;
  #version: 1 | 2 | undefined;

  constructor(options: { mount?: string; log: Logger }) {
    this.#mount = options.mount ?? '/sys/fs/cgroup';
    this.#log = options.log;
  }

  async version(): Promise<1 | 2> {
    if (this.#version === undefined) {
      const entries = await readdir(this.#mount).catch(() => [] as string[]);
      this.#version = entries.includes('cgroup.controllers') ? 2 : 1;
    }
    return this.#version;
  }

  /** Makes the QoS cgroups. */
  async prepare(): Promise<void> {
    for (const path of [CGROUP_ROOT, qosCgroup('Burstable'), qosCgroup('BestEffort')]) await this.#make(path);
    await this.#write(qosCgroup('BestEffort'), 'cpu', 'cpu.shares', '2', 'cpu.weight', '1');
  }

  /** Makes the pod's cgroup and sets its limits; safe to repeat. */
  async ensure(pod: Pod): Promise<void> {
    const path = podCgroup(pod);
    const resources = podResources(pod);
    await this.#make(path);
    const shares = sharesOf(resources.cpuMilliRequest);
    await this.#write(path, 'cpu', 'cpu.shares', String(shares), 'cpu.weight', String(weightOf(shares)));
    const quota = quotaOf(resources.cpuMilliLimit);
    if (quota > 0) {
      await this.#write(path, 'cpu', 'cpu.cfs_quota_us', String(quota), 'cpu.max', `${quota} 100000`);
    }
    const memory = resources.memoryLimitBytes;
    if (memory > 0) {
      await this.#write(
        path,
        'memory',
        'memory.limit_in_bytes',
        String(memory),
        'memory.max',
        String(memory),
      );
    }
  }

  /** Removes the pod's cgroups, children first. Processes that still end are waited for by the next try. */
  async remove(uid: string): Promise<void> {
    for (const root of await this.#roots()) {
      for (const qos of ['', 'burstable', 'besteffort']) {
        await removeTree(join(root, CGROUP_ROOT, qos, `pod${uid}`));
      }
    }
  }

  /** Uids of pods that have a cgroup. */
  async uids(): Promise<Set<string>> {
    const uids = new Set<string>();
    for (const root of await this.#roots()) {
      for (const qos of ['', 'burstable', 'besteffort']) {
        const names = await readdir(join(root, CGROUP_ROOT, qos)).catch(() => [] as string[]);
        for (const name of names) if (/^pod[0-9a-f]{8}-/.test(name)) uids.add(name.slice(3));
      }
    }
    return uids;
  }

  async #roots(): Promise<string[]> {
    if ((await this.version()) === 2) return [this.#mount];
    const names = await readdir(this.#mount).catch(() => [] as string[]);
    return names.map((name) => join(this.#mount, name));
  }

  async #make(path: string): Promise<void> {
    if ((await this.version()) === 1) {
      for (const controller of V1_CONTROLLERS) await this.#mkdir(join(this.#mount, controller), path);
      return;
    }
    await this.#mkdir(this.#mount, path);
    // Children get a controller only where every ancestor passes it on.
    let ancestor = this.#mount;
    for (const part of path.split('/').slice(0, -1)) {
      ancestor = join(ancestor, part);
      await this.#passControllers(ancestor);
    }
    await this.#passControllers(join(this.#mount, path));
  }

  async #passControllers(path: string): Promise<void> {
    const available = (await readFile(join(path, 'cgroup.controllers'), 'utf8').catch(() => '')).trim();
    for (const controller of available.split(' ').filter((name) => name !== '')) {
      await writeFile(join(path, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined);
    }
  }

  /** One folder after the other: Node's recursive mkdir never ends where a kernel's file system refuses one. */
  async #mkdir(root: string, path: string): Promise<void> {
    let folder = root;
    for (const part of path.split('/').filter((name) => name !== '')) {
      folder = join(folder, part);
      try {
        await mkdir(folder);
      } catch (error) {
        if (codeOf(error) === 'EEXIST') continue;
        this.#log.debug({ path: folder, error: messageOf(error) }, 'cgroup not made');
        return;
      }
    }
  }

  async #write(
    path: string,
    controller: string,
    v1File: string,
    v1Value: string,
    v2File: string,
    v2Value: string,
  ): Promise<void> {
    const v2 = (await this.version()) === 2;
    const file = v2 ? join(this.#mount, path, v2File) : join(this.#mount, controller, path, v1File);
    try {
      await writeFile(file, v2 ? v2Value : v1Value);
    } catch (error) {
      // A container's own limits still hold: a host without this controller runs pods all the same.
      this.#log.debug({ file, error: messageOf(error) }, 'cgroup limit not set');
    }
  }
}

async function removeTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(path, entry.name));
  try {
    await rmdir(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EBUSY') throw error;
  }
}
