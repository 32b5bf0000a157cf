import type { Container, Pod } from '../../api/gen/types/core-v1.ts';
import type { LinuxContainerResources } from '../cri/runtime.ts';
import { initContainers, isSidecar, specOf } from '../pods/pod-spec.ts';
import { podQos } from '../pods/qos.ts';
import { bytesOf, milliOf } from '../pods/quantities.ts';

const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
const PERIOD_US = 100_000;
const MIN_QUOTA_US = 1000;
const MIN_BURSTABLE_SCORE = 3;
const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;

/** cgroup v1's cpu.shares of milli-CPUs; runc turns it into v2's cpu.weight. */
export function sharesOf(milliCpu: number): number {
  if (milliCpu === 0) return MIN_SHARES;
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milliCpu * 1024) / 1000)));
}

/** Microseconds of CPU in each period of 100 ms; 0 for no limit. */
export function quotaOf(milliCpu: number): number {
  if (milliCpu === 0) return 0;
  return Math.max(MIN_QUOTA_US, Math.floor((milliCpu * PERIOD_US) / 1000));
}

/** Mirrors generateLinuxContainerResources of pkg/kubelet/kuberuntime/kuberuntime_container_linux.go. */
export function containerResources(
  pod: Pod,
  container: Container,
  memoryCapacityBytes: number,
): LinuxContainerResources {
  const { requests, limits } = container.resources ?? {};
  const podLimits = specOf(pod).resources?.limits;
  const cpuLimit = milliOf(limits?.cpu ?? podLimits?.cpu);
  const cpuRequest = requests?.cpu === undefined ? milliOf(limits?.cpu) : milliOf(requests.cpu);
  return {
    cpuShares: sharesOf(cpuRequest),
    cpuPeriod: PERIOD_US,
    cpuQuota: quotaOf(cpuLimit),
    memoryLimitInBytes: bytesOf(limits?.memory ?? podLimits?.memory),
    oomScoreAdj: oomScoreAdj(pod, container, memoryCapacityBytes),
  };
}

/** The higher, the sooner the kernel kills it. Mirrors pkg/kubelet/qos/policy.go. */
export function oomScoreAdj(pod: Pod, container: Container, memoryCapacityBytes: number): number {
  if ((specOf(pod).priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY) return -997;
  const qos = podQos(pod);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort' || memoryCapacityBytes <= 0) return 1000;
  const requestOf = (one: Container) => bytesOf(one.resources?.requests?.memory);
  const scoreOf = (bytes: number) => 1000 - Math.floor((1000 * bytes) / memoryCapacityBytes);
  let score = scoreOf(requestOf(container));
  const sidecar = initContainers(pod).some((one) => one.name === container.name && isSidecar(one));
  // A sidecar must not be killed before the containers it serves.
  if (sidecar) score = Math.min(score, scoreOf(Math.min(...specOf(pod).containers.map(requestOf))));
  // Between Guaranteed and BestEffort, whatever the share of memory.
  if (score < MIN_BURSTABLE_SCORE) return MIN_BURSTABLE_SCORE;
  return score >= 1000 ? 999 : score;
}

export interface PodResources {
  cpuMilliRequest: number;
  cpuMilliLimit: number;
  memoryRequestBytes: number;
  memoryLimitBytes: number;
}

/** What the pod's own cgroup holds: sums over containers, the largest init container, overhead; 0 for no limit. */
export function podResources(pod: Pod): PodResources {
  const spec = specOf(pod);
  const sum = { cpuMilliRequest: 0, cpuMilliLimit: 0, memoryRequestBytes: 0, memoryLimitBytes: 0 };
  let cpuLimited = true;
  let memoryLimited = true;
  const sidecars = initContainers(pod).filter(isSidecar);
  for (const container of [...spec.containers, ...sidecars]) {
    const one = requirementsOf(container);
    if (one.cpuMilliLimit === 0) cpuLimited = false;
    if (one.memoryLimitBytes === 0) memoryLimited = false;
    for (const key of Object.keys(sum) as Array<keyof PodResources>) sum[key] += one[key];
  }
  for (const container of initContainers(pod).filter((one) => !isSidecar(one))) {
    const one = requirementsOf(container);
    if (one.cpuMilliLimit === 0) cpuLimited = false;
    if (one.memoryLimitBytes === 0) memoryLimited = false;
    for (const key of Object.keys(sum) as Array<keyof PodResources>) sum[key] = Math.max(sum[key], one[key]);
  }
  const level = requirementsOf({ name: '', resources: spec.resources });
  const overhead = { cpu: milliOf(spec.overhead?.cpu), memory: bytesOf(spec.overhead?.memory) };
  const cpuLimit = level.cpuMilliLimit || (cpuLimited ? sum.cpuMilliLimit : 0);
  const memoryLimit = level.memoryLimitBytes || (memoryLimited ? sum.memoryLimitBytes : 0);
  return {
    cpuMilliRequest: (level.cpuMilliRequest || sum.cpuMilliRequest) + overhead.cpu,
    cpuMilliLimit: cpuLimit === 0 ? 0 : cpuLimit + overhead.cpu,
    memoryRequestBytes: (level.memoryRequestBytes || sum.memoryRequestBytes) + overhead.memory,
    memoryLimitBytes: memoryLimit === 0 ? 0 : memoryLimit + overhead.memory,
  };
}

function requirementsOf(container: Container): PodResources {
  const { requests, limits } = container.resources ?? {};
  return {
    cpuMilliRequest: milliOf(requests?.cpu ?? limits?.cpu),
    cpuMilliLimit: milliOf(limits?.cpu),
    memoryRequestBytes: bytesOf(requests?.memory ?? limits?.memory),
    memoryLimitBytes: bytesOf(limits?.memory),
  };
}
