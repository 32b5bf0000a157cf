import jsonPatch from 'fast-json-patch';
import type { Operation } from 'fast-json-patch';
import type { PatchType } from './client.ts';

type JsonObject = Record<string, unknown>;

/** The keys by which the lists that controllers patch are merged strategically. */
const MERGE_KEYS: Record<string, string> = {
  conditions: 'type',
  containers: 'name',
  ownerReferences: 'uid',
  addresses: 'type',
  ports: 'port',
};

/** Enough of the patch kinds for unit tests; the server's own are in src/api. */
export function applyMemoryPatch<T>(target: T, patch: unknown, type: PatchType): T {
  if (type === 'json') return jsonPatch.applyPatch(target, patch as Operation[], true, false).newDocument;
  return merge(target, patch, type !== 'merge') as T;
}

function merge(target: unknown, patch: unknown, strategic: boolean): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    const mergeKey = MERGE_KEYS[key];
    if (value === null) delete result[key];
    else if (strategic && Array.isArray(value) && key === 'finalizers') {
      const old = Array.isArray(result[key]) ? (result[key] as unknown[]) : [];
      result[key] = [...new Set([...old, ...(value as unknown[])])];
    } else if (strategic && Array.isArray(value) && mergeKey !== undefined) {
      result[key] = mergeList(result[key], value, mergeKey);
    } else result[key] = merge(result[key], value, strategic);
  }
  return result;
}

function mergeList(target: unknown, patch: unknown[], mergeKey: string): unknown[] {
  if (patch.some((item) => isObject(item) && item['$patch'] === 'replace'))
    return patch.filter((item) => !(isObject(item) && item['$patch'] === 'replace'));
  const result: unknown[] = Array.isArray(target) ? [...(target as unknown[])] : [];
  for (const item of patch) {
    if (!isObject(item)) continue;
    const at = result.findIndex((old) => isObject(old) && old[mergeKey] === item[mergeKey]);
    if (item['$patch'] === 'delete') {
      if (at !== -1) result.splice(at, 1);
    } else if (at === -1) result.push(merge({}, item, true));
    else result[at] = merge(result[at], item, true);
  }
  return result;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
