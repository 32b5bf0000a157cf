import type { LabelSelector } from '../../../api/gen/types/meta-v1.ts';

/** Whether labels fulfil a selector; an empty selector matches everything. */
export function selectorMatches(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  for (const [name, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labels?.[name] !== value) return false;
  }
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels?.[key];
    if (operator === 'In') return value !== undefined && values.includes(value);
    if (operator === 'NotIn') return value === undefined || !values.includes(value);
    return operator === 'Exists' ? value !== undefined : value === undefined;
  });
}
