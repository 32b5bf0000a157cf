import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, Pod, VolumeMount } from '../../api/gen/types/core-v1.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Mount } from '../cri/runtime.ts';
import { expandStrictly } from '../environment/expand.ts';
import { hostNetworkHosts, managedHosts } from '../environment/hosts.ts';
import { podHostname } from '../environment/hostname.ts';
import type { KubeletPaths } from '../paths.ts';
import { isHostNetwork, specOf, uidOf } from '../pods/pod-spec.ts';
import type { Mounter } from '../volumes/mounts.ts';
import { checkSubPath, prepareSubPath } from '../volumes/subpath.ts';
import type { ReadyVolume } from '../volumes/volume-manager.ts';

export interface MountContext {
  paths: KubeletPaths;
  mounter: Mounter;
  clusterDomain: string;
  volumes: ReadonlyMap<string, ReadyVolume>;
  environment: ReadonlyMap<string, string>;
  podIps: string[];
  log: Logger;
}

/** The mounts of a container: its volumes, /etc/hosts, its termination log. Mirrors makeMounts of pkg/kubelet/kubelet_pods.go. */
export async function containerMounts(
  pod: Pod,
  container: Container,
  restartCount: number,
  context: MountContext,
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    mounts.push(await volumeMount(pod, container, mount, index, context));
  }
  const ownHosts = mounts.some(({ containerPath }) => containerPath === '/etc/hosts');
  if (!ownHosts && (isHostNetwork(pod) || context.podIps.length > 0)) {
    mounts.push(await hostsMount(pod, context));
  }
  if (container.terminationMessagePath) {
    mounts.push(await terminationMount(pod, container, restartCount, context.paths));
  }
  return mounts;
}

async function volumeMount(
  pod: Pod,
  container: Container,
  mount: VolumeMount,
  index: number,
  context: MountContext,
): Promise<Mount> {
  const volume = context.volumes.get(mount.name);
  if (!volume) {
    throw new SlipwayError(
      'E_VOLUME',
      `cannot find volume "${mount.name}" to mount into container "${container.name}"`,
    );
  }
  const subPath = subPathOf(mount, context.environment);
  const hostPath =
    subPath === '' ? volume.path : await subPathMount(pod, container, mount, index, subPath, volume, context);
  return {
    containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
    hostPath,
    readonly: (mount.readOnly ?? false) || volume.readOnly,
    selinuxRelabel: false,
    propagation:
      mount.mountPropagation === 'Bidirectional'
        ? 'PROPAGATION_BIDIRECTIONAL'
        : mount.mountPropagation === 'HostToContainer'
          ? 'PROPAGATION_HOST_TO_CONTAINER'
          : 'PROPAGATION_PRIVATE',
  };
}

function subPathOf(mount: VolumeMount, environment: ReadonlyMap<string, string>): string {
  let subPath = mount.subPath ?? '';
  if (mount.subPathExpr) {
    const { text, missing } = expandStrictly(mount.subPathExpr, (name) => environment.get(name));
    if (missing.length > 0) {
      throw new SlipwayError(
        'E_SUBPATH',
        `missing value for "${missing.join('", "')}" in subPathExpr ${mount.subPathExpr}`,
      );
    }
    subPath = text;
  }
  if (subPath !== '') checkSubPath(subPath);
  return subPath;
}

async function subPathMount(
  pod: Pod,
  container: Container,
  mount: VolumeMount,
  index: number,
  subPath: string,
  volume: ReadyVolume,
  context: MountContext,
): Promise<string> {
  const holder = join(context.paths.subpaths(uidOf(pod)), mount.name, container.name, String(index));
  try {
    const mode = (await stat(volume.path)).mode & 0o7777;
    // A container that starts again gets what the path names now.
    for (const point of await context.mounter.under(holder)) await context.mounter.unmount(point);
    return await prepareSubPath(volume.path, subPath, holder, mode, context.mounter);
  } catch (error) {
    // The cause would tell the user about the host's file system: it stays in this log.
    context.log.warn(
      { container: container.name, volume: mount.name, error: messageOf(error) },
      'subPath failed',
    );
    throw new SlipwayError(
      'E_SUBPATH',
      `failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}"`,
      { cause: error },
    );
  }
}

async function hostsMount(pod: Pod, context: MountContext): Promise<Mount> {
  const aliases = specOf(pod).hostAliases ?? [];
  const { hostname, domain } = podHostname(pod, context.clusterDomain);
  const text = isHostNetwork(pod)
    ? hostNetworkHosts(await readFile('/etc/hosts', 'utf8').catch(() => ''), aliases)
    : managedHosts(context.podIps, hostname, domain, aliases);
  const hostPath = context.paths.etcHosts(uidOf(pod));
  // Written in place: running containers have this file mounted.
  await writeFile(hostPath, text, { mode: 0o644 });
  await chmod(hostPath, 0o644);
  return plainMount('/etc/hosts', hostPath);
}

async function terminationMount(
  pod: Pod,
  container: Container,
  restartCount: number,
  paths: KubeletPaths,
): Promise<Mount> {
  const folder = paths.container(uidOf(pod), container.name);
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const hostPath = join(folder, `termination-log-${restartCount}`);
  await writeFile(hostPath, '');
  // Any user of the container may leave a message.
  await chmod(hostPath, 0o666);
  return plainMount(container.terminationMessagePath ?? '', hostPath);
}

const plainMount = (containerPath: string, hostPath: string): Mount => ({
  containerPath,
  hostPath,
  readonly: false,
  selinuxRelabel: false,
  propagation: 'PROPAGATION_PRIVATE',
});
