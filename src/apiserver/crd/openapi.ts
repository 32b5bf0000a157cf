import { schemasOf } from '../../api/openapi/v3.ts';
import type { OpenApiSchema } from '../../api/openapi/v3.ts';
import { schemaForMessage } from '../../api/schema.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { isEmbedded, isIntOrString, itemsOf, preservesUnknown } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';
import { StructuralKind } from './structural-kind.ts';
import { isCheckedFormat } from './formats.ts';

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const LIST_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta';
const API_VERSION = {
  type: 'string',
  description: 'APIVersion defines the group and version in which this object is written.',
};
const KIND = {
  type: 'string',
  description: 'Kind is the type of this object, in CamelCase; it cannot be changed.',
};
const METADATA_DESCRIPTION = "Standard object's metadata.";
const META_MESSAGES = ['ObjectMeta', 'ListMeta', 'APIResourceList', 'DeleteOptions', 'Status', 'WatchEvent'];

type Dialect = 'v2' | 'v3';

/** The components of the OpenAPI v3 document of a group and version of custom kinds. */
export function customComponents(resources: readonly ServedResource[]): Record<string, OpenApiSchema> {
  const { group = '', version = '' } = resources[0]?.info ?? {};
  const meta = META_MESSAGES.map((name) => schemaForMessage('meta-v1', name));
  const scale = schemaForMessage('autoscaling-v1', 'Scale');
  const hasScale = resources.some((served) => served.subresource('scale') !== undefined);
  const roots = [...meta, ...(hasScale ? [scale] : [])].filter((schema) => schema !== undefined);
  const schemas = schemasOf(group, version, roots);
  schemas[OBJECT_META] = described(schemas[OBJECT_META] ?? {});
  return { ...schemas, ...ownSchemas(resources, 'v3') };
}

/** What the fields of metadata are, for those who ask for an explanation of a custom kind. */
const META_DESCRIPTIONS: Readonly<Record<string, string>> = {
  annotations: 'Annotations hold whatever tools want to keep with the object; they cannot be selected by.',
  creationTimestamp: 'CreationTimestamp is a timestamp in UTC: when the server created this object.',
  deletionGracePeriodSeconds: 'DeletionGracePeriodSeconds is how long the object may take to end.',
  deletionTimestamp: 'DeletionTimestamp is when the object goes, or went to wait for its finalizers.',
  finalizers: 'Finalizers name those who must act before the object may go.',
  generateName: 'GenerateName is a prefix from which the server makes a name that nobody has.',
  generation: 'Generation counts the changes of what is wanted of the object.',
  labels: 'Labels are keys and values by which objects are organised and selected.',
  managedFields: 'ManagedFields notes who set which fields.',
  name: 'Name is unique within a namespace and cannot be changed.',
  namespace: 'Namespace is the space within which the name is unique.',
  ownerReferences: 'OwnerReferences name the objects that this one depends on: it goes with them.',
  resourceVersion:
    'ResourceVersion is the version of the object, for watches and for updates that must not collide.',
  selfLink: 'SelfLink is no longer set.',
  uid: 'UID tells this object apart from all others, past and future.',
};

function described(schema: OpenApiSchema): OpenApiSchema {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, OpenApiSchema>);
  return {
    ...schema,
    description: METADATA_DESCRIPTION,
    properties: Object.fromEntries(
      properties.map(([name, inner]) => [name, withDescription(inner, META_DESCRIPTIONS[name])]),
    ),
  };
}

/** A reference takes no siblings, so that it is wrapped. */
function withDescription(schema: OpenApiSchema, description: string | undefined): OpenApiSchema {
  if (description === undefined) return schema;
  const { $ref, ...rest } = schema;
  return $ref === undefined ? { ...schema, description } : { ...rest, allOf: [{ $ref }], description };
}

/** The definitions of custom kinds for the OpenAPI v2 document. */
export function customDefinitions(resources: readonly ServedResource[]): Record<string, OpenApiSchema> {
  return ownSchemas(resources, 'v2');
}

/** The name of a custom kind, or of its list, in the documents. */
export function customModelName(
  resources: readonly ServedResource[],
  kind: { group: string; version: string; kind: string },
): string | undefined {
  for (const { info, definition, listKind } of resources) {
    const { custom } = definition;
    if (!(custom instanceof StructuralKind) || info.group !== kind.group || info.version !== kind.version)
      continue;
    if (info.kind === kind.kind) return custom.modelName;
    if (listKind === kind.kind) return custom.listModelName;
  }
  return undefined;
}

