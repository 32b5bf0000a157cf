import { expressionMatches } from '../api/node-selector.ts';
import type { LabelSelector } from '../api/gen/types/meta-v1.ts';

type Labels = Readonly<Record<string, string>> | undefined;

/** What a LabelSelector in an object selects: nothing where it is absent, everything where it is empty. */
export function selectorMatches(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (selector === undefined) return false;
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    if (labels?.[key] !== value) return false;
  for (const { key, operator, values = [] } of selector.matchExpressions ?? [])
    if (!expressionMatches(key, operator, values, labels)) return false;
  return true;
}

/** Every pair of `wanted` is among the labels: a map selector as Services and ReplicationControllers have it. */
export function labelsInclude(wanted: Readonly<Record<string, string>>, labels: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => labels?.[key] === value);
}
