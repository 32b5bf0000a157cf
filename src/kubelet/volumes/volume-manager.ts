import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod, Volume } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { KubeletPaths } from '../paths.ts';
import { allContainers, specOf, uidOf } from '../pods/pod-spec.ts';
import { bytesOf } from '../pods/quantities.ts';
import { writeAtomically, type Payload } from './atomic-writer.ts';
import { prepareHostPath } from './host-path.ts';
import type { Mounter } from './mounts.ts';
import { setGroupOwnership } from './ownership.ts';
import type { VolumeContents } from './volume-contents.ts';

/** A volume that is ready to be mounted into containers. */
export interface ReadyVolume {
  path: string;
  readOnly: boolean;
}

/** A volume of the pod could not be set up; the message starts as upstream's event does. */
export class VolumeError extends SlipwayError {
  constructor(volume: string, cause: unknown) {
    super('E_VOLUME', `MountVolume.SetUp failed for volume "${volume}" : ${messageOf(cause)}`, { cause });
  }
}

/** Sets up, refreshes and takes down the volumes of pods. Mirrors pkg/kubelet/volumemanager. */
export class VolumeManager {
  readonly #paths: KubeletPaths;
  readonly #contents: VolumeContents;
  readonly #mounter: Mounter;
  readonly #clock: Clock;

  constructor(options: { paths: KubeletPaths; contents: VolumeContents; mounter: Mounter; clock: Clock }) {
    this.#paths = options.paths;
    this.#contents = options.contents;
    this.#mounter = options.mounter;
    this.#clock = options.clock;
  }

  /**
   * Makes every volume that a container mounts, and brings the contents of those that are made from API
   * objects up to date. Safe to repeat. Rejects with VolumeError.
   */
  async setUp(pod: Pod): Promise<Map<string, ReadyVolume>> {
    const used = new Set(
      allContainers(pod).flatMap(({ volumeMounts }) => (volumeMounts ?? []).map(({ name }) => name)),
    );
    const ready = new Map<string, ReadyVolume>();
    for (const volume of specOf(pod).volumes ?? []) {
      if (!used.has(volume.name)) continue;
      try {
        ready.set(volume.name, await this.#setUpOne(pod, volume));
      } catch (error) {
        throw new VolumeError(volume.name, error);
      }
    }
    return ready;
  }

  /** Takes down every mount below the pod's folder, then removes the folder. Safe to repeat. */
  async tearDown(uid: string): Promise<void> {
    const folder = this.#paths.pod(uid);
    for (const point of await this.#mounter.under(folder)) await this.#mounter.unmount(point);
    const left = await this.#mounter.under(folder);
    // Never remove through a mount: what lies below belongs to someone else.
    if (left.length > 0) throw new SlipwayError('E_MOUNT', `still mounted: ${left.join(', ')}`);
    await rm(folder, { recursive: true, force: true });
  }

  /** As tearDown, but keeps what tells of the pod's end: it has ended and is still in the API. */
  async release(uid: string): Promise<void> {
    const folder = this.#paths.pod(uid);
    for (const point of await this.#mounter.under(folder)) await this.#mounter.unmount(point);
    const left = await this.#mounter.under(folder);
    if (left.length > 0) throw new SlipwayError('E_MOUNT', `still mounted: ${left.join(', ')}`);
    await rm(this.#paths.volumes(uid), { recursive: true, force: true });
    await rm(this.#paths.subpaths(uid), { recursive: true, force: true });
  }

  async #setUpOne(pod: Pod, volume: Volume): Promise<ReadyVolume> {
    if (volume.hostPath) {
      await prepareHostPath(volume.hostPath);
      return { path: volume.hostPath.path, readOnly: false };
    }
    if (volume.emptyDir) return { path: await this.#emptyDir(pod, volume), readOnly: false };
    const kind = kindOf(volume);
    if (!kind) {
      const source = Object.keys(volume).find((key) => key !== 'name') ?? 'none';
      throw new SlipwayError('E_VOLUME_KIND', `no volume plugin matched: ${source} is not supported here`);
    }
    const path = this.#paths.volume(uidOf(pod), kind.plugin, volume.name);
    const payload = await this.#payload(pod, volume, path);
    await this.#ready(path, kind.memory, 0);
    if (payload) await this.#write(pod, path, payload);
    return { path, readOnly: true };
  }

  /** undefined where the contents cannot be had now and the older ones are still there: a pod outlives an API server. */
  async #payload(pod: Pod, volume: Volume, path: string): Promise<Payload | undefined> {
    try {
      return await this.#contents.payload(pod, volume);
    } catch (error) {
      const filled = await lstat(join(path, '..data')).catch(() => undefined);
      if (filled) return undefined;
      throw error;
    }
  }

  async #emptyDir(pod: Pod, volume: Volume): Promise<string> {
    const { medium, sizeLimit } = volume.emptyDir ?? {};
    const path = this.#paths.volume(uidOf(pod), 'empty-dir', volume.name);
    const fresh = await this.#ready(path, medium === 'Memory', bytesOf(sizeLimit));
    if (fresh) {
      // World-writable whatever the umask: any user of the pod may use it.
      await chmod(path, 0o777);
    }
    await this.#giveToGroup(pod, path, false, fresh);
    return path;
  }

  /** @returns whether the folder or its memory file system was made now. */
  async #ready(path: string, memory: boolean, sizeBytes: number): Promise<boolean> {
    const made = await mkdir(path, { recursive: true, mode: 0o755 });
    if (!memory) {
      if (made !== undefined) await chmod(path, 0o755);
      return made !== undefined;
    }
    const mounted = (await this.#mounter.under(path)).includes(path);
    if (!mounted) await this.#mounter.tmpfs(path, sizeBytes);
    return !mounted;
  }

  async #write(pod: Pod, path: string, payload: Payload): Promise<void> {
    await writeAtomically(path, payload, this.#clock, (folder) => this.#giveToGroup(pod, folder, true, true));
  }

  async #giveToGroup(pod: Pod, path: string, readOnly: boolean, fresh: boolean): Promise<void> {
    const { fsGroup, fsGroupChangePolicy } = specOf(pod).securityContext ?? {};
    if (fsGroup === undefined || !fresh) return;
    await setGroupOwnership(path, { gid: fsGroup, readOnly, changePolicy: fsGroupChangePolicy });
  }

  /** Where a subPath of a mount is bound. */
  subPathHolder(pod: Pod, volume: string, container: string, index: number): string {
    return join(this.#paths.subpaths(uidOf(pod)), volume, container, String(index));
  }
}

function kindOf(volume: Volume): { plugin: string; memory: boolean } | undefined {
  if (volume.configMap) return { plugin: 'configmap', memory: false };
  // What is secret, or tells of the pod, never reaches a disk.
  if (volume.secret) return { plugin: 'secret', memory: true };
  if (volume.projected) return { plugin: 'projected', memory: true };
  if (volume.downwardAPI) return { plugin: 'downward-api', memory: true };
  return undefined;
}
