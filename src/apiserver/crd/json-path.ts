import { stringifyJson } from '../../api/json/encode.ts';
import { isObject } from '../../api/objects.ts';

type Step = { field: string } | { index: number } | { wildcard: true } | { filter: Filter };

interface Filter {
  path: readonly Step[];
  operator: '==' | '!=' | '<' | '<=' | '>' | '>=' | 'exists';
  value: unknown;
}

/** A path that was read; `undefined` is what cannot be read. */
export interface JsonPath {
  /** All values at the path, in order; none where it leads nowhere. */
  find(object: unknown): unknown[];
}

/**
 * Reads the JSONPath of a printer column or a selectable field: fields, quoted fields, indexes, wildcards and
 * simple filters. undefined where it is none of that.
 */
export function parseJsonPath(text: string): JsonPath | undefined {
  const steps = parseSteps(text.startsWith('$') ? text.slice(1) : text);
  return steps && { find: (object) => findAll(object, steps) };
}

const FIELD = /^\.?((?:\\.|[^.[\]\\])+)/;
const BRACKET = /^\.?\[(?:'((?:\\.|[^'])*)'|"((?:\\.|[^"])*)"|(-?\d+)|(\*)|\?\(([^)]*)\))\]/;

function parseSteps(text: string): Step[] | undefined {
  const steps: Step[] = [];
  let rest = text === '.' ? '' : text;
  while (rest !== '') {
    const bracket = BRACKET.exec(rest);
    if (bracket) {
      const [whole, single, double, index, star, filter] = bracket;
      if (single !== undefined || double !== undefined)
        steps.push({ field: unescaped(single ?? double ?? '') });
      else if (index !== undefined) steps.push({ index: Number(index) });
      else if (star !== undefined) steps.push({ wildcard: true });
      else {
        const parsed = parseFilter(filter ?? '');
        if (!parsed) return undefined;
        steps.push({ filter: parsed });
      }
      rest = rest.slice(whole.length);
      continue;
    }
    const field = FIELD.exec(rest);
    if (!field?.[1]) return undefined;
    steps.push(field[1] === '*' ? { wildcard: true } : { field: unescaped(field[1]) });
    rest = rest.slice(field[0].length);
  }
  return steps;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1');
}

const FILTER = /^\s*@((?:\.|\[)[^\s=!<>]*)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?)\s*)?$/;

function parseFilter(text: string): Filter | undefined {
  const match = FILTER.exec(text);
  const path = match?.[1] === undefined ? undefined : parseSteps(match[1]);
  if (!match || !path) return undefined;
  if (match[2] === undefined) return { path, operator: 'exists', value: undefined };
  const literal = match[3] ?? '';
  const quoted = /^(?:'(.*)'|"(.*)")$/.exec(literal);
  if (quoted) return { path, operator: match[2] as Filter['operator'], value: quoted[1] ?? quoted[2] };
  const words: Record<string, unknown> = { true: true, false: false };
  const value = Object.hasOwn(words, literal) ? words[literal] : Number(literal);
  return Number.isNaN(value) ? undefined : { path, operator: match[2] as Filter['operator'], value };
}

function findAll(object: unknown, steps: readonly Step[]): unknown[] {
  let found = [object];
  for (const step of steps) found = found.flatMap((value) => take(value, step));
  return found;
}

function take(value: unknown, step: Step): unknown[] {
  if ('field' in step) {
    return isObject(value) && Object.hasOwn(value, step.field) ? [value[step.field]] : [];
  }
  if ('wildcard' in step) {
    if (Array.isArray(value)) return value;
    return isObject(value) ? Object.values(value) : [];
  }
  if (!Array.isArray(value)) return [];
  if ('index' in step) {
    const item: unknown = value.at(step.index);
    return item === undefined ? [] : [item];
  }
  return value.filter((item) => passes(item, step.filter));
}

function passes(item: unknown, { path, operator, value }: Filter): boolean {
  const [actual] = findAll(item, path);
  if (operator === 'exists') return actual !== undefined;
  if (operator === '==') return actual === value;
  if (operator === '!=') return actual !== value;
  if (typeof actual !== typeof value || (typeof actual !== 'number' && typeof actual !== 'string'))
    return false;
  const limit = value as typeof actual;
  if (operator === '<') return actual < limit;
  if (operator === '<=') return actual <= limit;
  return operator === '>' ? actual > limit : actual >= limit;
}

/** A value as upstream prints it in a column of strings. */
export function printValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  return stringifyJson(value);
}
