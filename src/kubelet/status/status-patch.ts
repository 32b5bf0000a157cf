import type { PodCondition, PodStatus } from '../../api/gen/types/core-v1.ts';
import { KUBELET_CONDITIONS } from './conditions.ts';

/** Text that is equal for equal values whatever the order of keys, with absent and empty fields left out. */
function canonical(value: unknown): string {
  return JSON.stringify(normalize(value)) ?? '';
}

function normalize(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalize);
  if (typeof value !== 'object' || value === null) return value;
  const sorted: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    const member = normalize((value as Record<string, unknown>)[key]);
    if (member === undefined || member === null || member === '') continue;
    if (Array.isArray(member) && member.length === 0) continue;
    if (typeof member === 'object' && Object.keys(member).length === 0) continue;
    sorted[key] = member;
  }
  return sorted;
}

const byType = (a: PodCondition, b: PodCondition): number => ((a.type ?? '') < (b.type ?? '') ? -1 : 1);

const owned = (status: PodStatus): PodCondition[] =>
  (status.conditions ?? []).filter(({ type }) => KUBELET_CONDITIONS.has(type)).sort(byType);

/** Whether both say the same of what the kubelet owns: conditions of others are not compared. */
export function sameStatus(a: PodStatus, b: PodStatus): boolean {
  return canonical({ ...a, conditions: owned(a) }) === canonical({ ...b, conditions: owned(b) });
}

/**
 * A strategic merge patch from the reported status to the new one. Conditions of others are not touched;
 * the uid makes the API refuse it for another pod of the same name.
 */
export function statusPatch(uid: string, from: PodStatus, to: PodStatus): object {
  const status: Record<string, unknown> = {};
  const before = from as Record<string, unknown>;
  const after = to as Record<string, unknown>;
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (key === 'conditions' || key === 'podIPs' || key === 'hostIPs') continue;
    if (canonical(before[key]) === canonical(after[key])) continue;
    status[key] = after[key] ?? null;
  }
  const conditions = owned(to).filter((condition) => {
    const old = (from.conditions ?? []).find(({ type }) => type === condition.type);
    return canonical(old) !== canonical(condition);
  });
  if (conditions.length > 0) status.conditions = conditions.map((condition) => withRemoved(condition, from));
  for (const key of ['podIPs', 'hostIPs'] as const) {
    if (canonical(from[key]) === canonical(to[key])) continue;
    const kept = new Set((to[key] ?? []).map(({ ip }) => ip));
    const gone = (from[key] ?? []).filter(({ ip }) => !kept.has(ip));
    status[key] = [...(to[key] ?? []), ...gone.map(({ ip }) => ({ $patch: 'delete', ip }))];
  }
  return { metadata: { uid }, status };
}

/** A merged list element keeps the fields that a patch does not name: reason and message are taken back by null. */
function withRemoved(condition: PodCondition, from: PodStatus): object {
  const old = (from.conditions ?? []).find(({ type }) => type === condition.type);
  const removed: Record<string, null> = {};
  for (const key of ['reason', 'message'] as const) {
    if (old?.[key] && !condition[key]) removed[key] = null;
  }
  return { ...condition, ...removed };
}
