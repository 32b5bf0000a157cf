import { isObject } from '../../src/api/objects.ts';

/**
 * A JSON value of ours as Go writes it: where Go has null for a list or map that nobody set and that is no
 * omitempty, ours has an empty one. Everything else must be the same.
 */
export function withNullsOf(ours: unknown, go: unknown): unknown {
  if (Array.isArray(ours) && Array.isArray(go))
    return ours.map((item, index) => withNullsOf(item, go[index]));
  if (!isObject(ours) || !isObject(go)) return go === null && isEmpty(ours) ? null : ours;
  const nulls = Object.keys(go).filter((key) => go[key] === null && !Object.hasOwn(ours, key));
  return Object.fromEntries([
    ...Object.entries(ours).map(([key, item]) => [key, withNullsOf(item, go[key])] as const),
    // The zero time and nil raw bytes are null in Go, and absent here.
    ...nulls.map((key) => [key, null] as const),
  ]);
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}
