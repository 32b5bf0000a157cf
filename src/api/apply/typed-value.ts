import { isObject } from '../objects.ts';
import type { JsonObject } from '../objects.ts';
import { EMPTY_SET, SetBuilder } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { itemElement } from './list-items.ts';
import { formOf, memberType } from './merge-type.ts';
import type { MergeList, MergeMap, MergeType } from './merge-type.ts';
import { fieldElement } from './path-element.ts';
import type { PathElement } from './path-element.ts';

/**
 * Which fields a value has: what an applier of it owns. Mirrors structured-merge-diff's typed/tofieldset.go.
 * The value has been checked before: see checkTyped.
 */
export function fieldSetOf(value: unknown, type: MergeType): FieldSet {
  const walker = new SetWalker();
  walker.walk(value, type);
  return walker.set.isEmpty ? EMPTY_SET : walker.set.build();
}

class SetWalker {
  readonly set = new SetBuilder();
  readonly #path: PathElement[] = [];

  walk(value: unknown, type: MergeType): void {
    const form = formOf(type, value);
    if (form === 'scalar') this.set.insert(this.#path);
    else if (form === 'list') this.#list(value, type.list!);
    else this.#map(value, type.map!);
  }

  #list(value: unknown, list: MergeList): void {
    if (list.atomic) {
      this.set.insert(this.#path);
      return;
    }
    if (!Array.isArray(value)) return;
    const elements = value.map((item) => itemElement(list, item));
    const counts = new Map<PathElement, number>();
    for (const element of elements) counts.set(element, (counts.get(element) ?? 0) + 1);
    for (const [index, element] of elements.entries()) {
      this.#path.push(element);
      // What is there twice is owned as a whole.
      if (counts.get(element) === 1) this.walk(value[index], list.items);
      this.set.insert(this.#path);
      this.#path.pop();
    }
  }

  #map(value: unknown, map: MergeMap): void {
    if (map.atomic) {
      this.set.insert(this.#path);
      return;
    }
    if (!isObject(value)) return;
    for (const name of Object.keys(value)) {
      const member = value[name];
      const type = memberType(map, name);
      this.#path.push(fieldElement(name));
      if (type) this.walk(member, type);
      const isBare = member === null || (isObject(member) && Object.keys(member).length === 0);
      if (isBare || !map.fields.has(name)) this.set.insert(this.#path);
      this.#path.pop();
    }
  }
}

/** The set with every named field on the way to a member a member too. Mirrors fieldpath/set.go. */
export function withNamedFields(set: FieldSet, type: MergeType | undefined): FieldSet {
  const out: Record<PathElement, FieldSet> = {};
  for (const key in set) {
    if (key === '.') {
      out[key] = set[key]!;
      continue;
    }
    const node = set[key]!;
    const isField = key.startsWith('f:');
    const name = key.slice(2);
    const inner = isField ? type?.map && memberType(type.map, name) : type?.list?.items;
    const below = withNamedFields(node, inner);
    const isNamed = isField && (type?.map?.fields.has(name) ?? false);
    out[key] = isNamed && Object.keys(below).length > 0 ? { '.': EMPTY_SET, ...below } : below;
  }
  return out;
}

/**
 * The value without the given items; what contained them stays, though it may be empty then. Mirrors
 * typed/remove.go.
 */
export function removeItems(value: unknown, remove: FieldSet, type: MergeType | undefined): unknown {
  if (Object.keys(remove).length === 0) return value;
  const form = type && formOf(type, value);
  if (Array.isArray(value)) {
    if (form !== 'list' || value.length === 0 || type!.list!.atomic) return undefined;
    return removeFromList(value, remove, type!.list!);
  }
  if (!isObject(value)) return value;
  if (form !== 'map' || Object.keys(value).length === 0 || type!.map!.atomic) return undefined;
  return removeFromMap(value, remove, type!.map!);
}

function removeFromList(value: unknown[], remove: FieldSet, list: MergeList): unknown {
  const kept: unknown[] = [];
  let matched = false;
  for (const item of value) {
    const node = remove[itemElement(list, item)];
    if (node === undefined) kept.push(item);
    else if (!ownsItself(node)) {
      matched = true;
      kept.push(removeItems(item, node, list.items) ?? emptyLike(item));
    }
  }
  return kept.length > 0 || matched ? kept : undefined;
}

function removeFromMap(value: JsonObject, remove: FieldSet, map: MergeMap): unknown {
  const kept: JsonObject = {};
  let matched = false;
  for (const name of Object.keys(value)) {
    const node = remove[fieldElement(name)];
    if (node === undefined) kept[name] = value[name];
    else if (!ownsItself(node)) {
      matched = true;
      kept[name] = removeItems(value[name], node, memberType(map, name)) ?? emptyLike(value[name]);
    }
  }
  return matched || Object.keys(kept).length > 0 ? kept : undefined;
}

function ownsItself(node: FieldSet): boolean {
  return '.' in node || Object.keys(node).length === 0;
}

function emptyLike(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  return isObject(value) ? {} : null;
}

/** Equality of JSON values: the order of members does not matter, everything else does. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a === 'bigint' || typeof b === 'bigint') return sameNumber(a, b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    for (let index = 0; index < a.length; index++) if (!sameValue(a[index], b[index])) return false;
    return true;
  }
  const left = a as JsonObject;
  const right = b as JsonObject;
  let count = 0;
  for (const name in left) {
    if (left[name] === undefined) continue;
    if (!sameValue(left[name], right[name])) return false;
    count += 1;
  }
  for (const name in right) if (right[name] !== undefined) count -= 1;
  return count === 0;
}

function sameNumber(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && Number.isInteger(a)) return BigInt(a) === b;
  if (typeof b === 'number' && Number.isInteger(b)) return BigInt(b) === a;
  return a === b;
}
