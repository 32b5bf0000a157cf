import { readdir, readlink, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { CONTAINER_NAME, POD_UID } from '../containers/labels.ts';
import type { PodCgroups } from '../containers/cgroups.ts';
import { isRuntimeError } from '../cri/runtime-error.ts';
import type { ContainerSummary, CriRuntime } from '../cri/runtime.ts';
import type { KubeletPaths } from '../paths.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import type { RuntimeInventory } from './relist.ts';

export interface HousekeepingOptions {
  runtime: CriRuntime;
  paths: KubeletPaths;
  volumes: VolumeManager;
  cgroups: PodCgroups;
  clock: Clock;
  log: Logger;
  /** Pods that any source knows, whatever their state. */
  known: () => ReadonlySet<string>;
  /** Pods whose worker is not done: theirs is not touched. */
  unfinished: () => ReadonlySet<string>;
}

/** Younger containers are left: they may be on their way to being started. */
const MIN_AGE_MS = 60_000;

/** Removes what ended pods left behind. Mirrors pkg/kubelet/kuberuntime/kuberuntime_gc.go and HandlePodCleanups. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  async run(inventory: RuntimeInventory): Promise<void> {
    await this.#containers(inventory);
    await this.#sandboxes(inventory);
    await this.#folders(inventory);
    await this.#logs();
  }

  /** Of a pod that is still known the newest ended container of each name is kept, for its log and its end. */
  async #containers({ containers }: RuntimeInventory): Promise<void> {
    const { clock, known, paths, runtime, unfinished } = this.#options;
    const now = clock.now();
    const busy = unfinished();
    const groups = new Map<string, ContainerSummary[]>();
    for (const container of containers) {
      const uid = container.labels[POD_UID] ?? '';
      const key = `${uid}/${container.labels[CONTAINER_NAME] ?? container.name}`;
      groups.set(key, [...(groups.get(key) ?? []), container]);
    }
    for (const [key, group] of groups) {
      const uid = key.slice(0, key.indexOf('/'));
      const keep = known().has(uid) || busy.has(uid) ? 1 : 0;
      const ended = group
        .filter(({ state, createdAtMs }) => state !== 'Running' && now - createdAtMs >= MIN_AGE_MS)
        .sort((a, b) => b.createdAtMs - a.createdAtMs);
      for (const { id } of ended.slice(keep)) {
        await this.#quietly('container', id, async () => {
          const { logPath } = await runtime.containerStatus(id);
          await runtime.removeContainer(id);
          await removeLogFiles(logPath);
        });
      }
    }
    await removeDanglingLinks(paths.containerLogs);
  }

  async #sandboxes({ containers, sandboxes }: RuntimeInventory): Promise<void> {
    const { clock, known, runtime, unfinished } = this.#options;
    const busy = unfinished();
    const used = new Set(containers.map(({ podSandboxId }) => podSandboxId));
    const newest = new Map<string, number>();
    for (const { createdAtMs, metadata } of sandboxes) {
      newest.set(metadata.uid, Math.max(newest.get(metadata.uid) ?? 0, createdAtMs));
    }
    for (const { createdAtMs, id, metadata, ready } of sandboxes) {
      if (ready || used.has(id) || clock.now() - createdAtMs < MIN_AGE_MS) continue;
      const kept = known().has(metadata.uid) || busy.has(metadata.uid);
      // The attempt number of the newest one is counted on.
      if (kept && newest.get(metadata.uid) === createdAtMs) continue;
      await this.#quietly('sandbox', id, async () => {
        await runtime.stopPodSandbox(id);
        await runtime.removePodSandbox(id);
      });
    }
  }

  /** Folders and cgroups of pods that nobody knows and that have nothing left in the runtime. */
  async #folders(inventory: RuntimeInventory): Promise<void> {
    const { cgroups, known, paths, unfinished, volumes } = this.#options;
    const running = new Set(
      inventory.containers
        .filter(({ state }) => state === 'Running')
        .map(({ labels }) => labels[POD_UID] ?? ''),
    );
    const isGone = (uid: string) => !known().has(uid) && !unfinished().has(uid) && !running.has(uid);
    for (const uid of await readdir(paths.pods()).catch(() => [] as string[])) {
      if (isGone(uid)) await this.#quietly('pod folder', uid, () => volumes.tearDown(uid));
    }
    for (const uid of await cgroups.uids()) {
      if (isGone(uid)) await this.#quietly('pod cgroup', uid, () => cgroups.remove(uid));
    }
  }

  async #logs(): Promise<void> {
    const { known, paths, unfinished } = this.#options;
    for (const name of await readdir(paths.podLogs).catch(() => [] as string[])) {
      const uid = name.slice(name.lastIndexOf('_') + 1);
      if (known().has(uid) || unfinished().has(uid)) continue;
      const folder = join(paths.podLogs, name);
      await this.#quietly('pod logs', uid, () => rm(folder, { recursive: true, force: true }));
    }
  }

  async #quietly(what: string, id: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (isRuntimeError(error, 'NotFound')) return;
      this.#options.log.debug({ what, id, error: messageOf(error) }, 'left-over not removed yet');
    }
  }
}

async function removeLogFiles(path: string): Promise<void> {
  if (path === '') return;
  const folder = join(path, '..');
  const name = path.slice(path.lastIndexOf('/') + 1);
  for (const entry of await readdir(folder).catch(() => [] as string[])) {
    if (entry === name || entry.startsWith(`${name}.`)) await rm(join(folder, entry), { force: true });
  }
}

async function removeDanglingLinks(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [] as string[])) {
    const link = join(folder, name);
    const target = await readlink(link).catch(() => undefined);
    if (target === undefined) continue;
    const exists = await stat(target).then(
      () => true,
      () => false,
    );
    if (!exists) await rm(link, { force: true });
  }
}
