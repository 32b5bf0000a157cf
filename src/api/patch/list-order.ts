import { isObject, setKey, type JsonObject } from '../objects.ts';
import type { Schema } from '../schema.ts';
import { PatchError } from './errors.ts';
import { SET_ORDER, goText, keyOf, ruleFor, withoutDirectives, type FieldRule } from './directives.ts';

type MergeSlice = (original: unknown[], patch: unknown[], rule: FieldRule) => unknown[];

/**
 * Obeys every $setElementOrder of a patch: merges its list into the original and orders it by the directive,
 * items that only the server has keeping their places as well as they can. What is done leaves the patch.
 */
export function orderLists(
  original: JsonObject,
  patch: JsonObject,
  schema: Schema | undefined,
  mergeSlice: MergeSlice,
): void {
  for (const key of Object.keys(patch)) {
    if (key === SET_ORDER.slice(0, -1) && !Array.isArray(patch[key])) throw notList(patch[key]);
    if (!key.startsWith(SET_ORDER)) continue;
    const order = patch[key];
    delete patch[key];
    const name = key.slice(SET_ORDER.length);
    if (!Array.isArray(order)) throw notList(order);
    const rule = ruleFor(schema, name);
    const live = asList(original[name]);
    const given = asList(patch[name]);
    checkOrder(given ?? [], order, rule.mergeKey);
    if (live === undefined && given === undefined) continue;
    let merged = live ?? [];
    const before = liveOrder(merged, given ?? [], rule.mergeKey);
    if (given !== undefined) {
      if (live === undefined) merged = withoutDirectives(given) as unknown[];
      else merged = rule.strategy === 'merge' ? mergeSlice(live, given, rule) : given;
    }
    setKey(original, name, orderMerged(merged, order, before, rule.mergeKey));
    delete patch[name];
  }
}

/**
 * The order that places the server's own items: that of the live list as the merge leaves it behind. Upstream merges
 * in place, so that a new item has the place of one that was deleted (mergeSliceHandler of patch.go).
 */
function liveOrder(live: readonly unknown[], patch: readonly unknown[], mergeKey: string): unknown[] {
  if (mergeKey === '') return [...live];
  const keys = (items: readonly unknown[]): Set<unknown> =>
    new Set(items.filter(isObject).map((item) => item[mergeKey]));
  const deleted = keys(patch.filter((item) => isObject(item) && item['$patch'] === 'delete'));
  const remaining = live.filter((item) => !isObject(item) || !deleted.has(item[mergeKey]));
  const known = keys(remaining);
  const added = patch.filter(
    (item) => isObject(item) && !Object.hasOwn(item, '$patch') && !known.has(item[mergeKey]),
  );
  return [...remaining, ...added].slice(0, live.length);
}

const GO_TYPES: Readonly<Record<string, string>> = {
  string: 'string',
  boolean: 'bool',
  bigint: 'int64',
  object: 'map[string]interface {}',
};

function notList(value: unknown): PatchError {
  const ofNumber = Number.isInteger(value) ? 'int64' : 'float64';
  const type = typeof value === 'number' ? ofNumber : GO_TYPES[typeof value];
  return new PatchError(500, `expected a []interface {}, but received a ${type}`);
}

function asList(value: unknown): unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw notList(value);
  return value;
}

/** The items of the patch must stand in the order's order, and be in it. */
function checkOrder(patch: unknown[], order: unknown[], mergeKey: string): void {
  if (patch.length === 0 || order.length === 0) return;
  const items = patch.filter((item) => !(isObject(item) && Object.hasOwn(item, '$patch')));
  let at = 0;
  for (const wanted of order) {
    if (at < items.length && identity(items[at], mergeKey) === identity(wanted, mergeKey)) at++;
  }
  if (at < items.length) {
    throw new PatchError(
      500,
      `The order in patch list:\n${goText(patch)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`,
    );
  }
}

function identity(item: unknown, mergeKey: string): unknown {
  return mergeKey === '' ? item : keyOf(item, mergeKey);
}

/** Orders a merged list: items named by `order` as it says, the server's others where they stood. */
export function orderMerged(
  merged: unknown[],
  order: readonly unknown[],
  serverOrder: readonly unknown[],
  mergeKey: string,
): unknown[] {
  const wanted = order.map((item) => identity(item, mergeKey));
  const live = serverOrder.map((item) =>
    mergeKey === '' || isObject(item) ? identity(item, mergeKey) : item,
  );
  const rank = (list: readonly unknown[], item: unknown): number => {
    const index = list.indexOf(identity(item, mergeKey));
    return index < 0 ? Number.MAX_SAFE_INTEGER : index;
  };
  const patched = merged.filter((item) => wanted.includes(identity(item, mergeKey)));
  const others = merged.filter((item) => !wanted.includes(identity(item, mergeKey)));
  patched.sort((a, b) => rank(wanted, a) - rank(wanted, b));
  others.sort((a, b) => rank(live, a) - rank(live, b));
  return interleave(others, patched, live, mergeKey);
}

function interleave(
  left: unknown[],
  right: unknown[],
  live: readonly unknown[],
  mergeKey: string,
): unknown[] {
  const result: unknown[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    const a = live.indexOf(identity(left[i], mergeKey));
    const b = live.indexOf(identity(right[j], mergeKey));
    result.push(a >= 0 && b >= 0 && a < b ? left[i++] : right[j++]);
  }
  return [...result, ...left.slice(i), ...right.slice(j)];
}
