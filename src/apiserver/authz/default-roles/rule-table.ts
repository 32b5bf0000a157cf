import type { PolicyRule } from '../../../api/gen/types/rbac-v1.ts';

/**
 * Role name to its rules, one a line: `verbs | groups | resources [| names]`, or `verbs | url | paths`.
 * The words of a part are separated by spaces, `core` is the group '', and a line that begins with deeper
 * indentation continues the one before.
 */
export type RuleTable = Readonly<Record<string, string>>;

/** The rules that a table's entry states. Throws on a line that is not of the form above. */
export function parseRules(text: string): PolicyRule[] {
  const lines: string[] = [];
  for (const raw of text.split('\n')) {
    if (raw.trim() === '') continue;
    const continues = raw.length - raw.trimStart().length > 4;
    if (continues && lines.length > 0) lines[lines.length - 1] += ` ${raw.trim()}`;
    else lines.push(raw.trim());
  }
  return lines.map(parseRule);
}

function parseRule(line: string): PolicyRule {
  const [verbs, groups, resources, names] = line.split('|').map((part) => part.trim().split(' '));
  if (verbs === undefined || groups === undefined || resources === undefined) {
    throw new Error(`a rule needs verbs, groups and resources: ${line}`);
  }
  if (groups[0] === 'url') return { verbs, nonResourceURLs: resources };
  const apiGroups = groups.map((group) => (group === 'core' ? '' : group));
  return names === undefined
    ? { verbs, apiGroups, resources }
    : { verbs, apiGroups, resources, resourceNames: names };
}
