import { deepClone, isObject, setKey, type JsonObject } from '../objects.ts';
import type { MessageSchema, Schema } from '../schema.ts';
import { PatchError } from './errors.ts';
import {
  DELETE_FROM,
  DIRECTIVE,
  RETAIN_KEYS,
  SET_ORDER,
  goText,
  keyOf,
  ruleFor,
  withoutDirectives,
  type FieldRule,
} from './directives.ts';
import { orderLists, orderMerged } from './list-order.ts';

/**
 * Applies a strategic merge patch; neither argument is changed. Lists with a merge key are merged item by
 * item, others replaced; $patch, $retainKeys, $deleteFromPrimitiveList and $setElementOrder are obeyed.
 * Throws PatchError. Mirrors apimachinery's pkg/util/strategicpatch/patch.go.
 */
export function applyStrategicMergePatch(original: object, patch: object, schema: MessageSchema): JsonObject {
  return mergeMap(deepClone(original as JsonObject), deepClone(patch as JsonObject), schema);
}

/** Merges the patch into the original, which is changed, as is the patch. */
function mergeMap(original: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject {
  const directive = patch[DIRECTIVE];
  if (directive !== undefined) {
    if (directive === 'delete') return {};
    if (directive !== 'replace') throw unknownDirective(directive, patch);
    delete patch[DIRECTIVE];
    return patch;
  }
  applyRetainKeys(original, patch);
  orderLists(original, patch, schema, mergeSlice);
  for (const key of Object.keys(patch)) mergeField(original, key, patch[key], schema);
  return original;
}

function unknownDirective(directive: unknown, patch: JsonObject): PatchError {
  return new PatchError(500, `unknown patch type: ${goText(directive)} in map: ${goText(patch)}`);
}

function mergeField(
  original: JsonObject,
  patchKey: string,
  patchValue: unknown,
  schema: Schema | undefined,
): void {
  const isDeletion = patchKey.startsWith(DELETE_FROM);
  const key = isDeletion ? patchKey.slice(DELETE_FROM.length) : patchKey;
  if (patchValue === null) {
    delete original[key];
    return;
  }
  const value = Object.hasOwn(original, key) ? original[key] : undefined;
  if (value === undefined || value === null || kindOf(value) !== kindOf(patchValue)) {
    if (!isDeletion) take(original, key, patchValue);
  } else if (isObject(value) && isObject(patchValue)) {
    const rule = ruleFor(schema, key);
    const merged = rule.strategy === 'replace' ? patchValue : mergeMap(value, patchValue, rule.schema);
    setKey(original, key, merged);
  } else if (Array.isArray(value) && Array.isArray(patchValue)) {
    const rule = ruleFor(schema, key);
    let merged = patchValue;
    if (isDeletion) merged = value.filter((item) => !patchValue.includes(item));
    else if (rule.strategy === 'merge') merged = mergeSlice(value, patchValue, rule);
    setKey(original, key, merged);
  } else {
    take(original, key, patchValue);
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  return typeof value === 'bigint' ? 'number' : typeof value;
}

/** Takes over a value of the patch without its directives and nulls. */
function take(original: JsonObject, key: string, patchValue: unknown): void {
  discardNulls(patchValue);
  const value = withoutDirectives(patchValue);
  if (value === undefined) delete original[key];
  else setKey(original, key, value);
}

function discardNulls(value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) discardNulls(item);
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) {
      if (value[key] === null) delete value[key];
      else discardNulls(value[key]);
    }
  }
}

function applyRetainKeys(original: JsonObject, patch: JsonObject): void {
  const retain = patch[RETAIN_KEYS];
  if (retain === undefined) return;
  delete patch[RETAIN_KEYS];
  if (!Array.isArray(retain)) throw new PatchError(400, 'invalid patch format of retainKeys');
  const keys = new Set<unknown>(retain);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || key.startsWith(DELETE_FROM) || key.startsWith(SET_ORDER)) continue;
    if (!keys.has(key)) throw new PatchError(400, 'invalid patch format of retainKeys');
  }
  for (const key of Object.keys(original)) if (!keys.has(key)) delete original[key];
}

function mergeSlice(original: unknown[], patch: unknown[], rule: FieldRule): unknown[] {
  if (original.length === 0 && patch.length === 0) return original;
  const sample = original[0] ?? patch[0];
  if (Array.isArray(sample)) throw new PatchError(422, 'lists of lists are not supported');
  if (!isObject(sample)) {
    const merged = deduplicate([...original, ...patch]);
    return orderMerged(merged, patch, original, '');
  }
  if (rule.mergeKey === '') {
    throw new PatchError(500, `cannot merge lists without merge key for ${rule.schema?.kind ?? 'unknown'}`);
  }
  if (![...original, ...patch].every(isObject)) {
    const shown = `[${goText(original)} ${goText(patch)}]`;
    throw new PatchError(500, `list element types are not identical: ${shown}`);
  }
  const { base, rest } = applyListDirectives(original, patch, rule.mergeKey);
  for (const item of rest) mergeItem(base, item, rule);
  return orderMerged(base, rest, original, rule.mergeKey);
}

function mergeItem(base: unknown[], item: JsonObject, rule: FieldRule): void {
  const wanted = keyOf(item, rule.mergeKey);
  const index = base.findIndex((entry) => isObject(entry) && entry[rule.mergeKey] === wanted);
  const found = base[index];
  if (isObject(found)) base[index] = mergeMap(found, item, rule.schema);
  else base.push(item);
}

/** Obeys $patch in items: deletes from the original, or replaces it by the rest of the patch. */
function applyListDirectives(
  original: unknown[],
  patch: unknown[],
  mergeKey: string,
): { base: unknown[]; rest: JsonObject[] } {
  let base = [...original];
  let isReplaced = false;
  const rest: JsonObject[] = [];
  for (const item of patch) {
    if (!isObject(item)) throw new PatchError(400, 'expected a map, but received another type');
    const directive = item[DIRECTIVE];
    if (directive === undefined) {
      rest.push(item);
    } else if (directive === 'delete') {
      const wanted = keyOf(item, mergeKey);
      base = base.filter((entry) => !(isObject(entry) && entry[mergeKey] === wanted));
    } else if (directive === 'replace') {
      isReplaced = true;
    } else if (directive === 'merge') {
      throw new PatchError(500, 'merging lists cannot yet be specified in the patch');
    } else {
      throw unknownDirective(directive, item);
    }
  }
  return isReplaced ? { base: rest, rest: [] } : { base, rest };
}

/** Upstream's way: a repeated item is overwritten by the last one. */
function deduplicate(items: unknown[]): unknown[] {
  const list = [...items];
  for (let first = 0; first < list.length; first++) {
    for (let second = first + 1; second < list.length; second++) {
      if (list[first] === list[second]) {
        const last = list.pop();
        if (second < list.length) list[second] = last;
        second--;
      }
    }
  }
  return list;
}
