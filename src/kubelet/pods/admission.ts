import type { Pod } from '../../api/gen/types/core-v1.ts';
import { isHostNetwork, specOf, uidOf } from './pod-spec.ts';
import { podResources } from '../containers/resources.ts';
import { bytesOf, milliOf } from './quantities.ts';

export interface Rejection {
  reason: string;
  message: string;
}

/** Sysctls that stay inside the pod's own namespaces. Mirrors pkg/kubelet/sysctl/safe_sysctls.go. */
const SAFE_SYSCTLS = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

/**
 * Why this node cannot run the pod beside those it runs: the scheduler may have decided on older facts.
 * Mirrors pkg/kubelet/lifecycle/predicate.go.
 */
export function admissionFailure(
  pod: Pod,
  others: readonly Pod[],
  allocatable: Record<string, string>,
): Rejection | undefined {
  const running = others.filter((other) => uidOf(other) !== uidOf(pod));
  return sysctlFailure(pod) ?? portFailure(pod, running) ?? resourceFailure(pod, running, allocatable);
}

function sysctlFailure(pod: Pod): Rejection | undefined {
  for (const { name } of specOf(pod).securityContext?.sysctls ?? []) {
    const dotted = name.replaceAll('/', '.');
    const allowed = SAFE_SYSCTLS.has(dotted) && !(isHostNetwork(pod) && dotted.startsWith('net.'));
    if (!allowed)
      return { reason: 'SysctlForbidden', message: `forbidden sysctl: "${name}" not allowlisted` };
  }
  return undefined;
}

function portFailure(pod: Pod, running: readonly Pod[]): Rejection | undefined {
  const taken = running.flatMap(hostPorts);
  const conflict = hostPorts(pod).some((wanted) =>
    taken.some(
      (other) =>
        other.port === wanted.port &&
        other.protocol === wanted.protocol &&
        (other.ip === wanted.ip || other.ip === '0.0.0.0' || wanted.ip === '0.0.0.0'),
    ),
  );
  return conflict ? { reason: 'NodePorts', message: 'Predicate NodePorts failed' } : undefined;
}

function hostPorts(pod: Pod): Array<{ ip: string; port: number; protocol: string }> {
  return specOf(pod).containers.flatMap(({ ports }) =>
    (ports ?? [])
      .filter(({ hostPort }) => (hostPort ?? 0) > 0)
      .map((port) => ({
        ip: port.hostIP || '0.0.0.0',
        port: port.hostPort ?? 0,
        protocol: port.protocol ?? 'TCP',
      })),
  );
}

function resourceFailure(
  pod: Pod,
  running: readonly Pod[],
  allocatable: Record<string, string>,
): Rejection | undefined {
  const maxPods = Number(allocatable.pods ?? 0);
  if (maxPods > 0 && running.length + 1 > maxPods) return outOf('pods', 1, running.length, maxPods);
  const wanted = podResources(pod);
  const used = running.map(podResources);
  const sum = (key: 'cpuMilliRequest' | 'memoryRequestBytes') =>
    used.reduce((total, one) => total + one[key], 0);
  const checks = [
    { name: 'cpu', key: 'cpuMilliRequest', capacity: milliOf(allocatable.cpu) },
    { name: 'memory', key: 'memoryRequestBytes', capacity: bytesOf(allocatable.memory) },
  ] as const;
  for (const { name, key, capacity } of checks) {
    if (wanted[key] > 0 && capacity > 0 && sum(key) + wanted[key] > capacity) {
      return outOf(name, wanted[key], sum(key), capacity);
    }
  }
  return undefined;
}

const outOf = (name: string, requested: number, used: number, capacity: number): Rejection => ({
  reason: `OutOf${name}`,
  message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
});
