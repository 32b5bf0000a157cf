import { deepClone, isObject, setKey, type JsonObject } from '../objects.ts';

/**
 * Applies a JSON merge patch (RFC 7396): objects merge, null deletes, everything else replaces. Neither
 * argument is changed, and the result shares parts with the original.
 */
export function applyMergePatch(original: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return deepClone(patch);
  const result: JsonObject = {};
  if (isObject(original)) {
    for (const key of Object.keys(original)) setKey(result, key, original[key]);
  }
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete result[key];
    else setKey(result, key, applyMergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  return result;
}
