import { ALL_RESOURCES } from '../gen/resources.ts';
import {
  schemaForKind,
  schemaForMessage,
  type Field,
  type MessageSchema,
  type ScalarKind,
  type Schema,
} from '../schema.ts';

/** An OpenAPI schema object, as it is written. */
export type OpenApiSchema = Record<string, unknown>;

const REF = '#/components/schemas/';

/** Kinds that a group and version serves at subresources or takes as bodies, apart from its resources. */
const ALSO_SERVED: Readonly<Record<string, ReadonlyArray<readonly [string, string]>>> = {
  '/v1': [
    ['autoscaling-v1', 'Scale'],
    ['policy-v1', 'Eviction'],
    ['authentication-v1', 'TokenRequest'],
  ],
  'apps/v1': [['autoscaling-v1', 'Scale']],
};
const META_KINDS = ['APIResourceList', 'DeleteOptions', 'Status', 'WatchEvent'];

/** Schemas of JSON values that are no plain message, by their OpenAPI names. */
const SPECIAL: Readonly<Partial<Record<ScalarKind, readonly [string, OpenApiSchema]>>> = {
  time: ['io.k8s.apimachinery.pkg.apis.meta.v1.Time', { type: 'string', format: 'date-time' }],
  microTime: ['io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime', { type: 'string', format: 'date-time' }],
  duration: ['io.k8s.apimachinery.pkg.apis.meta.v1.Duration', { type: 'string' }],
  quantity: [
    'io.k8s.apimachinery.pkg.api.resource.Quantity',
    { oneOf: [{ type: 'string' }, { type: 'number' }] },
  ],
  intOrString: [
    'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
    { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  ],
  rawExtension: ['io.k8s.apimachinery.pkg.runtime.RawExtension', { type: 'object' }],
  fieldsV1: ['io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1', { type: 'object' }],
  json: ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON', {}],
  schemaOrArray: ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray', {}],
  schemaOrBool: ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool', {}],
  schemaOrStrings: [
    'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray',
    {},
  ],
};
const DELETE_OPTIONS = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';
const PATCH = 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch';

const TYPES: Readonly<Partial<Record<ScalarKind, OpenApiSchema>>> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  uint32: { type: 'integer', format: 'int64' },
  uint64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
};
const ZEROS: Readonly<Partial<Record<ScalarKind, unknown>>> = {
  string: '',
  bool: false,
  int32: 0,
  int64: 0,
  uint32: 0,
  uint64: 0,
  double: 0,
};

/**
 * components.schemas of the OpenAPI v3 document of a built-in group and version: its kinds, their lists, what
 * they are made of and the kinds of meta/v1 that are served with them. Empty for a group that is not built in.
 */
export function componentSchemas(group: string, version: string): Record<string, OpenApiSchema> {
  return schemasOf(group, version, rootsOf(group, version));
}

/** The schemas of these messages and of what they are made of, as documents of a group and version name them. */
export function schemasOf(
  group: string,
  version: string,
  roots: readonly MessageSchema[],
): Record<string, OpenApiSchema> {
  const collector = new Collector(group, version);
  for (const root of roots) collector.add(root);
  return collector.result();
}

function rootsOf(group: string, version: string): MessageSchema[] {
  const resources = ALL_RESOURCES.filter(
    (resource) => resource.group === group && resource.version === version,
  );
  if (resources.length === 0) return [];
  const kinds = resources.flatMap(({ kind }) => [
    schemaForKind(group, version, kind),
    schemaForKind(group, version, `${kind}List`),
  ]);
  const also = (ALSO_SERVED[`${group}/${version}`] ?? []).map(([key, name]) => schemaForMessage(key, name));
  // A group of reviews has nothing to list, watch or delete.
  const isStored = kinds.some((schema) => schema?.name.endsWith('List'));
  const meta = (isStored ? META_KINDS : ['APIResourceList']).map((name) => schemaForMessage('meta-v1', name));
  return [...kinds, ...also, ...meta].filter((schema) => schema !== undefined);
}

class Collector {
  readonly #schemas = new Map<string, OpenApiSchema>();
  readonly #group: string;
  readonly #version: string;

  constructor(group: string, version: string) {
    this.#group = group;
    this.#version = version;
  }

