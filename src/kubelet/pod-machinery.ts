import type { Pod, Service } from '../api/gen/types/core-v1.ts';
import { SlipwayError } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { Informer } from '../client/informer.ts';
import { PodCgroups } from './containers/cgroups.ts';
import { ContainerStarter } from './containers/container-starter.ts';
import { HookRunner } from './containers/hooks.ts';
import type { CriRuntime, RuntimeVersion } from './cri/runtime.ts';
import { wantsServiceLinks, type EnvironmentContext } from './environment/environment.ts';
import type { DnsSettings } from './environment/resolv-conf.ts';
import { serviceVariables } from './environment/service-variables.ts';
import type { PodEvents } from './events.ts';
import { ImagePuller } from './images/image-puller.ts';
import { KubeletPaths } from './paths.ts';
import { ContainerKiller } from './pods/container-killer.ts';
import { CrashBackoff } from './pods/crash-backoff.ts';
import { PodExecutor } from './pods/pod-executor.ts';
import { isStaticPod, namespaceOf, uidOf } from './pods/pod-spec.ts';
import { PodSyncer } from './pods/pod-syncer.ts';
import { PodWorkers } from './pods/pod-workers.ts';
import { RuntimeReader } from './pods/runtime-reader.ts';
import { ProbeManager } from './probes/probe-manager.ts';
import { ProbeRunner } from './probes/prober.ts';
import { StatusManager } from './status/status-manager.ts';
import { hostMounter, type Mounter } from './volumes/mounts.ts';
import { ObjectCache } from './volumes/object-cache.ts';
import { TokenManager } from './volumes/token-manager.ts';
import { VolumeContents } from './volumes/volume-contents.ts';
import { VolumeManager } from './volumes/volume-manager.ts';

export interface MachineryOptions {
  client: Client;
  runtime: CriRuntime;
  version: RuntimeVersion;
  events: PodEvents;
  clock: Clock;
  log: Logger;
  rootDir: string;
  podLogsDir?: string;
  containerLogsDir?: string;
  clusterDomain: string;
  hostIps: () => string[];
  allocatable: () => Record<string, string>;
  memoryCapacityBytes: number;
  networkProblem: () => string | undefined;
  services: () => Informer<Service>;
  dns: () => Promise<DnsSettings>;
  runtimeHandler: (pod: Pod) => Promise<string>;
  /** Default: the host's own mounts and cgroups. */
  mounter?: Mounter;
  cgroupMount?: string;
}

/** What runs pods: workers and all they need, joined. */
export interface PodMachinery {
  workers: PodWorkers;
  status: StatusManager;
  probes: ProbeManager;
  reader: RuntimeReader;
  volumes: VolumeManager;
  cgroups: PodCgroups;
  paths: KubeletPaths;
  stop(): Promise<void>;
}

export function createPodMachinery(options: MachineryOptions): PodMachinery {
  const { client, clock, events, hostIps, log, runtime } = options;
  const mounter = options.mounter ?? hostMounter;
  const paths = new KubeletPaths({
    root: options.rootDir,
    podLogs: options.podLogsDir ?? '/var/log/pods',
    containerLogs: options.containerLogsDir ?? '/var/log/containers',
  });
  const reader = new RuntimeReader(runtime);
  const status = new StatusManager({ client, clock, log });
  const objects = new ObjectCache(client, clock);
  const tokens = new TokenManager({ client, clock, log });
  const cgroups = new PodCgroups({ log, ...(options.cgroupMount ? { mount: options.cgroupMount } : {}) });
  const podIps = (pod: Pod) => (status.get(uidOf(pod))?.podIPs ?? []).map(({ ip }) => ip ?? '');
  const context = (pod: Pod) => ({
    hostIps: hostIps(),
    podIps: podIps(pod),
    allocatable: options.allocatable(),
  });
  const volumes = new VolumeManager({
    paths,
    mounter,
    clock,
    contents: new VolumeContents({ reader: objects, tokens, context }),
  });
  const { backoff, executor, images, killer } = containerParts(options, { mounter, objects, paths });
  const probes = new ProbeManager({
    runner: new ProbeRunner({ runtime, events, clock, log }),
    status: (uid) => status.get(uid),
    onChange: (uid) => workers.poke(uid),
    clock,
    log,
  });
  const syncer = new PodSyncer({
    ...options,
    runtimeName: options.version.runtimeName,
    reader,
    executor,
    killer,
    volumes,
    cgroups,
    probes,
    status,
    objects,
    paths,
    activePods: () => workers.active(),
    forget: (uid) => {
      tokens.forget(uid);
      images.forget(uid);
      backoff.forget(uid);
      probes.remove(uid);
    },
  });
  const workers: PodWorkers = new PodWorkers({ sync: syncer, clock, log });
  const stop = async () => {
    probes.stop();
    await workers.stop();
    await status.stop();
  };
  return { workers, status, probes, reader, volumes, cgroups, paths, stop };
}

/** What starts and stops containers. */
function containerParts(
  options: MachineryOptions,
  shared: { mounter: Mounter; objects: ObjectCache; paths: KubeletPaths },
) {
  const { clock, events, log, runtime } = options;
  const { mounter, objects, paths } = shared;
  const hooks = new HookRunner(runtime, clock);
  const killer = new ContainerKiller({ runtime, hooks, events, clock, log });
  const images = new ImagePuller({ runtime, events, clock });
  const backoff = new CrashBackoff(clock);
  const starter = new ContainerStarter({
    runtime,
    images,
    hooks,
    killer,
    events,
    paths,
    mounter,
    log,
    clusterDomain: options.clusterDomain,
    memoryCapacityBytes: options.memoryCapacityBytes,
    environment: (pod, ips) => environmentOf(pod, ips, options, objects),
  });
  const executor = new PodExecutor({
    runtime,
    starter,
    killer,
    backoff,
    paths,
    events,
    clock,
    log,
    dns: options.dns,
    runtimeHandler: options.runtimeHandler,
  });
  return { backoff, executor, images, killer };
}

function environmentOf(
  pod: Pod,
  podIps: string[],
  options: MachineryOptions,
  reader: ObjectCache,
): EnvironmentContext {
  const services = options.services();
  if (!services.synced && !isStaticPod(pod)) {
    throw new SlipwayError(
      'E_ENV',
      'services have not yet been read at least once, cannot construct envvars',
    );
  }
  return {
    pod,
    podIps,
    hostIps: options.hostIps(),
    reader,
    services: serviceVariables(services.list(), namespaceOf(pod), wantsServiceLinks(pod)),
    allocatable: options.allocatable(),
  };
}
