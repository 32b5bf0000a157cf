import type { ReplicaSetCondition, ReplicaSetStatus } from '../../api/gen/types/apps-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { messageOf } from '../../base/errors.ts';
import { rfc3339 } from '../../base/clock.ts';
import { labelsInclude } from '../../client/selectors.ts';
import { metaOf } from '../shared/meta.ts';
import { availableInMs, isPodReady } from '../shared/pod-status.ts';
import type { ReplicaOwner } from './kind.ts';

export interface StatusInput {
  owner: ReplicaOwner;
  active: readonly Pod[];
  terminating: readonly Pod[];
  /** What creating or deleting pods failed with, if it did. */
  failure: unknown;
  /** ReplicationControllers have no such field. */
  countTerminating: boolean;
  nowMs: number;
}

/** Mirrors calculateStatus of pkg/controller/replicaset/replica_set_utils.go. */
export function replicaStatus(input: StatusInput): ReplicaSetStatus {
  const { owner, active, terminating, failure, nowMs } = input;
  const templateLabels = owner.spec?.template?.metadata?.labels ?? {};
  const minReadySeconds = owner.spec?.minReadySeconds ?? 0;
  const status: ReplicaSetStatus = {
    ...owner.status,
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => labelsInclude(templateLabels, metaOf(pod).labels)).length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: active.filter((pod) => availableInMs(pod, minReadySeconds, nowMs) === 0).length,
    observedGeneration: metaOf(owner).generation,
    conditions: conditionsOf(input, failure),
  };
  if (input.countTerminating) status.terminatingReplicas = terminating.length;
  // Zero and absent are the same on the wire.
  for (const key of ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const)
    if (status[key] === 0) delete status[key];
  if (status.conditions?.length === 0) delete status.conditions;
  return status;
}

function conditionsOf({ owner, active, nowMs }: StatusInput, failure: unknown): ReplicaSetCondition[] {
  const old = owner.status?.conditions ?? [];
  const failed = old.some(({ type }) => type === 'ReplicaFailure');
  if (failure === undefined) return old.filter(({ type }) => type !== 'ReplicaFailure');
  if (failed) return old;
  const missing = (owner.spec?.replicas ?? 1) - active.length;
  const condition: ReplicaSetCondition = {
    type: 'ReplicaFailure',
    status: 'True',
    reason: missing > 0 ? 'FailedCreate' : 'FailedDelete',
    message: messageOf(failure),
    lastTransitionTime: rfc3339(nowMs),
  };
  return [...old, condition];
}
