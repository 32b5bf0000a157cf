import type { DaemonSet, DaemonSetStatus } from '../../api/gen/types/apps-v1.ts';
import type { Node, Pod } from '../../api/gen/types/core-v1.ts';
import { scaledValue } from '../deployment/fenceposts.ts';
import { hashOf } from '../shared/history.ts';
import { byCreation, metaOf, nameOf } from '../shared/meta.ts';
import { isPodAvailable, isPodReady } from '../shared/pod-status.ts';
import { fitOf } from './placement.ts';

export interface DaemonInput {
  daemonSet: DaemonSet;
  nodes: readonly Node[];
  podsByNode: ReadonlyMap<string, readonly Pod[]>;
  /** Of the present template. */
  hash: string;
  nowMs: number;
}

export interface DaemonPlan {
  /** Names of nodes that need a pod. */
  create: string[];
  delete: Pod[];
  /** Of these, pods that failed: their nodes wait for a back-off. */
  failed: Pod[];
}

/** Which pods to make and to delete so that each node has its one. Mirrors daemon/daemon_controller.go. */
export function planDaemons(input: DaemonInput): DaemonPlan {
  const plan: DaemonPlan = { create: [], delete: [], failed: [] };
  const { surge } = limitsOf(input);
  const known = new Set(input.nodes.map(nameOf));
  for (const node of input.nodes) {
    const pods = input.podsByNode.get(nameOf(node)) ?? [];
    const { run, stay } = fitOf(input.daemonSet, node);
    if (!stay) plan.delete.push(...pods.filter(isKept));
    if (!run) continue;
    const ended = pods.filter(
      (pod) => isKept(pod) && (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded'),
    );
    plan.failed.push(...ended.filter((pod) => pod.status?.phase === 'Failed'));
    plan.delete.push(...ended.filter((pod) => pod.status?.phase === 'Succeeded'));
    const running = pods.filter((pod) => isKept(pod) && !ended.includes(pod));
    if (pods.length === 0) plan.create.push(nameOf(node));
    else if (running.length > 1) plan.delete.push(...surplus(running, input, surge > 0));
  }
  // A pod that was bound to a node which is gone is the pod collector's; one that waits for it is ours.
  for (const [node, pods] of input.podsByNode)
    if (!known.has(node)) plan.delete.push(...pods.filter((pod) => isKept(pod) && !pod.spec?.nodeName));
  return plan;
}

/** With a surge an old and a new pod may be side by side until the new one is available. */
function surplus(running: readonly Pod[], { daemonSet, hash, nowMs }: DaemonInput, surging: boolean): Pod[] {
  const sorted = [...running].sort(
    (a, b) => Number(isPodReady(b)) - Number(isPodReady(a)) || byCreation(a, b),
  );
  if (!surging) return sorted.slice(1);
  const [fresh, ...moreFresh] = sorted.filter((pod) => hashOf(pod) === hash);
  const [old, ...moreOld] = sorted.filter((pod) => hashOf(pod) !== hash);
  const done =
    old &&
    fresh &&
    (isPodAvailable(fresh, daemonSet.spec?.minReadySeconds ?? 0, nowMs) || !isPodAvailable(old, 0, nowMs));
  return [...moreFresh, ...moreOld, ...(done ? [old] : [])];
}

/** The next step of a rolling update: old pods that go, and nodes that get a new one beside the old. */
export function planUpdate(input: DaemonInput): Pick<DaemonPlan, 'create' | 'delete'> {
  const { daemonSet, hash, nowMs } = input;
  const step: Pick<DaemonPlan, 'create' | 'delete'> = { create: [], delete: [] };
  if (daemonSet.spec?.updateStrategy?.type === 'OnDelete') return step;
  const { surge, unavailable } = limitsOf(input);
  const minReadySeconds = daemonSet.spec?.minReadySeconds ?? 0;
  const available = (pod: Pod): boolean => isPodAvailable(pod, minReadySeconds, nowMs);
  let missing = 0;
  let beside = 0;
  const replaceable: Pod[] = [];
  const besideNodes: string[] = [];
  for (const node of input.nodes) {
    const pods = input.podsByNode.get(nameOf(node)) ?? [];
    if (!fitOf(daemonSet, node).run) continue;
    const fresh = pods.filter((pod) => isKept(pod) && hashOf(pod) === hash);
    const old = pods.filter((pod) => isKept(pod) && hashOf(pod) !== hash);
    const [only] = old;
    if (old.length > 1 || fresh.length > 1) continue;
    if (surge > 0) {
      if (only && fresh.length === 0) {
        // Nothing is lost where the old one does not serve anyway.
        if (available(only)) besideNodes.push(nameOf(node));
        else step.create.push(nameOf(node));
      } else if (only) beside++;
    } else if (!only) {
      if (!fresh.some(available)) missing++;
    } else if (fresh.length === 0) {
      if (available(only)) replaceable.push(only);
      else {
        missing++;
        step.delete.push(only);
      }
    }
  }
  step.delete.push(...replaceable.slice(0, Math.max(0, unavailable - missing)));
  step.create.push(...besideNodes.slice(0, Math.max(0, surge - beside - step.create.length)));
  return step;
}

function limitsOf({ daemonSet, nodes }: DaemonInput): { surge: number; unavailable: number } {
  const { maxSurge, maxUnavailable = 1 } = daemonSet.spec?.updateStrategy?.rollingUpdate ?? {};
  const desired = nodes.filter((node) => fitOf(daemonSet, node).run).length;
  const surge = scaledValue(maxSurge, desired, true);
  const unavailable = scaledValue(maxUnavailable, desired, true);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

function isKept(pod: Pod): boolean {
  return !metaOf(pod).deletionTimestamp;
}

export function daemonStatus(input: DaemonInput): DaemonSetStatus {
  const { daemonSet, hash, nowMs } = input;
  const minReadySeconds = daemonSet.spec?.minReadySeconds ?? 0;
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, updated: 0, available: 0 };
  for (const node of input.nodes) {
    const pods = (input.podsByNode.get(nameOf(node)) ?? []).filter(isKept);
    if (!fitOf(daemonSet, node).run) {
      if (pods.length > 0) counts.misscheduled++;
      continue;
    }
    counts.desired++;
    const [pod] = [...pods].sort((a, b) => Number(isPodReady(b)) - Number(isPodReady(a)) || byCreation(a, b));
    if (!pod) continue;
    counts.current++;
    if (isPodReady(pod)) counts.ready++;
    if (isPodAvailable(pod, minReadySeconds, nowMs)) counts.available++;
    if (pods.some((each) => hashOf(each) === hash)) counts.updated++;
  }
  return {
    ...daemonSet.status,
    desiredNumberScheduled: counts.desired,
    currentNumberScheduled: counts.current,
    numberMisscheduled: counts.misscheduled,
    numberReady: counts.ready,
    updatedNumberScheduled: counts.updated,
    numberAvailable: counts.available,
    numberUnavailable: counts.desired - counts.available,
    observedGeneration: metaOf(daemonSet).generation,
  };
}
