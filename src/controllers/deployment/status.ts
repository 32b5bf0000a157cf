import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../../api/gen/types/apps-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { metaOf, nameOf } from '../shared/meta.ts';
import { allOf, sizeOf, total } from './replica-sets.ts';
import type { Generations } from './replica-sets.ts';
import { maxUnavailable } from './fenceposts.ts';

const NO_DEADLINE = 2 ** 31 - 1;

type Conditions = readonly DeploymentCondition[];

export function hasProgressDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== NO_DEADLINE;
}

export function conditionOf(
  conditions: Conditions | undefined,
  type: string,
): DeploymentCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function newCondition(
  type: string,
  status: string,
  reason: string,
  message: string,
  nowMs: number,
): DeploymentCondition {
  const now = rfc3339(nowMs);
  return { type, status, lastUpdateTime: now, lastTransitionTime: now, reason, message };
}

/** The list with the condition in it; unchanged where status and reason are the same already. */
export function withCondition(conditions: Conditions, condition: DeploymentCondition): DeploymentCondition[] {
  const old = conditionOf(conditions, condition.type);
  if (old && old.status === condition.status && old.reason === condition.reason) return [...conditions];
  const kept =
    old?.status === condition.status
      ? { ...condition, lastTransitionTime: old.lastTransitionTime }
      : condition;
  return [...withoutCondition(conditions, condition.type), kept];
}

function withoutCondition(conditions: Conditions, type: string): DeploymentCondition[] {
  return conditions.filter((condition) => condition.type !== type);
}

/** Counts and availability. `conditions` are those so far. Mirrors calculateStatus of deployment/sync.go. */
export function countedStatus(
  deployment: Deployment,
  generations: Generations,
  conditions: Conditions,
  nowMs: number,
): DeploymentStatus {
  const sets = allOf(generations);
  const available = total(sets, (set) => set.status?.availableReplicas);
  const enough = available >= sizeOf(deployment) - maxUnavailable(deployment);
  const availability = enough
    ? newCondition(
        'Available',
        'True',
        'MinimumReplicasAvailable',
        'Deployment has minimum availability.',
        nowMs,
      )
    : newCondition(
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
        nowMs,
      );
  const status: DeploymentStatus = {
    observedGeneration: metaOf(deployment).generation,
    replicas: total(sets, (set) => set.status?.replicas),
    updatedReplicas: generations.newest?.status?.replicas ?? 0,
    readyReplicas: total(sets, (set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total(sets, sizeOf) - available),
    terminatingReplicas: total(sets, (set) => set.status?.terminatingReplicas),
    collisionCount: deployment.status?.collisionCount,
    conditions: withCondition(conditions, availability),
  };
  return status;
}

/** The status in a rollout: progress, its deadline and failures. Mirrors deployment/progress.go. */
export function rolloutStatus(
  deployment: Deployment,
  generations: Generations,
  before: Conditions,
  nowMs: number,
): DeploymentStatus {
  const status = countedStatus(deployment, generations, before, nowMs);
  let conditions: Conditions = status.conditions ?? [];
  if (!hasProgressDeadline(deployment)) conditions = withoutCondition(conditions, 'Progressing');
  const current = conditionOf(before, 'Progressing');
  const finished = status.replicas === status.updatedReplicas && current?.reason === 'NewReplicaSetAvailable';
  if (hasProgressDeadline(deployment) && !finished)
    conditions = withProgress(deployment, generations, status, conditions, nowMs);
  const failure = replicaFailure(generations);
  conditions = failure ? withCondition(conditions, failure) : withoutCondition(conditions, 'ReplicaFailure');
  return { ...status, conditions: [...conditions] };
}

function withProgress(
  deployment: Deployment,
  { newest }: Generations,
  status: DeploymentStatus,
  conditions: Conditions,
  nowMs: number,
): Conditions {
  const subject = newest ? `ReplicaSet "${nameOf(newest)}"` : `Deployment "${nameOf(deployment)}"`;
  const current = conditionOf(conditions, 'Progressing');
  if (isComplete(deployment, status)) {
    const message = `${subject} has successfully progressed.`;
    return withCondition(
      conditions,
      newCondition('Progressing', 'True', 'NewReplicaSetAvailable', message, nowMs),
    );
  }
  if (hasProgressed(deployment.status, status)) {
    const fresh = newCondition(
      'Progressing',
      'True',
      'ReplicaSetUpdated',
      `${subject} is progressing.`,
      nowMs,
    );
    // The update time moves with each step: the deadline counts from there.
    if (current?.status === 'True') fresh.lastTransitionTime = current.lastTransitionTime;
    return [...withoutCondition(conditions, 'Progressing'), fresh];
  }
  if (hasTimedOut(deployment, current, nowMs)) {
    const message = `${subject} has timed out progressing.`;
    return withCondition(
      conditions,
      newCondition('Progressing', 'False', 'ProgressDeadlineExceeded', message, nowMs),
    );
  }
  return conditions;
}

/** All replicas are of the present template and available, and no others are left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus | undefined): boolean {
  const replicas = sizeOf(deployment);
  return (
    (status?.updatedReplicas ?? 0) === replicas &&
    (status?.replicas ?? 0) === replicas &&
    (status?.availableReplicas ?? 0) === replicas &&
    (status?.observedGeneration ?? 0) >= (metaOf(deployment).generation ?? 0)
  );
}

function hasProgressed(before: DeploymentStatus | undefined, now: DeploymentStatus): boolean {
  const count = (
    status: DeploymentStatus | undefined,
    key: 'replicas' | 'updatedReplicas' | 'readyReplicas' | 'availableReplicas',
  ) => status?.[key] ?? 0;
  const old = (status: DeploymentStatus | undefined) =>
    count(status, 'replicas') - count(status, 'updatedReplicas');
  return (
    count(now, 'updatedReplicas') > count(before, 'updatedReplicas') ||
    old(now) < old(before) ||
    count(now, 'readyReplicas') > count(before, 'readyReplicas') ||
    count(now, 'availableReplicas') > count(before, 'availableReplicas')
  );
}

/** When the deadline passes; undefined while none runs. */
export function deadlineMs(
  deployment: Deployment,
  current: DeploymentCondition | undefined,
): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  if (!hasProgressDeadline(deployment) || seconds === undefined || !current?.lastUpdateTime) return undefined;
  if (current.reason === 'NewReplicaSetAvailable' || current.reason === 'ProgressDeadlineExceeded')
    return undefined;
  return Date.parse(current.lastUpdateTime) + seconds * 1000;
}

function hasTimedOut(
  deployment: Deployment,
  current: DeploymentCondition | undefined,
  nowMs: number,
): boolean {
  if (current?.reason === 'ProgressDeadlineExceeded') return true;
  const deadline = deadlineMs(deployment, current);
  return deadline !== undefined && deadline < nowMs;
}

function replicaFailure({ newest, old }: Generations): DeploymentCondition | undefined {
  const sets: ReplicaSet[] = newest ? [newest, ...old] : old;
  for (const set of sets) {
    const found = set.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    if (!found) continue;
    const { status, reason, message, lastTransitionTime } = found;
    return {
      type: 'ReplicaFailure',
      status,
      reason,
      message,
      lastTransitionTime,
      lastUpdateTime: lastTransitionTime,
    };
  }
  return undefined;
}
