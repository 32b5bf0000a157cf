import { deepClone, isObject, setKey } from '../../api/objects.ts';
import { additionalOf, itemsOf, propertyOf } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

/**
 * Fills in what the schema has defaults for, in place; null where it may not be null counts as absent.
 * Mirrors apiextensions-apiserver pkg/apiserver/schema/defaulting/algorithm.go.
 */
export function applyDefaults(value: unknown, node: SchemaNode | undefined): void {
  if (!node) return;
  if (Array.isArray(value)) {
    const items = itemsOf(node);
    for (let index = 0; index < value.length; index++) {
      if (isWrongNull(value[index], items)) value[index] = deepClone(items?.default ?? null);
      applyDefaults(value[index], items);
    }
    return;
  }
  if (!isObject(value)) return;
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    if (property.default === undefined) continue;
    if (!Object.hasOwn(value, name) || isWrongNull(value[name], property)) {
      setKey(value, name, deepClone(property.default));
    }
  }
  const additional = additionalOf(node);
  for (const name of Object.keys(value)) {
    const property = propertyOf(node, name);
    if (property) applyDefaults(value[name], property);
    else if (additional) {
      if (isWrongNull(value[name], additional)) setKey(value, name, deepClone(additional.default ?? null));
      applyDefaults(value[name], additional);
    }
  }
}

function isWrongNull(value: unknown, node: SchemaNode | undefined): boolean {
  return value === null && node !== undefined && node.nullable !== true;
}

/**
 * Removes nulls of fields that may not be null and have no default, in place: they say nothing. Mirrors
 * schema/defaulting/prune.go.
 */
export function pruneNulls(value: unknown, node: SchemaNode | undefined): void {
  if (!node) return;
  if (Array.isArray(value)) {
    for (const item of value) pruneNulls(item, itemsOf(node));
    return;
  }
  if (!isObject(value)) return;
  for (const name of Object.keys(value)) {
    const inner = propertyOf(node, name) ?? additionalOf(node);
    if (inner?.default === undefined && isWrongNull(value[name], inner)) delete value[name];
    else pruneNulls(value[name], inner);
  }
}

/** Whether anything in the schema has a default. */
export function hasDefaults(node: SchemaNode | undefined): boolean {
  if (!node) return false;
  if (node.default !== undefined) return true;
  return (
    Object.values(node.properties ?? {}).some(hasDefaults) ||
    hasDefaults(itemsOf(node)) ||
    hasDefaults(additionalOf(node))
  );
}
