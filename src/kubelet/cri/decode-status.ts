import * as gen from './gen/types.ts';
import { RuntimeError } from './runtime-error.ts';
import type {
  ContainerState,
  ContainerStats,
  ContainerStatusInfo,
  ContainerSummary,
  Image,
  NamespaceMode,
  PodSandbox,
  PodSandboxStatus,
} from './runtime.ts';

/** api.proto's shapes in the names and units of runtime.ts. */
const STATES: ContainerState[] = ['Created', 'Running', 'Exited', 'Unknown'];
const MODES: NamespaceMode[] = ['POD', 'CONTAINER', 'NODE', 'TARGET'];

/** Nanoseconds (a bigint beyond 2^53) to milliseconds. */
const milliseconds = (nanoseconds: number | bigint): number => Math.floor(Number(nanoseconds) / 1e6);

/** A count that may be a bigint at run time; 0 where absent. */
export const count = (value: number | bigint | undefined): number => Number(value ?? 0);

export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new RuntimeError('Unknown', `the runtime tells no status of ${what}`);
  return value;
}

/** Decoded bytes, whether the codec gives a Buffer or nothing for an empty field. */
export const bytes = (value: Uint8Array | string | undefined): Buffer =>
  typeof value === 'string' ? Buffer.from(value, 'base64') : Buffer.from(value ?? []);

type SandboxFields = Pick<
  gen.PodSandbox,
  'id' | 'metadata' | 'state' | 'created_at' | 'labels' | 'annotations'
>;

export function toSandbox(sandbox: SandboxFields): PodSandbox {
  return {
    id: sandbox.id,
    metadata: {
      name: sandbox.metadata?.name ?? '',
      uid: sandbox.metadata?.uid ?? '',
      namespace: sandbox.metadata?.namespace ?? '',
      attempt: sandbox.metadata?.attempt ?? 0,
    },
    ready: sandbox.state === gen.PodSandboxState.SANDBOX_READY,
    createdAtMs: milliseconds(sandbox.created_at),
    labels: sandbox.labels,
    annotations: sandbox.annotations,
  };
}

export function toSandboxStatus(status: gen.PodSandboxStatus): PodSandboxStatus {
  const network = status.network;
  const ips = network?.ip ? [network.ip, ...(network.additional_ips ?? []).map(({ ip }) => ip)] : [];
  return {
    ...toSandbox(status),
    ips,
    networkMode: MODES[status.linux?.namespaces?.options?.network ?? 0] ?? 'POD',
  };
}

export function toContainer(container: gen.Container): ContainerSummary {
  return {
    id: container.id,
    podSandboxId: container.pod_sandbox_id,
    name: container.metadata?.name ?? '',
    attempt: container.metadata?.attempt ?? 0,
    imageRef: container.image_ref,
    state: STATES[container.state] ?? 'Unknown',
    createdAtMs: milliseconds(container.created_at),
    labels: container.labels,
    annotations: container.annotations,
  };
}

export function toContainerStatus(status: gen.ContainerStatus): ContainerStatusInfo {
  return {
    id: status.id,
    name: status.metadata?.name ?? '',
    state: STATES[status.state] ?? 'Unknown',
    createdAtMs: milliseconds(status.created_at),
    startedAtMs: milliseconds(status.started_at),
    finishedAtMs: milliseconds(status.finished_at),
    exitCode: status.exit_code,
    image: status.image?.image ?? '',
    imageRef: status.image_ref,
    reason: status.reason,
    message: status.message,
    labels: status.labels,
    annotations: status.annotations,
    mounts: status.mounts.map((mount) => ({
      containerPath: mount.container_path,
      hostPath: mount.host_path,
    })),
    logPath: status.log_path,
  };
}

export function toImage(image: gen.Image): Image {
  return {
    id: image.id,
    repoTags: image.repo_tags,
    repoDigests: image.repo_digests,
    sizeBytes: count(image.size),
    ...(image.uid ? { uid: count(image.uid.value) } : {}),
    username: image.username,
    pinned: image.pinned,
  };
}

export function toStats(stats: gen.ContainerStats): ContainerStats {
  return {
    id: stats.attributes?.id ?? '',
    labels: stats.attributes?.labels ?? {},
    timestampMs: milliseconds(stats.cpu?.timestamp ?? stats.memory?.timestamp ?? 0),
    cpuNanoSeconds: count(stats.cpu?.usage_core_nano_seconds?.value),
    memoryWorkingSetBytes: count(stats.memory?.working_set_bytes?.value),
    memoryUsageBytes: count(stats.memory?.usage_bytes?.value),
    memoryRssBytes: count(stats.memory?.rss_bytes?.value),
    writableLayerBytes: count(stats.writable_layer?.used_bytes?.value),
    writableLayerInodes: count(stats.writable_layer?.inodes_used?.value),
  };
}
