import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { Condition } from '../../api/gen/types/meta-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../api/gen/types/policy-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { scaledValue } from '../../api/int-or-string.ts';
import { metaOf, nameOf } from '../shared/meta.ts';
import { isPodReady } from '../shared/pod-status.ts';

/** A pod whose eviction was granted is expected to go within so long. */
const DELETION_TIMEOUT_MS = 2 * 60_000;

const CONDITION = 'DisruptionAllowed';

export interface Expected {
  /** Pods that the owners of the budget's pods want to have. */
  expectedPods: number;
  desiredHealthy: number;
}

/** Whether the budget is of a share of all pods, so that their owners' sizes count. */
export const countsOwners = ({ spec }: PodDisruptionBudget): boolean =>
  spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';

/** How many pods there should be and how many must be healthy; `scale` is the sum of the owners' sizes. */
export function expectedOf({ spec }: PodDisruptionBudget, pods: readonly Pod[], scale: number): Expected {
  if (spec?.maxUnavailable !== undefined) {
    const desiredHealthy = Math.max(0, scale - scaledValue(spec.maxUnavailable, scale, true));
    return { expectedPods: scale, desiredHealthy };
  }
  const minAvailable = spec?.minAvailable;
  if (minAvailable === undefined) return { expectedPods: 0, desiredHealthy: 0 };
  if (typeof minAvailable === 'number') return { expectedPods: pods.length, desiredHealthy: minAvailable };
  return { expectedPods: scale, desiredHealthy: scaledValue(minAvailable, scale, true) };
}

export interface BudgetPlan {
  status: PodDisruptionBudgetStatus;
  /** When an eviction that was granted must be looked at again. */
  recheckInMs: number | undefined;
  /** Pods that should be gone by now and are not. */
  notDeleted: Pod[];
}

/** The status that a budget should have. Mirrors trySync of pkg/controller/disruption/disruption.go. */
export function planStatus(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expected: Expected,
  nowMs: number,
): BudgetPlan {
  const granted = budget.status?.disruptedPods ?? {};
  const disruptedPods: Record<string, string> = {};
  const notDeleted: Pod[] = [];
  let recheckInMs: number | undefined;
  for (const pod of pods) {
    const at = granted[nameOf(pod)];
    if (at === undefined || metaOf(pod).deletionTimestamp) continue;
    const leftMs = Date.parse(at) + DELETION_TIMEOUT_MS - nowMs;
    if (leftMs <= 0) notDeleted.push(pod);
    else {
      disruptedPods[nameOf(pod)] = at;
      recheckInMs = Math.min(recheckInMs ?? leftMs, leftMs);
    }
  }
  const currentHealthy = pods.filter(
    (pod) => !metaOf(pod).deletionTimestamp && disruptedPods[nameOf(pod)] === undefined && isPodReady(pod),
  ).length;
  const spare = currentHealthy - expected.desiredHealthy;
  const status: PodDisruptionBudgetStatus = {
    currentHealthy,
    desiredHealthy: expected.desiredHealthy,
    expectedPods: expected.expectedPods,
    // A budget of no pods allows none: its first pods may be there before this controller has seen them.
    disruptionsAllowed: expected.expectedPods <= 0 ? 0 : Math.max(0, spare),
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
    observedGeneration: metaOf(budget).generation ?? 0,
  };
  const allowed = (status.disruptionsAllowed ?? 0) > 0;
  status.conditions = withCondition(budget, nowMs, {
    type: CONDITION,
    status: allowed ? 'True' : 'False',
    reason: allowed ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    observedGeneration: status.observedGeneration,
  });
  return { status, recheckInMs, notDeleted };
}

/** What stands where the sizes cannot be found out: nothing may be evicted. */
export function failedStatus(
  budget: PodDisruptionBudget,
  why: string,
  nowMs: number,
): PodDisruptionBudgetStatus {
  const observedGeneration = budget.status?.observedGeneration ?? 0;
  return {
    currentHealthy: 0,
    desiredHealthy: 0,
    expectedPods: 0,
    ...budget.status,
    disruptionsAllowed: 0,
    conditions: withCondition(budget, nowMs, {
      type: CONDITION,
      status: 'False',
      reason: 'SyncFailed',
      message: why,
      observedGeneration,
    }),
  };
}

function withCondition(
  { status }: PodDisruptionBudget,
  nowMs: number,
  condition: Omit<Condition, 'lastTransitionTime'>,
): Condition[] {
  const known = status?.conditions ?? [];
  const before = known.find(({ type }) => type === condition.type);
  const lastTransitionTime =
    before?.status === condition.status ? (before.lastTransitionTime ?? rfc3339(nowMs)) : rfc3339(nowMs);
  const next = { ...condition, lastTransitionTime };
  return before ? known.map((one) => (one === before ? next : one)) : [...known, next];
}
