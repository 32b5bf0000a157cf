import type { Node, NodeAddress, NodeCondition, NodeStatus } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { kubernetesVersion, releaseInfo } from '../../base/version.ts';
import type { Image } from '../cri/runtime.ts';
import type { FileSystemFacts, MachineFacts } from './machine.ts';

const MAX_IMAGES = 50;
/** Memory that is kept from pods, as upstream's hard eviction threshold. */
const MEMORY_RESERVE_BYTES = 100 * 1024 * 1024;

export interface NodeFacts {
  machine: MachineFacts;
  disk: FileSystemFacts;
  memoryAvailableBytes: number;
  runtimeName: string;
  runtimeVersion: string;
  hostname: string;
  nodeIps: string[];
  kubeletPort: number;
  maxPods: number;
  images: Image[];
  /** Why the node is not ready, in sentences; empty where it is. */
  problems: string[];
}

export function nodeAddresses(hostname: string, ips: readonly string[]): NodeAddress[] {
  return [
    ...ips.map((address) => ({ type: 'InternalIP', address })),
    { type: 'Hostname', address: hostname },
  ];
}

export function nodeCapacity(facts: NodeFacts): Record<string, string> {
  const { machine, disk } = facts;
  const capacity: Record<string, string> = {
    cpu: String(machine.cpus),
    memory: `${Math.floor(machine.memoryBytes / 1024)}Ki`,
    pods: String(facts.maxPods),
    'ephemeral-storage': `${Math.floor(disk.capacityBytes / 1024)}Ki`,
  };
  for (const [size, bytes] of Object.entries(machine.hugePages)) {
    capacity[`hugepages-${size}`] = bytes === 0 ? '0' : `${Math.floor(bytes / 1024)}Ki`;
  }
  return capacity;
}

export function nodeAllocatable(facts: NodeFacts): Record<string, string> {
  const { machine, disk } = facts;
  const pages = Object.values(machine.hugePages).reduce((sum, bytes) => sum + bytes, 0);
  const memory = Math.max(0, machine.memoryBytes - MEMORY_RESERVE_BYTES - pages);
  return {
    ...nodeCapacity(facts),
    memory: `${Math.floor(memory / 1024)}Ki`,
    // A tenth of the disk is where eviction begins.
    'ephemeral-storage': String(Math.floor(disk.capacityBytes * 0.9)),
  };
}

/** The node's whole status. Mirrors pkg/kubelet/nodestatus/setters.go. */
export function nodeStatus(facts: NodeFacts, old: NodeStatus, nowMs: number): NodeStatus {
  const { machine } = facts;
  return {
    capacity: nodeCapacity(facts),
    allocatable: nodeAllocatable(facts),
    conditions: nodeConditions(facts, old.conditions ?? [], nowMs),
    addresses: nodeAddresses(facts.hostname, facts.nodeIps),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } },
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.systemUuid,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: `${facts.runtimeName}://${facts.runtimeVersion}`,
      kubeletVersion: kubernetesVersion(releaseInfo().version),
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: architecture(),
    },
    images: facts.images
      .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, MAX_IMAGES)
      .map((image) => ({
        names: [...image.repoDigests, ...image.repoTags].slice(0, 5),
        sizeBytes: image.sizeBytes,
      })),
  };
}

export const architecture = (): string =>
  ({ x64: 'amd64', arm64: 'arm64' })[process.arch as 'x64' | 'arm64'] ?? process.arch;

function nodeConditions(facts: NodeFacts, old: NodeCondition[], nowMs: number): NodeCondition[] {
  const { disk } = facts;
  const lowMemory = facts.memoryAvailableBytes > 0 && facts.memoryAvailableBytes < MEMORY_RESERVE_BYTES;
  const lowDisk =
    disk.availableBytes < disk.capacityBytes * 0.1 ||
    (disk.inodes > 0 && disk.inodesFree < disk.inodes * 0.05);
  const ready = facts.problems.length === 0;
  const wanted: NodeCondition[] = [
    lowMemory
      ? condition(
          'MemoryPressure',
          'True',
          'KubeletHasInsufficientMemory',
          'kubelet has insufficient memory available',
        )
      : condition(
          'MemoryPressure',
          'False',
          'KubeletHasSufficientMemory',
          'kubelet has sufficient memory available',
        ),
    lowDisk
      ? condition('DiskPressure', 'True', 'KubeletHasDiskPressure', 'kubelet has disk pressure')
      : condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    ready
      ? condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status')
      : condition('Ready', 'False', 'KubeletNotReady', facts.problems.join(', ')),
  ];
  const now = rfc3339(nowMs);
  return wanted.map((one) => {
    const before = old.find(({ type }) => type === one.type);
    const same = before?.status === one.status;
    return {
      ...one,
      lastHeartbeatTime: now,
      lastTransitionTime: same ? (before.lastTransitionTime ?? now) : now,
    };
  });
}

const condition = (type: string, status: string, reason: string, message: string): NodeCondition => ({
  type,
  status,
  reason,
  message,
});

/** Whether the two differ in more than the heartbeat: then the API has to know at once. */
export function nodeStatusChanged(a: NodeStatus, b: NodeStatus): boolean {
  return plain(a) !== plain(b);
}

function plain(status: NodeStatus): string {
  const conditions = (status.conditions ?? [])
    .filter(({ type }) => ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].includes(type))
    .map(({ type, status: value, reason, message }) => [type, value, reason, message])
    .sort((x, y) => ((x[0] ?? '') < (y[0] ?? '') ? -1 : 1));
  const sorted = (map: Record<string, string> | undefined) => Object.entries(map ?? {}).sort(byKey);
  return JSON.stringify([
    sorted(status.capacity),
    sorted(status.allocatable),
    conditions,
    (status.addresses ?? []).map(({ type, address }) => [type, address]),
    status.daemonEndpoints?.kubeletEndpoint?.Port,
    Object.entries(status.nodeInfo ?? {})
      .filter(([, value]) => value !== '')
      .sort(byKey),
    (status.images ?? []).map(({ names, sizeBytes }) => [names, sizeBytes]),
  ]);
}

const byKey = (a: [string, unknown], b: [string, unknown]): number => (a[0] < b[0] ? -1 : 1);

/** The labels that every node has. */
export function nodeLabels(hostname: string): Record<string, string> {
  return {
    'kubernetes.io/hostname': hostname,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture(),
    'beta.kubernetes.io/os': 'linux',
    'beta.kubernetes.io/arch': architecture(),
  };
}

/** A node as it is registered. */
export function newNode(
  name: string,
  labels: Record<string, string>,
  taints: NonNullable<Node['spec']>['taints'],
): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels,
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: taints && taints.length > 0 ? { taints } : {},
  };
}