  add(message: MessageSchema): void {
    if (this.#schemas.has(message.openApiName)) return;
    // Entered before its fields are read: JSONSchemaProps refers to itself.
    const schema: OpenApiSchema = { type: 'object' };
    this.#schemas.set(message.openApiName, schema);
    Object.assign(
      schema,
      describeMessage(message, (refer) => this.#refer(refer)),
    );
    const kinds = this.#groupVersionKinds(message);
    if (kinds.length > 0) schema['x-kubernetes-group-version-kind'] = kinds;
  }

  #groupVersionKinds(message: MessageSchema): OpenApiSchema[] {
    const { name, group, version } = message;
    if (group !== undefined) return message.isKind ? [{ group, kind: name, version }] : [];
    if (!META_KINDS.includes(name)) return [];
    const kinds = [{ group: '', kind: name, version: 'v1' }];
    const isEverywhere = name === 'DeleteOptions' || name === 'WatchEvent';
    if (isEverywhere && this.#group !== '')
      kinds.push({ group: this.#group, kind: name, version: this.#version });
    return kinds;
  }

  #refer(schema: Schema): string {
    if (schema.kind === 'message') {
      this.add(schema);
      return schema.openApiName;
    }
    const [name, definition] = SPECIAL[schema.kind as ScalarKind]!;
    if (!this.#schemas.has(name)) {
      this.#schemas.set(name, definition);
      if (schema.kind.startsWith('schemaOr'))
        this.add(schemaForMessage('apiextensions-v1', 'JSONSchemaProps')!);
    }
    return name;
  }

  result(): Record<string, OpenApiSchema> {
    if (this.#schemas.has(DELETE_OPTIONS)) this.#schemas.set(PATCH, { type: 'object' });
    return Object.fromEntries([...this.#schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
}

type Refer = (schema: Schema) => string;

/** The OpenAPI schema of one message; `refer` names the schema that a field points to. */
export function describeMessage(message: MessageSchema, refer: Refer): OpenApiSchema {
  const properties: OpenApiSchema = {};
  const required: string[] = [];
  for (const field of message.fields.values()) {
    properties[field.name] = describeField(field, refer);
    if (field.required) required.push(field.name);
  }
  return {
    ...(Object.keys(properties).length === 0 ? {} : { properties }),
    ...(required.length === 0 ? {} : { required }),
    type: 'object',
    ...(message.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
  };
}

function describeField(field: Field, refer: Refer): OpenApiSchema {
  const { schema } = field;
  const extensions: OpenApiSchema = {};
  if (field.default !== undefined) extensions.default = field.default;
  else if (schema.kind === 'message' && !field.pointer) extensions.default = {};
  else if (!field.omitEmpty && !field.pointer && schema.kind in ZEROS) {
    extensions.default = ZEROS[schema.kind as ScalarKind];
  }
  if (schema.kind === 'list') {
    if (schema.listMapKeys) extensions['x-kubernetes-list-map-keys'] = schema.listMapKeys;
    if (schema.listType) extensions['x-kubernetes-list-type'] = schema.listType;
  }
  if (field.atomic !== undefined) extensions['x-kubernetes-map-type'] = field.atomic ? 'atomic' : 'granular';
  if (field.patchMergeKey) extensions['x-kubernetes-patch-merge-key'] = field.patchMergeKey;
  if (field.patchStrategy) extensions['x-kubernetes-patch-strategy'] = field.patchStrategy.join(',');
  const type = describeType(schema, refer);
  // A reference takes no siblings.
  if ('$ref' in type && Object.keys(extensions).length > 0) return { allOf: [type], ...extensions };
  return { ...type, ...extensions };
}

/** The type of a value, references included. */
export function describeType(schema: Schema, refer: Refer): OpenApiSchema {
  if (schema.kind === 'list') return { type: 'array', items: describeType(schema.items, refer) };
  if (schema.kind === 'map')
    return { type: 'object', additionalProperties: describeType(schema.items, refer) };
  if (schema.kind === 'message' || schema.kind in SPECIAL) return { $ref: `${REF}${refer(schema)}` };
  const type = TYPES[schema.kind] ?? {};
  return 'enum' in schema && schema.enum ? { ...type, enum: schema.enum } : type;
}
