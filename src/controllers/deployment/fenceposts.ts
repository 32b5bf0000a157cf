import type { Deployment } from '../../api/gen/types/apps-v1.ts';
import { sizeOf } from './replica-sets.ts';

export function isRollingUpdate(deployment: Deployment): boolean {
  return (deployment.spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';
}

/** '25%' of `whole`, rounded up or down, or the number itself. */
export function scaledValue(value: number | string | undefined, whole: number, roundUp: boolean): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value);
  if (!percent) return 0;
  const exact = (Number(percent[1]) * whole) / 100;
  return roundUp ? Math.ceil(exact) : Math.floor(exact);
}

function fenceposts(deployment: Deployment): { surge: number; unavailable: number } {
  const { maxSurge: surgeValue, maxUnavailable: unavailableValue } =
    deployment.spec?.strategy?.rollingUpdate ?? {};
  const replicas = sizeOf(deployment);
  const surge = scaledValue(surgeValue, replicas, true);
  const unavailable = scaledValue(unavailableValue, replicas, false);
  // Both zero (by rounding) would never move: one pod may be missing then.
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export function maxSurge(deployment: Deployment): number {
  return isRollingUpdate(deployment) ? fenceposts(deployment).surge : 0;
}

export function maxUnavailable(deployment: Deployment): number {
  if (!isRollingUpdate(deployment) || sizeOf(deployment) === 0) return 0;
  return Math.min(fenceposts(deployment).unavailable, sizeOf(deployment));
}
