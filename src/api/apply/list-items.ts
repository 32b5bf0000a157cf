import { isObject } from '../objects.ts';
import type { MergeList } from './merge-type.ts';
import { keyElement, valueElement } from './path-element.ts';
import type { PathElement } from './path-element.ts';

/** A list's item cannot be told apart from others; the text is upstream's. */
export class ItemError extends Error {}

/**
 * How a path names an item: by its keys, those left out with their defaults, or by its value in a set. Throws
 * ItemError. Mirrors structured-merge-diff's typed/helpers.go.
 */
export function itemElement(list: MergeList, item: unknown): PathElement {
  if (list.keys.length === 0) return setElement(item);
  if (item === null || item === undefined) {
    throw new ItemError('associative list with keys may not have a null element');
  }
  if (!isObject(item)) throw new ItemError('associative list with keys may not have non-map elements');
  const keys: Array<[string, unknown]> = [];
  for (const name of list.keys) {
    const value = item[name] ?? list.items.map?.fields.get(name)?.default;
    if (value !== undefined) keys.push([name, value]);
  }
  if (keys.length === 0) {
    const names = `[${list.keys.map((name) => JSON.stringify(name)).join(' ')}]`;
    throw new ItemError(
      `associative list with keys has an element that omits all key fields ${names} (and doesn't have default values for any key fields)`,
    );
  }
  if (keys.length > 1) keys.sort(([a], [b]) => (a < b ? -1 : 1));
  return keyElement(keys);
}

function setElement(item: unknown): PathElement {
  if (Array.isArray(item)) {
    throw new ItemError('not supported: associative list with lists as elements');
  }
  if (item === null) {
    throw new ItemError("associative list without keys has an element that's an explicit null");
  }
  if (typeof item === 'object') {
    throw new ItemError("associative list without keys has an element that's a map type");
  }
  return valueElement(item);
}
