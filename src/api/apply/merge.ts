import { isObject, setKey } from '../objects.ts';
import type { JsonObject } from '../objects.ts';
import { itemElement } from './list-items.ts';
import { formOf, memberType } from './merge-type.ts';
import type { MergeList, MergeMap, MergeType } from './merge-type.ts';
import type { PathElement } from './path-element.ts';

/**
 * Merges what someone applies into an object; neither is changed, and the result shares parts with both.
 * undefined is absence. Mirrors structured-merge-diff's typed/merge.go, with the rule that the applied wins.
 */
export function mergeTyped(live: unknown, applied: unknown, type: MergeType): unknown {
  if (applied === undefined) return live;
  const form = formOf(type, applied);
  const leaf = applied;
  if (form === 'list') {
    const before = Array.isArray(live) ? (live as unknown[]) : [];
    const after = Array.isArray(applied) ? (applied as unknown[]) : [];
    if (type.list!.atomic || (before.length === 0 && after.length === 0)) return leaf;
    return mergeList(before, after, type.list!);
  }
  if (form === 'map') {
    const before: JsonObject = isObject(live) ? live : {};
    const after: JsonObject = isObject(applied) ? applied : {};
    const isBare = Object.keys(before).length === 0 && Object.keys(after).length === 0;
    if (type.map!.atomic || isBare) return leaf;
    return mergeMap(before, after, type.map!);
  }
  return leaf;
}

function mergeMap(live: JsonObject, applied: JsonObject, map: MergeMap): JsonObject {
  const out: JsonObject = {};
  for (const name of Object.keys(live)) {
    const type = memberType(map, name);
    const value = type ? mergeTyped(live[name], applied[name], type) : (applied[name] ?? live[name]);
    if (value !== undefined) setKey(out, name, value);
  }
  for (const name of Object.keys(applied)) {
    if (name in live) continue;
    const type = memberType(map, name);
    const value = type ? mergeTyped(undefined, applied[name], type) : applied[name];
    if (value !== undefined) setKey(out, name, value);
  }
  return out;
}

interface Indexed {
  elements: PathElement[];
  /** The item of each element; undefined where there are several. */
  items: Map<PathElement, unknown>;
}

function index(list: MergeList, items: readonly unknown[]): Indexed {
  const elements = items.map((item) => itemElement(list, item));
  const byElement = new Map<PathElement, unknown>();
  for (const [at, element] of elements.entries()) {
    byElement.set(element, byElement.has(element) ? undefined : items[at]);
  }
  return { elements, items: byElement };
}

/** The applied items in their order, the others where they stood between those that both have. */
function mergeList(live: readonly unknown[], applied: readonly unknown[], list: MergeList): unknown[] {
  const left = index(list, live);
  const right = index(list, applied);
  const shared = right.elements.filter((element) => left.items.has(element));
  let nextShared = shared.shift();
  const merged = new Set<PathElement>();
  const out: unknown[] = [];
  const take = (element: PathElement): void => {
    merged.add(element);
    const value = mergeTyped(left.items.get(element), right.items.get(element), list.items);
    if (value !== undefined) out.push(value);
  };
  let l = 0;
  let r = 0;
  while (l < left.elements.length || r < right.elements.length) {
    const own = left.elements[l];
    const theirs = right.elements[r];
    if (own !== undefined && theirs !== undefined) {
      if (own === theirs) {
        take(own);
        l += 1;
        r += 1;
        nextShared = shared.shift();
        continue;
      }
      if (right.items.has(own) && nextShared !== undefined && nextShared !== own) {
        // Both have it, but it is not its turn.
        l += 1;
        continue;
      }
    }
    if (own !== undefined) {
      if (!right.items.has(own)) {
        out.push(live[l]);
        l += 1;
        continue;
      }
      // It has come with the applied ones already.
      if (merged.has(own)) l += 1;
    }
    if (theirs !== undefined) {
      take(theirs);
      r += 1;
      if (nextShared === theirs) nextShared = shared.shift();
    }
  }
  return out;
}