function ownSchemas(resources: readonly ServedResource[], dialect: Dialect): Record<string, OpenApiSchema> {
  const schemas: Record<string, OpenApiSchema> = {};
  for (const served of resources) {
    const { custom } = served.definition;
    if (!(custom instanceof StructuralKind)) continue;
    const selectable = served.definition.selectableFields?.map((fieldPath) => ({ fieldPath }));
    const extensions = (kind: string) => ({
      'x-kubernetes-group-version-kind': [{ group: served.info.group, kind, version: served.info.version }],
      ...(selectable ? { 'x-kubernetes-selectable-fields': selectable } : {}),
    });
    schemas[custom.modelName] = { ...kindSchema(custom.schema, dialect), ...extensions(served.info.kind) };
    schemas[custom.listModelName] = {
      ...listSchema(served, custom.modelName, dialect),
      ...extensions(served.listKind),
    };
  }
  return schemas;
}

function refTo(name: string, dialect: Dialect): string {
  return `${dialect === 'v2' ? '#/definitions/' : '#/components/schemas/'}${name}`;
}

function kindSchema(schema: SchemaNode | undefined, dialect: Dialect): OpenApiSchema {
  // Old clients take a list of fields for all that there may be.
  if (!schema || (dialect === 'v2' && preservesUnknown(schema))) return { type: 'object' };
  const own = dialect === 'v2' ? nodeV2(schema) : nodeV3(schema);
  return { ...own, properties: { ...(own.properties as object), ...metaProperties(dialect) } };
}

function metaProperties(dialect: Dialect): Record<string, OpenApiSchema> {
  const metadata = { $ref: refTo(OBJECT_META, dialect), description: METADATA_DESCRIPTION };
  return { apiVersion: API_VERSION, kind: KIND, metadata };
}

function listSchema(served: ServedResource, model: string, dialect: Dialect): OpenApiSchema {
  const items = {
    type: 'array',
    description: `List of ${served.info.resource}.`,
    items: { $ref: refTo(model, dialect) },
  };
  return {
    type: 'object',
    description: `${served.listKind} is a list of ${served.info.kind}`,
    required: ['items'],
    properties: {
      apiVersion: API_VERSION,
      kind: KIND,
      items,
      metadata: { $ref: refTo(LIST_META, dialect), description: 'Standard list metadata.' },
    },
  };
}

/** A schema as v3 has it: as it was written, with what int-or-string and embedded objects imply. */
function nodeV3(node: SchemaNode): OpenApiSchema {
  const out = mapInner(node, nodeV3);
  if (isIntOrString(node) && !node.anyOf && !node.allOf)
    out.anyOf = [{ type: 'integer' }, { type: 'string' }];
  return isEmbedded(node) ? withEmbeddedMeta(out, 'v3') : out;
}

/**
 * A schema in the words that clients of v2 understand: without junctors, nullable or unknown fields, of which
 * they would draw wrong conclusions. Mirrors apiextensions-apiserver pkg/controller/openapi/v2/conversion.go.
 */
function nodeV2(node: SchemaNode): OpenApiSchema {
  const { allOf: _all, anyOf: _any, oneOf: _one, not: _not, ...kept } = node;
  if (node.nullable) {
    delete kept.type;
    delete kept.nullable;
  }
  if (node.nullable || preservesUnknown(node)) {
    delete kept.items;
    delete kept.properties;
  }
  if (kept.type === 'array' && !itemsOf(kept)) delete kept.type;
  if (kept.type === 'object' && preservesUnknown(node)) delete kept.type;
  const nullable = Object.entries(node.properties ?? {}).filter(([, inner]) => inner.nullable);
  if (kept.required && nullable.length > 0) {
    kept.required = kept.required.filter((name) => !nullable.some(([other]) => other === name));
    if (kept.required.length === 0) delete kept.required;
  }
  if (kept.format && !isCheckedFormat(node.type, kept.format)) delete kept.format;
  const out = mapInner(kept, nodeV2);
  return isEmbedded(node) && !preservesUnknown(node) ? withEmbeddedMeta(out, 'v2') : out;
}

function mapInner(node: SchemaNode, map: (inner: SchemaNode) => OpenApiSchema): OpenApiSchema {
  const out: OpenApiSchema = { ...node };
  if (node.properties) {
    out.properties = Object.fromEntries(
      Object.entries(node.properties).map(([name, inner]) => [name, map(inner)]),
    );
  }
  const items = itemsOf(node);
  if (items) out.items = map(items);
  if (typeof node.additionalProperties === 'object')
    out.additionalProperties = map(node.additionalProperties);
  return out;
}

function withEmbeddedMeta(schema: OpenApiSchema, dialect: Dialect): OpenApiSchema {
  const required = new Set((schema.required as string[] | undefined) ?? []);
  return {
    ...schema,
    properties: { ...(schema.properties as object), ...metaProperties(dialect) },
    required: [...required.add('kind').add('apiVersion')],
  };
}
