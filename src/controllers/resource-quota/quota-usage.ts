import type { ResourceQuota } from '../../api/gen/types/core-v1.ts';
import { addTo, count, masked, readAmounts, sameAmounts, writeAmounts } from '../../api/quota/amounts.ts';
import type { Amounts } from '../../api/quota/amounts.ts';
import { inScope } from '../../api/quota/evaluator.ts';
import { countedResource, evaluatorFor } from '../../api/quota/evaluators.ts';
import { RESOURCE_CLAIMS } from '../../api/quota/resource-claims.ts';
import type { KubeObject } from '../../api/resource.ts';

/** Counted by more than their number. */
const MEASURED = ['pods', 'services', 'persistentvolumeclaims', RESOURCE_CLAIMS];

/** The resources ('deployments.apps') whose objects the quota counts. */
export function resourcesOf({ spec }: ResourceQuota): Set<string> {
  const names = Object.keys(spec?.hard ?? {});
  const resources = new Set(MEASURED.filter((name) => names.some((hard) => evaluatorOf(name)?.counts(hard))));
  for (const name of names) {
    const counted = countedResource(name);
    if (counted !== undefined) resources.add(counted);
  }
  return resources;
}

/** How objects of `deployments.apps` count. */
function evaluatorOf(resource: string): ReturnType<typeof evaluatorFor> {
  const [name = '', ...group] = resource.split('.');
  return evaluatorFor(group.join('.'), name);
}

export interface UsagePlan {
  status: { hard: Record<string, string>; used: Record<string, string> };
  /** Whether it differs from what stands there. */
  changed: boolean;
  /** Whether something is to be given back: what was charged may only be on its way. */
  lowers: boolean;
}

/**
 * The status that a quota should have. `list` gives undefined for what cannot be counted now: that keeps the number
 * that it had. Mirrors syncResourceQuota of pkg/controller/resourcequota/resource_quota_controller.go.
 */
export function planUsage(
  quota: ResourceQuota,
  list: (resource: string) => readonly KubeObject[] | undefined,
  nowMs: number,
): UsagePlan {
  const hard = { ...quota.spec?.hard };
  const before = readAmounts(quota.status?.used);
  const used: Amounts = new Map(before);
  for (const resource of resourcesOf(quota)) {
    const evaluator = evaluatorOf(resource);
    const objects = list(resource);
    if (!evaluator || !objects) continue;
    const names = Object.keys(hard).filter((name) => evaluator.counts(name));
    const sum: Amounts = new Map(names.map((name) => [name, count(0)]));
    for (const object of objects) {
      if (inScope(quota, evaluator, object)) addTo(sum, evaluator.usage(object, nowMs));
    }
    for (const [name, amount] of masked(sum, names)) used.set(name, amount);
  }
  const now = masked(used, Object.keys(hard));
  const sameHard = sameAmounts(readAmounts(hard), readAmounts(quota.status?.hard));
  return {
    status: { hard, used: writeAmounts(now) },
    changed: !sameHard || !quota.status?.hard || !quota.status.used || !sameAmounts(now, before),
    lowers: [...now].some(([name, { nanos }]) => nanos < (before.get(name)?.nanos ?? 0n)),
  };
}
