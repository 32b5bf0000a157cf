import { jsonQuote } from '../json-quote.ts';
import type { PolicyRule } from '../../api/gen/types/rbac-v1.ts';

/** Whether the rule speaks of this request on a resource, names left aside. Mirrors pkg/apis/rbac/v1/evaluation_helpers.go. */
export function ruleMatchesResource(
  rule: PolicyRule,
  verb: string,
  apiGroup: string,
  resource: string,
  subresource: string,
): boolean {
  if (!hasOrAll(rule.verbs, verb) || !hasOrAll(rule.apiGroups, apiGroup)) return false;
  const combined = subresource === '' ? resource : `${resource}/${subresource}`;
  return (rule.resources ?? []).some(
    (given) => given === '*' || given === combined || (subresource !== '' && given === `*/${subresource}`),
  );
}

/** Whether the rule allows the verb on a path outside the API's resources; `/healthz/*` covers what is below. */
export function ruleMatchesPath(rule: PolicyRule, verb: string, path: string): boolean {
  return hasOrAll(rule.verbs, verb) && (rule.nonResourceURLs ?? []).some((url) => urlCovers(url, path));
}

function urlCovers(owner: string, path: string): boolean {
  if (owner === path) return true;
  return owner.endsWith('*') && path.startsWith(owner.replace(/\*+$/, ''));
}

function hasOrAll(set: readonly string[] | undefined, element: string): boolean {
  return set !== undefined && (set.includes('*') || set.includes(element));
}

/**
 * What `wanted` grants and `owned` does not, as rules of one verb, group, resource and name each; empty
 * where everything is covered. Mirrors component-helpers/auth/rbac/validation/policy_comparator.go.
 */
export function uncoveredRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((atom) => !owned.some((rule) => covers(rule, atom)));
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const atoms: PolicyRule[] = [];
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of rule.verbs) {
        const atom = { verbs: [verb], apiGroups: [group], resources: [resource] };
        const names = rule.resourceNames ?? [];
        if (names.length === 0) atoms.push(atom);
        for (const name of names) atoms.push({ ...atom, resourceNames: [name] });
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? []) {
    for (const verb of rule.verbs) atoms.push({ verbs: [verb], nonResourceURLs: [url] });
  }
  return atoms;
}

function covers(owner: PolicyRule, atom: PolicyRule): boolean {
  if (!hasOrAll(owner.verbs, atom.verbs[0] ?? '')) return false;
  const url = atom.nonResourceURLs?.[0];
  if (url !== undefined) return (owner.nonResourceURLs ?? []).some((path) => urlCovers(path, url));
  if (!hasOrAll(owner.apiGroups, atom.apiGroups?.[0] ?? '')) return false;
  const resource = atom.resources?.[0] ?? '';
  const slash = resource.indexOf('/');
  const resources = owner.resources ?? [];
  const resourceCovered =
    resources.includes('*') ||
    resources.includes(resource) ||
    (slash >= 0 && resources.includes(`*/${resource.slice(slash + 1)}`));
  if (!resourceCovered) return false;
  const ownedNames = owner.resourceNames ?? [];
  const name = atom.resourceNames?.[0];
  return ownedNames.length === 0 || (name !== undefined && ownedNames.includes(name));
}

/** The rules in upstream's short form, sorted, those of one resource joined: the lines of a refused escalation. */
export function describeRules(rules: readonly PolicyRule[]): string[] {
  const simple = new Map<string, PolicyRule>();
  const others: PolicyRule[] = [];
  for (const rule of rules) {
    const isSimple =
      rule.apiGroups?.length === 1 &&
      rule.resources?.length === 1 &&
      (rule.resourceNames?.length ?? 0) <= 1 &&
      !rule.nonResourceURLs?.length;
    if (!isSimple) {
      others.push(rule);
      continue;
    }
    const key = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames]);
    const known = simple.get(key);
    simple.set(key, known ? { ...known, verbs: [...known.verbs, ...rule.verbs] } : rule);
  }
  return [...new Set([...others, ...simple.values()].map(compactString))].sort();
}

function compactString(rule: PolicyRule): string {
  const parts: string[] = [];
  const add = (name: string, values: readonly string[] | undefined) => {
    if (values?.length) parts.push(`${name}:${quoteList(values)}`);
  };
  add('APIGroups', rule.apiGroups);
  add('Resources', rule.resources);
  add('NonResourceURLs', rule.nonResourceURLs);
  add('ResourceNames', rule.resourceNames);
  add('Verbs', rule.verbs);
  return `{${parts.join(', ')}}`;
}

/** A list as Go prints it with %q: `["a" "b"]`. */
export function quoteList(values: readonly string[]): string {
  return `[${values.map((value) => jsonQuote(value)).join(' ')}]`;
}
