import { isObject } from '../../api/objects.ts';
import {
  additionalOf,
  allowsAdditional,
  isEmbedded,
  itemsOf,
  preservesUnknown,
  propertyOf,
} from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

const META_FIELDS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);
const ROOT = { 'x-kubernetes-embedded-resource': true } as const;

/**
 * Removes what the schema does not declare, in place; returns the paths of what went ('spec.a[0].b'), sorted.
 * Mirrors apiextensions-apiserver pkg/apiserver/schema/pruning/algorithm.go.
 */
export function prune(object: unknown, schema: SchemaNode | undefined): string[] {
  const gone: string[] = [];
  pruneNode(object, { ...schema, ...ROOT }, '', gone);
  return gone.sort();
}

/** The same for a value inside an object (a default). */
export function pruneValue(value: unknown, schema: SchemaNode): string[] {
  const gone: string[] = [];
  pruneNode(value, schema, '', gone);
  return gone.sort();
}

function pruneNode(value: unknown, node: SchemaNode | undefined, path: string, gone: string[]): void {
  if (node && preservesUnknown(node)) {
    keepUnknown(value, node, path, gone);
    return;
  }
  if (Array.isArray(value)) {
    const items = node && itemsOf(node);
    for (const [index, item] of value.entries()) pruneNode(item, items, `${path}[${index}]`, gone);
    return;
  }
  if (!isObject(value)) return;
  for (const name of Object.keys(value)) {
    if (node && isEmbedded(node) && META_FIELDS.has(name)) continue;
    const property = node && propertyOf(node, name);
    const here = join(path, name);
    if (property) pruneNode(value[name], property, here, gone);
    else if (node && allowsAdditional(node)) pruneNode(value[name], additionalOf(node), here, gone);
    else {
      if (!META_FIELDS.has(name) || path !== '') gone.push(here);
      delete value[name];
    }
  }
}

/** Unknown fields stay here; what is declared below them is pruned as it says. */
function keepUnknown(value: unknown, node: SchemaNode | undefined, path: string, gone: string[]): void {
  if (!node) return;
  if (Array.isArray(value)) {
    const items = itemsOf(node);
    for (const [index, item] of value.entries()) keepUnknown(item, items, `${path}[${index}]`, gone);
    return;
  }
  if (!isObject(value)) return;
  for (const name of Object.keys(value)) {
    if (isEmbedded(node) && META_FIELDS.has(name)) continue;
    const property = propertyOf(node, name);
    if (property) pruneNode(value[name], property, join(path, name), gone);
    else if (allowsAdditional(node) && additionalOf(node)) {
      pruneNode(value[name], additionalOf(node), join(path, name), gone);
    }
  }
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
