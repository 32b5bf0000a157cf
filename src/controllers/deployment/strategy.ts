import type { Deployment, ReplicaSet } from '../../api/gen/types/apps-v1.ts';
import { annotationNumber, DESIRED, MAX } from './annotations.ts';
import { isRollingUpdate, maxSurge, maxUnavailable } from './fenceposts.ts';
import { activeOrLatest, allOf, bySize, isActive, sizeOf, total } from './replica-sets.ts';
import type { Generations } from './replica-sets.ts';

/** A ReplicaSet and the size that it should get. */
export interface Resize {
  set: ReplicaSet;
  replicas: number;
}

/** The size that the newest set may have now, `others` and its present size given. */
export function newestSize(deployment: Deployment, sets: readonly ReplicaSet[], present: number): number {
  const replicas = sizeOf(deployment);
  if (!isRollingUpdate(deployment)) return replicas;
  const room = replicas + maxSurge(deployment) - total(sets, sizeOf);
  if (room <= 0) return present;
  return present + Math.min(room, replicas - present);
}

/** Growing the newest set, or shrinking it when it is too large; undefined where it has its size. */
export function planNewest(deployment: Deployment, generations: Generations): Resize | undefined {
  const { newest } = generations;
  if (!newest || sizeOf(newest) === sizeOf(deployment)) return undefined;
  if (sizeOf(newest) > sizeOf(deployment)) return { set: newest, replicas: sizeOf(deployment) };
  const replicas = newestSize(deployment, allOf(generations), sizeOf(newest));
  return replicas === sizeOf(newest) ? undefined : { set: newest, replicas };
}

/**
 * Shrinking the old sets as far as availability allows: what is not available anyway goes first, then the
 * oldest. Mirrors reconcileOldReplicaSets of pkg/controller/deployment/rolling.go.
 */
export function planOld(deployment: Deployment, { newest, old }: Generations): Resize[] {
  if (!newest || !old.some(isActive)) return [];
  const minAvailable = sizeOf(deployment) - maxUnavailable(deployment);
  const newestUnavailable = sizeOf(newest) - (newest.status?.availableReplicas ?? 0);
  const all = total(old, sizeOf) + sizeOf(newest);
  const allowed = all - minAvailable - newestUnavailable;
  if (allowed <= 0) return [];
  const sizes = new Map(old.filter(isActive).map((set) => [set, sizeOf(set)]));
  let cleaned = 0;
  for (const [set, size] of sizes) {
    const unhealthy = Math.min(allowed - cleaned, size - (set.status?.availableReplicas ?? 0));
    if (unhealthy <= 0) continue;
    sizes.set(set, size - unhealthy);
    cleaned += unhealthy;
  }
  const available = total([...old, newest], (set) => set.status?.availableReplicas);
  let left = available - minAvailable;
  for (const [set, size] of sizes) {
    if (left <= 0) break;
    const down = Math.min(size, left);
    sizes.set(set, size - down);
    left -= down;
  }
  return [...sizes]
    .filter(([set, size]) => size !== sizeOf(set))
    .map(([set, replicas]) => ({ set, replicas }));
}

/** Whether the Deployment's size changed since its sets were last scaled. */
export function isScalingEvent(deployment: Deployment, generations: Generations): boolean {
  return allOf(generations)
    .filter(isActive)
    .some((set) => {
      const desired = annotationNumber(set, DESIRED);
      return desired !== undefined && desired !== sizeOf(deployment);
    });
}

/**
 * Sizes after the Deployment was scaled: outside of a rollout one set takes it all, in the middle of one each
 * set gets its share (proportional scaling). Mirrors scale() of pkg/controller/deployment/sync.go. Sets whose
 * size stays are named too: their annotations may be old.
 */
export function planScale(deployment: Deployment, generations: Generations): Resize[] {
  const only = activeOrLatest(generations);
  if (only) return [{ set: only, replicas: sizeOf(deployment) }];
  const { newest, old } = generations;
  if (newest && isSaturated(deployment, newest))
    return old.filter(isActive).map((set) => ({ set, replicas: 0 }));
  if (!isRollingUpdate(deployment)) return [];
  const active = allOf(generations).filter(isActive);
  const allowed = sizeOf(deployment) > 0 ? sizeOf(deployment) + maxSurge(deployment) : 0;
  const toAdd = allowed - total(active, sizeOf);
  if (toAdd !== 0) active.sort(bySize(toAdd > 0));
  let added = 0;
  const plan = active.map((set) => {
    const share = proportion(set, deployment, toAdd, added);
    added += share;
    return { set, replicas: sizeOf(set) + share };
  });
  const [largest] = plan;
  // What rounding left over goes to the largest.
  if (largest) largest.replicas = Math.max(0, largest.replicas + toAdd - added);
  return plan;
}

function proportion(set: ReplicaSet, deployment: Deployment, toAdd: number, added: number): number {
  if (sizeOf(set) === 0 || toAdd === 0 || toAdd === added) return 0;
  const share = fraction(set, deployment);
  const allowed = toAdd - added;
  return toAdd > 0 ? Math.min(share, allowed) : Math.max(share, allowed);
}

function fraction(set: ReplicaSet, deployment: Deployment): number {
  if (sizeOf(deployment) === 0) return -sizeOf(set);
  const after = sizeOf(deployment) + maxSurge(deployment);
  const before = annotationNumber(set, MAX) || (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  return Math.round((sizeOf(set) * after) / before) - sizeOf(set);
}

function isSaturated(deployment: Deployment, newest: ReplicaSet): boolean {
  const replicas = sizeOf(deployment);
  return (
    sizeOf(newest) === replicas &&
    annotationNumber(newest, DESIRED) === replicas &&
    (newest.status?.availableReplicas ?? 0) === replicas
  );
}
