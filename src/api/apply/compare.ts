import { isObject } from '../objects.ts';
import type { JsonObject } from '../objects.ts';
import { EMPTY_SET, SetBuilder } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { itemElement } from './list-items.ts';
import { formOf, memberType } from './merge-type.ts';
import type { MergeList, MergeMap, MergeType } from './merge-type.ts';
import { fieldElement } from './path-element.ts';
import type { PathElement } from './path-element.ts';
import { sameValue } from './typed-value.ts';

/** Where two values differ. No field is in two of the sets. */
export interface Comparison {
  removed: FieldSet;
  modified: FieldSet;
  added: FieldSet;
}

export const NO_DIFFERENCE: Comparison = { removed: EMPTY_SET, modified: EMPTY_SET, added: EMPTY_SET };

/** Compares two values of a type. Mirrors structured-merge-diff's typed/compare.go. */
export function compareTyped(left: unknown, right: unknown, type: MergeType): Comparison {
  const walker = new CompareWalker();
  walker.walk(left, right, type);
  const { removed, modified, added } = walker;
  if (removed.isEmpty && modified.isEmpty && added.isEmpty) return NO_DIFFERENCE;
  return { removed: removed.build(), modified: modified.build(), added: added.build() };
}

class CompareWalker {
  readonly removed = new SetBuilder();
  readonly modified = new SetBuilder();
  readonly added = new SetBuilder();
  readonly #path: PathElement[] = [];

  walk(left: unknown, right: unknown, type: MergeType): void {
    if (left === right) return;
    const leftForm = formOf(type, left);
    const rightForm = formOf(type, right);
    let isLeaf: boolean;
    if (right === undefined) isLeaf = this.#form(left, right, type, leftForm);
    else if (left === undefined || leftForm === rightForm) isLeaf = this.#form(left, right, type, rightForm);
    else {
      this.#form(left, right, type, leftForm);
      isLeaf = this.#form(left, right, type, rightForm);
    }
    if (isLeaf) return;
    if (left === undefined) this.added.insert(this.#path);
    else if (right === undefined) this.removed.insert(this.#path);
  }

  /** Compares as one of the forms of a type; true where the two were compared as a whole. */
  #form(left: unknown, right: unknown, type: MergeType, form: 'scalar' | 'list' | 'map'): boolean {
    if (form === 'list') return this.#list(left, right, type.list!);
    if (form === 'map') return this.#map(left, right, type.map!);
    return this.#leaf(left, right);
  }

  #leaf(left: unknown, right: unknown): true {
    if (left === undefined) this.added.insert(this.#path);
    else if (right === undefined) this.removed.insert(this.#path);
    else if (!sameValue(left, right)) this.modified.insert(this.#path);
    return true;
  }

  #list(left: unknown, right: unknown, list: MergeList): boolean {
    const before = Array.isArray(left) ? (left as unknown[]) : [];
    const after = Array.isArray(right) ? (right as unknown[]) : [];
    // Both empty: what is left to tell is whether they are there at all.
    if (list.atomic || (before.length === 0 && after.length === 0)) return this.#leaf(left, right);
    const old = grouped(list, before);
    const fresh = grouped(list, after);
    for (const [element, items] of old) this.#items(element, items, fresh.get(element) ?? [], list);
    for (const [element, items] of fresh) if (!old.has(element)) this.#items(element, [], items, list);
    return false;
  }

  /** Items with the same keys: usually one on either side; several are compared as a whole. */
  #items(element: PathElement, left: readonly unknown[], right: readonly unknown[], list: MergeList): void {
    this.#path.push(element);
    if (left.length <= 1 && right.length <= 1) this.walk(left[0], right[0], list.items);
    else if (left.length >= 2 && right.length >= 2) {
      if (!sameValue(left, right)) this.modified.insert(this.#path);
    } else if (left.length >= 2) {
      if (right.length > 0) this.walk(undefined, right[0], list.items);
      this.removed.insert(this.#path);
    } else {
      if (left.length > 0) this.walk(left[0], undefined, list.items);
      this.added.insert(this.#path);
    }
    this.#path.pop();
  }

  #map(left: unknown, right: unknown, map: MergeMap): boolean {
    const before: JsonObject = isObject(left) ? left : {};
    const after: JsonObject = isObject(right) ? right : {};
    if (map.atomic || (isBare(before) && isBare(after))) return this.#leaf(left, right);
    // Of an object that is there, what Go writes as null is there too.
    if (map.nulls && isObject(left) !== isObject(right)) {
      for (const name of map.nulls) {
        const old = isObject(left) ? (left[name] ?? null) : undefined;
        const fresh = isObject(right) ? (right[name] ?? null) : undefined;
        if (old === null || fresh === null) this.#member(name, old, fresh, map);
      }
    }
    for (const name in before) this.#member(name, before[name], after[name], map);
    for (const name in after) {
      if (before[name] === undefined) this.#member(name, undefined, after[name], map);
    }
    return false;
  }

  #member(name: string, left: unknown, right: unknown, map: MergeMap): void {
    if (left === right) return;
    const type = memberType(map, name);
    if (!type) return;
    this.#path.push(fieldElement(name));
    this.walk(left, right, type);
    this.#path.pop();
  }
}

function isBare(object: JsonObject): boolean {
  for (const _ in object) return false;
  return true;
}

function grouped(list: MergeList, items: readonly unknown[]): Map<PathElement, unknown[]> {
  const groups = new Map<PathElement, unknown[]>();
  for (const item of items) {
    const element = itemElement(list, item);
    const group = groups.get(element);
    if (group) group.push(item);
    else groups.set(element, [item]);
  }
  return groups;
}
