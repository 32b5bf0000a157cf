import type { Pod, PodCondition } from '../../api/gen/types/core-v1.ts';
import { metaOf, uidOf } from './meta.ts';

function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

export function isPodTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Counts as a replica: neither finished nor being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && !metaOf(pod).deletionTimestamp;
}

/** Ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  return availableInMs(pod, minReadySeconds, nowMs) === 0;
}

/** How long until the pod counts as available if nothing changes; undefined while it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds <= 0) return 0;
  if (!ready.lastTransitionTime) return undefined;
  return Math.max(0, Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 - nowMs);
}

const PHASE_RANK: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * Orders pods so that those to delete first come first. Mirrors ActivePodsWithRanks of
 * pkg/controller/controller_utils.go: unassigned, then pending, then not ready, then cheaper by annotation,
 * then doubled up on a node (`ranks`: related pods on the same node), then the younger and the less stable.
 */
export function deletionOrder(ranks: ReadonlyMap<string, number>, nowMs: number): (a: Pod, b: Pod) => number {
  return (a, b) =>
    number(Boolean(a.spec?.nodeName)) - number(Boolean(b.spec?.nodeName)) ||
    phaseRank(a) - phaseRank(b) ||
    number(isPodReady(a)) - number(isPodReady(b)) ||
    deletionCost(a) - deletionCost(b) ||
    (ranks.get(uidOf(b)) ?? 0) - (ranks.get(uidOf(a)) ?? 0) ||
    youngerFirst(readySince(a), readySince(b), a, b, nowMs) ||
    maxRestarts(b) - maxRestarts(a) ||
    youngerFirst(metaOf(a).creationTimestamp, metaOf(b).creationTimestamp, a, b, nowMs);
}

const number = (value: boolean): number => (value ? 1 : 0);

function phaseRank(pod: Pod): number {
  return PHASE_RANK[pod.status?.phase ?? 'Pending'] ?? 0;
}

function deletionCost(pod: Pod): number {
  const cost = Number(metaOf(pod).annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0);
  return Number.isInteger(cost) ? cost : 0;
}

function readySince(pod: Pod): string | undefined {
  return isPodReady(pod) ? podCondition(pod, 'Ready')?.lastTransitionTime : undefined;
}

function maxRestarts(pod: Pod): number {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  return Math.max(0, ...statuses.map(({ restartCount }) => restartCount ?? 0));
}

/**
 * An unknown time counts as youngest. Ages are compared by their order of magnitude, and the uid decides
 * within one, so that scaling down does not always hit the newest pods of a rollout.
 */
function youngerFirst(
  a: string | undefined,
  b: string | undefined,
  podA: Pod,
  podB: Pod,
  nowMs: number,
): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  const [x, y] = [magnitude(a, nowMs), magnitude(b, nowMs)];
  if (x !== y) return x - y;
  return uidOf(podA) < uidOf(podB) ? -1 : 1;
}

function magnitude(time: string, nowMs: number): number {
  const ageNs = Math.max(0, nowMs - Date.parse(time)) * 1e6;
  return ageNs > 0 ? Math.floor(Math.log2(ageNs)) : 0;
}
