import { stringifyJson } from '../json/encode.ts';

/**
 * One step of a path into an object, as FieldsV1 writes it: 'f:spec', 'k:{"name":"web"}' (an item of a list
 * with keys), 'v:"a"' (an item of a set), 'i:0'. The text is canonical, so that equal steps are equal strings.
 */
export type PathElement = string;

export function fieldElement(name: string): PathElement {
  return `f:${name}`;
}

/** `keys` sorted by name. */
export function keyElement(keys: ReadonlyArray<readonly [string, unknown]>): PathElement {
  return `k:{${keys.map(([name, value]) => `${goJson(name)}:${goJson(value)}`).join(',')}}`;
}

export function valueElement(value: unknown): PathElement {
  return `v:${goJson(value)}`;
}

const HTML = /[<>&\u2028\u2029]/g;

/** JSON as Go writes it: with what HTML minds escaped. */
function goJson(value: unknown): string {
  const text = stringifyJson(value);
  return HTML.test(text)
    ? text.replaceAll(HTML, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text;
}

/** The canonical form of a step that a client wrote; undefined for one of no known kind, which upstream drops. */
export function canonicalElement(text: string): PathElement | undefined {
  const kind = text.slice(0, 2);
  if (kind === 'f:') return text;
  if (kind === 'v:') return valueElement(JSON.parse(text.slice(2)));
  if (kind === 'k:') return keyElement(keysOf(text));
  if (kind === 'i:') {
    if (!/^i:[-+]?\d+$/.test(text)) throw new SyntaxError(`no index: ${text}`);
    return `i:${Number(text.slice(2))}`;
  }
  if (text.length < 2) throw new SyntaxError('key must be 2 characters long:');
  if (text[1] !== ':') throw new SyntaxError(`missing colon: ${text}`);
  return undefined;
}

function keysOf(element: PathElement): Array<[string, unknown]> {
  const keys = (JSON.parse(element.slice(2)) ?? {}) as Record<string, unknown>;
  if (typeof keys !== 'object' || Array.isArray(keys)) throw new SyntaxError(`no keys: ${element}`);
  return Object.entries(keys).sort(([a], [b]) => compareText(a, b));
}

const ORDER = 'fkvi';

/** Upstream's order: fields, then keys, values and indexes, each by what they hold. */
export function compareElements(a: PathElement, b: PathElement): number {
  if (a === b) return 0;
  const kind = ORDER.indexOf(a[0] ?? '') - ORDER.indexOf(b[0] ?? '');
  if (kind !== 0) return kind;
  if (a.startsWith('f:')) return compareText(a, b);
  if (a.startsWith('k:')) return compareKeys(keysOf(a), keysOf(b));
  if (a.startsWith('v:')) return compareValues(JSON.parse(a.slice(2)), JSON.parse(b.slice(2)));
  return Number(a.slice(2)) - Number(b.slice(2));
}

function compareKeys(
  left: ReadonlyArray<readonly [string, unknown]>,
  right: ReadonlyArray<readonly [string, unknown]>,
): number {
  for (let index = 0; ; index++) {
    const a = left[index];
    const b = right[index];
    if (!a || !b) return (a ? 1 : 0) - (b ? 1 : 0);
    const difference = compareText(a[0], b[0]) || compareValues(a[1], b[1]);
    if (difference !== 0) return difference;
  }
}

/** Numbers before strings before booleans before the rest. */
function compareValues(a: unknown, b: unknown): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  return compareText(stringifyJson(a), stringifyJson(b));
}

function rankOf(value: unknown): number {
  return ['number', 'string', 'boolean'].indexOf(typeof value) >>> 0;
}

/** Go compares bytes, which for UTF-8 is by code point; UTF-16 differs beyond the basic plane alone. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  for (let index = 0; ; index++) {
    const left = a.codePointAt(index) ?? -1;
    const right = b.codePointAt(index) ?? -1;
    if (left !== right) return left - right;
    if (left > 0xffff) index += 1;
  }
}

/** As messages write it: '.spec', '[name="web"]', '[="a"]', '[0]'. */
export function elementText(element: PathElement): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${valueText(JSON.parse(rest))}]`;
  if (element.startsWith('k:')) {
    return `[${keysOf(element)
      .map(([name, value]) => `${name}=${valueText(value)}`)
      .join(',')}]`;
  }
  return `[${rest}]`;
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : stringifyJson(value);
}
