import type { LabelSelector } from '../api/gen/types/meta-v1.ts';
import type { KubeObject } from '../api/resource.ts';

type Labels = Readonly<Record<string, string>> | undefined;
type LabelTest = (labels: Labels) => boolean;

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

export function expressionMatches(
  key: string,
  operator: string,
  values: readonly string[],
  labels: Labels,
): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const [have, want] = [Number(value ?? Number.NaN), Number(values[0] ?? Number.NaN)];
      return operator === 'Gt' ? have > want : have < want;
    }
    default:
      return false;
  }
}

/** The query form: 'a=b,c!=d,e in (f,g),h notin (i),j,!k'. Throws on what it cannot read. */
export function parseLabelSelector(text: string): LabelTest {
  const tests = splitOutsideParentheses(text).map(parseRequirement);
  return (labels) => tests.every((matches) => matches(labels));
}

function parseRequirement(part: string): LabelTest {
  const set = /^([^\s!=]+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(part);
  if (set) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return (labels) => expressionMatches(key, operator === 'in' ? 'In' : 'NotIn', values, labels);
  }
  const equality = /^([^\s!=]+)\s*(==|=|!=)\s*([^\s!=]*)$/.exec(part);
  if (equality) {
    const [, key = '', operator, value = ''] = equality;
    return (labels) => expressionMatches(key, operator === '!=' ? 'NotIn' : 'In', [value], labels);
  }
  const presence = /^(!?)\s*([^\s!=()]+)$/.exec(part);
  if (!presence) throw new Error(`not a label selector: ${part}`);
  const [, not, key = ''] = presence;
  return (labels) => expressionMatches(key, not ? 'DoesNotExist' : 'Exists', [], labels);
}

function splitOutsideParentheses(text: string): string[] {
  const parts = text.match(/(?:[^,(]|\([^)]*\))+/g) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** 'metadata.name=a,spec.nodeName!=': fields by their path in the object; an absent one is ''. */
export function parseFieldSelector(text: string): (object: KubeObject) => boolean {
  const terms = text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [, path = '', operator, value = ''] = /^([^!=]+)(==|=|!=)(.*)$/.exec(part) ?? [];
      if (operator === undefined) throw new Error(`not a field selector: ${part}`);
      return { path: path.split('.'), equal: operator !== '!=', value };
    });
  return (object) => terms.every(({ path, equal, value }) => (fieldAt(object, path) === value) === equal);
}

function fieldAt(object: unknown, path: readonly string[]): string {
  let at: unknown = object;
  for (const name of path) at = (at as Record<string, unknown> | undefined)?.[name];
  if (typeof at === 'string') return at;
  return typeof at === 'number' || typeof at === 'boolean' ? String(at) : '';
}
