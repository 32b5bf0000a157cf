import { mergeTypeOf, DEDUCED, UNTYPED_ATOMIC } from '../../api/apply/merge-type.ts';
import type { MergeField, MergeList, MergeMap, MergeType } from '../../api/apply/merge-type.ts';
import { schemaForMessage } from '../../api/schema.ts';
import { additionalOf, isEmbedded, isIntOrString, itemsOf, preservesUnknown } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

/** How objects of a custom kind are merged. Mirrors kube-openapi pkg/schemaconv/openapi.go. */
export function mergeTypeOfSchema(schema: SchemaNode | undefined): MergeType {
  // Without a schema, or with one that says nothing, objects are merged field by field.
  if (!schema) return withMeta(DEDUCED.map!);
  const type = nodeType(schema, false);
  return withMeta(type.map ?? DEDUCED.map!);
}

function withMeta(map: MergeMap): MergeType {
  return { map: { ...map, fields: metaFields(map.fields) } };
}

function metaFields(fields: ReadonlyMap<string, MergeField>): ReadonlyMap<string, MergeField> {
  const meta = schemaForMessage('meta-v1', 'ObjectMeta')!;
  return new Map<string, MergeField>([
    ...fields,
    ['apiVersion', { type: { scalar: 'string' } }],
    ['kind', { type: { scalar: 'string' } }],
    ['metadata', { type: mergeTypeOf(meta) }],
  ]);
}

/** `preserve`: whether a schema around this one keeps unknown fields, which is inherited here. */
function nodeType(node: SchemaNode, preserve: boolean): MergeType {
  const keeps = preserve || preservesUnknown(node);
  if (isIntOrString(node)) return { scalar: 'untyped', list: listOf(node, keeps), map: mapOf(node, keeps) };
  switch (node.type ?? '') {
    case 'object':
      return { map: mapOf(node, keeps) };
    case 'array':
      return { list: listOf(node, keeps) };
    case 'integer':
    case 'number':
      return { scalar: 'numeric' };
    case 'boolean':
      return { scalar: 'boolean' };
    case 'string':
      return { scalar: node.format && node.format !== 'byte' ? 'untyped' : 'string' };
    default:
      return { scalar: 'untyped', list: listOf(node, keeps), map: mapOf(node, keeps) };
  }
}

function listOf(node: SchemaNode, preserve: boolean): MergeList {
  const items = itemsOf(node);
  const type = node['x-kubernetes-list-type'];
  return {
    atomic: type !== 'set' && type !== 'map',
    keys: type === 'map' ? (node['x-kubernetes-list-map-keys'] ?? []) : [],
    items: items ? nodeType(items, preserve) : UNTYPED_ATOMIC,
  };
}

function mapOf(node: SchemaNode, preserve: boolean): MergeMap {
  const fields = new Map<string, MergeField>();
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    const type = nodeType(property, preserve);
    fields.set(name, property.default === undefined ? { type } : { type, default: property.default });
  }
  return {
    atomic: node['x-kubernetes-map-type'] === 'atomic',
    fields: isEmbedded(node) ? metaFields(fields) : fields,
    elements: elementsOf(node, preserve),
  };
}

function elementsOf(node: SchemaNode, preserve: boolean): MergeType | undefined {
  const additional = additionalOf(node);
  if (additional) return nodeType(additional, preserve);
  if (node.additionalProperties === true) return DEDUCED;
  if (node.additionalProperties === false) return undefined;
  return preserve || Object.keys(node.properties ?? {}).length === 0 ? DEDUCED : undefined;
}
