import type { JSONSchemaProps } from '../../api/gen/types/apiextensions-v1.ts';

/** A schema of a CustomResourceDefinition, as it is stored. */
export type SchemaNode = JSONSchemaProps;

/** The schema of a list's items; upstream refuses a list of schemas. */
export function itemsOf(node: SchemaNode): SchemaNode | undefined {
  return node.items === undefined || Array.isArray(node.items) ? undefined : node.items;
}

/** The schema of what is no property; undefined where there is none, or where anything goes. */
export function additionalOf(node: SchemaNode): SchemaNode | undefined {
  const { additionalProperties } = node;
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

/** Whether what is no property may be there at all. */
export function allowsAdditional(node: SchemaNode): boolean {
  return node.additionalProperties !== undefined && node.additionalProperties !== false;
}

export function preservesUnknown(node: SchemaNode): boolean {
  return node['x-kubernetes-preserve-unknown-fields'] === true;
}

export function isEmbedded(node: SchemaNode): boolean {
  return node['x-kubernetes-embedded-resource'] === true;
}

export function isIntOrString(node: SchemaNode): boolean {
  return node['x-kubernetes-int-or-string'] === true;
}

/** The schema of a property, own ones only: a field may be called 'constructor'. */
export function propertyOf(node: SchemaNode, name: string): SchemaNode | undefined {
  return node.properties && Object.hasOwn(node.properties, name) ? node.properties[name] : undefined;
}

/** Every schema inside a schema, itself first, with the path from it as upstream writes it. */
export function* walkSchema(node: SchemaNode, path: string): Generator<[SchemaNode, string]> {
  yield [node, path];
  const lists = { allOf: node.allOf, anyOf: node.anyOf, oneOf: node.oneOf };
  for (const [name, list] of Object.entries(lists)) {
    for (const [index, inner] of (list ?? []).entries())
      yield* walkSchema(inner, `${path}.${name}[${index}]`);
  }
  if (node.not) yield* walkSchema(node.not, `${path}.not`);
  for (const [name, inner] of Object.entries(node.properties ?? {})) {
    yield* walkSchema(inner, `${path}.properties[${name}]`);
  }
  const items = itemsOf(node);
  if (items) yield* walkSchema(items, `${path}.items`);
  const additional = additionalOf(node);
  if (additional) yield* walkSchema(additional, `${path}.additionalProperties`);
}
