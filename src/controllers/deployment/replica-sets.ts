import type { Deployment, ReplicaSet } from '../../api/gen/types/apps-v1.ts';
import { byCreation, metaOf, uidOf } from '../shared/meta.ts';
import { sameTemplate } from './template-hash.ts';

/** The ReplicaSets of a Deployment: the one of its present template, if there is one, and the others. */
export interface Generations {
  newest: ReplicaSet | undefined;
  old: ReplicaSet[];
}

export function splitGenerations(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Generations {
  const sorted = [...replicaSets].sort(byCreation);
  // Of several with the same template (there should be one) the oldest is it, always.
  const newest = sorted.find((set) => sameTemplate(set.spec?.template, deployment.spec?.template));
  return { newest, old: sorted.filter((set) => set !== newest) };
}

export function allOf({ newest, old }: Generations): ReplicaSet[] {
  return newest ? [...old, newest] : old;
}

/** The size that is asked for; the server fills in 1. */
export const sizeOf = (set: ReplicaSet | Deployment): number => set.spec?.replicas ?? 1;

export const isActive = (set: ReplicaSet): boolean => sizeOf(set) > 0;

export function total(sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number | undefined): number {
  return sets.reduce((sum, set) => sum + (count(set) ?? 0), 0);
}

/** The set to scale when the whole Deployment is scaled outside of a rollout; undefined during one. */
export function activeOrLatest({ newest, old }: Generations): ReplicaSet | undefined {
  const active = allOf({ newest, old }).filter(isActive);
  if (active.length > 1) return undefined;
  return active[0] ?? newest ?? [...old].sort(byCreation).at(-1);
}

/** Larger first; between equals the newer (for growing) or the older (for shrinking). */
export function bySize(newerFirst: boolean): (a: ReplicaSet, b: ReplicaSet) => number {
  return (a, b) => sizeOf(b) - sizeOf(a) || (newerFirst ? byCreation(b, a) : byCreation(a, b));
}

export function replaceSet(sets: readonly ReplicaSet[], changed: ReplicaSet): ReplicaSet[] {
  return sets.map((set) => (uidOf(set) === uidOf(changed) ? changed : set));
}

export function isAlive(set: ReplicaSet): boolean {
  return !metaOf(set).deletionTimestamp;
}
