import type { ControllerRevision, StatefulSet, StatefulSetStatus } from '../../api/gen/types/apps-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { metaOf, nameOf } from '../shared/meta.ts';
import { isPodAvailable, isPodReady, isPodTerminal } from '../shared/pod-status.ts';
import { ordinalOf, revisionOf } from './stateful-pod.ts';

export interface StatefulInput {
  set: StatefulSet;
  pods: readonly Pod[];
  /** Of the template before the update that is under way; the same as `update` when none is. */
  current: ControllerRevision;
  update: ControllerRevision;
  nowMs: number;
}

export interface StatefulPlan {
  create: Array<{ ordinal: number; revision: ControllerRevision }>;
  delete: Pod[];
}

/**
 * The next writes. In order, one pod at a time and each only when those before it are well, unless the set is
 * Parallel. Mirrors updateStatefulSet of pkg/controller/statefulset/stateful_set_control.go.
 */
export function planStateful(input: StatefulInput): StatefulPlan {
  const plan: StatefulPlan = { create: [], delete: [] };
  const inOrder = input.set.spec?.podManagementPolicy !== 'Parallel';
  const { first, end } = rangeOf(input.set);
  const byOrdinal = new Map(input.pods.map((pod) => [ordinalOf(input.set, pod), pod]));
  for (let ordinal = first; ordinal < end; ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (!pod) plan.create.push({ ordinal, revision: revisionFor(input, ordinal) });
    else if (isPodTerminal(pod) && !isStopping(pod)) plan.delete.push(pod);
    else if (isWell(pod, input)) continue;
    if (inOrder) return plan;
  }
  const surplus = input.pods
    .map((pod) => ({ pod, ordinal: ordinalOf(input.set, pod) ?? -1 }))
    .filter(({ ordinal }) => ordinal < first || ordinal >= end)
    .sort((a, b) => b.ordinal - a.ordinal);
  for (const { pod } of surplus) {
    if (!isStopping(pod)) plan.delete.push(pod);
    if (inOrder) return plan;
  }
  if (plan.create.length + plan.delete.length === 0) plan.delete.push(...nextToUpdate(input, byOrdinal));
  return plan;
}

/** From the last to the first, one at a time; a pod that is not well yet is waited for. */
function nextToUpdate(input: StatefulInput, byOrdinal: ReadonlyMap<number | undefined, Pod>): Pod[] {
  const { type, rollingUpdate } = input.set.spec?.updateStrategy ?? {};
  if (type === 'OnDelete') return [];
  const { first, end } = rangeOf(input.set);
  for (let ordinal = end - 1; ordinal >= first + (rollingUpdate?.partition ?? 0); ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (!pod) return [];
    if (revisionOf(pod) !== nameOf(input.update) && !isStopping(pod)) return [pod];
    if (!isWell(pod, input)) return [];
  }
  return [];
}

/** A pod that has to be made again while an update is under way comes back as what it was. */
function revisionFor({ set, pods, current, update }: StatefulInput, ordinal: number): ControllerRevision {
  if (nameOf(current) === nameOf(update)) return update;
  const { first } = rangeOf(set);
  const partition = set.spec?.updateStrategy?.rollingUpdate?.partition;
  if (partition !== undefined && partition > 0) return ordinal < first + partition ? current : update;
  const old = pods.filter((pod) => revisionOf(pod) === nameOf(current)).length;
  return ordinal < first + old ? current : update;
}

function rangeOf(set: StatefulSet): { first: number; end: number } {
  const first = set.spec?.ordinals?.start ?? 0;
  return { first, end: first + (set.spec?.replicas ?? 1) };
}

function isStopping(pod: Pod): boolean {
  return Boolean(metaOf(pod).deletionTimestamp);
}

function isWell(pod: Pod, { set, nowMs }: StatefulInput): boolean {
  return (
    !isStopping(pod) &&
    pod.status?.phase === 'Running' &&
    isPodAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs)
  );
}

export function statefulStatus(input: StatefulInput): StatefulSetStatus {
  const { set, pods, current, update, nowMs } = input;
  const { first, end } = rangeOf(set);
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const created = pods.filter((pod) => !isPodTerminal(pod));
  const running = created.filter((pod) => pod.status?.phase === 'Running');
  const of = (revision: ControllerRevision): number =>
    created.filter((pod) => !isStopping(pod) && revisionOf(pod) === nameOf(revision)).length;
  const status: StatefulSetStatus = {
    ...set.status,
    observedGeneration: metaOf(set).generation,
    replicas: created.length,
    readyReplicas: running.filter(isPodReady).length,
    availableReplicas: running.filter((pod) => isPodAvailable(pod, minReadySeconds, nowMs)).length,
    currentReplicas: of(current),
    updatedReplicas: of(update),
    currentRevision: nameOf(current),
    updateRevision: nameOf(update),
  };
  // The update is over: what was new is now what is.
  const size = end - first;
  if (status.updatedReplicas === size && status.replicas === size && status.readyReplicas === size) {
    status.currentRevision = nameOf(update);
    status.currentReplicas = status.updatedReplicas;
  }
  return status;
}
