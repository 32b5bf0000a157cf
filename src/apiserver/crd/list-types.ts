import { stringifyJson } from '../../api/json/encode.ts';
import { isObject } from '../../api/objects.ts';
import { at, child, duplicate, invalid, key } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { additionalOf, itemsOf, propertyOf } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

/**
 * Items of sets and maps that are there twice. Mirrors apiextensions-apiserver
 * pkg/apiserver/schema/listtype/validation.go.
 */
export function validateListTypes(value: unknown, node: SchemaNode | undefined, path: string): FieldError[] {
  if (!node) return [];
  if (Array.isArray(value)) return validateArray(value, node, path);
  if (!isObject(value)) return [];
  const errors: FieldError[] = [];
  const additional = additionalOf(node);
  for (const [name, item] of Object.entries(value)) {
    if (additional) errors.push(...validateListTypes(item, additional, key(path, name)));
    const property = propertyOf(node, name);
    if (property) errors.push(...validateListTypes(item, property, child(path, name)));
  }
  return errors;
}

function validateArray(list: readonly unknown[], node: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const type = node['x-kubernetes-list-type'];
  if (type === 'set') {
    for (const index of repeated(list)) errors.push(duplicate(at(path, index), list[index]));
  } else if (type === 'map') {
    errors.push(...validateMapList(list, node['x-kubernetes-list-map-keys'] ?? [], path));
  }
  const items = itemsOf(node);
  for (const [index, item] of list.entries()) errors.push(...validateListTypes(item, items, at(path, index)));
  return errors;
}

function validateMapList(list: readonly unknown[], names: readonly string[], path: string): FieldError[] {
  for (const [index, item] of list.entries()) {
    if (item !== null && !isObject(item)) {
      return [invalid(at(path, index), item, 'must be an object for an array of list-type map')];
    }
  }
  const keys = list.map((item) => {
    const present = names.filter((name) => isObject(item) && Object.hasOwn(item, name));
    return Object.fromEntries(present.map((name) => [name, (item as Record<string, unknown>)[name]]));
  });
  return repeated(keys).map((index) => duplicate(at(path, index), keys[index]));
}

/** Indexes of the second of equal items, once each. */
function repeated(list: readonly unknown[]): number[] {
  const seen = new Map<string, number>();
  const found: number[] = [];
  for (const [index, item] of list.entries()) {
    const text = canonicalText(item);
    const times = seen.get(text) ?? 0;
    seen.set(text, times + 1);
    if (times === 1) found.push(index);
  }
  return found;
}

function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (!isObject(value)) return stringifyJson(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalText(value[name])}`).join(',')}}`;
}
