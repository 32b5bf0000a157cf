import { deepClone } from '../../api/objects.ts';
import { child, forbidden, invalid, key, notSupported, required } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { coerceMeta } from './embedded-meta.ts';
import { pruneValue } from './prune.ts';
import { additionalOf, isEmbedded, itemsOf } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';
import { validateRuleExpressions, validateRuleTexts } from './rules/rules-validation.ts';
import { validateStructural } from './structural-validation.ts';
import { validateListTypes } from './list-types.ts';
import { validateValue } from './value-validator.ts';

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const META_FIELDS: ReadonlySet<string> = new Set(['metadata', 'kind', 'apiVersion']);
/** What a root schema may say beside its properties where the status is validated apart. */
const AT_ROOT_WITH_STATUS =
  '[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]';
const NOT_AT_ROOT: ReadonlyArray<keyof SchemaNode> = [
  'default',
  'enum',
  'maxProperties',
  'minProperties',
  'allOf',
  'oneOf',
  'anyOf',
  'not',
  'additionalProperties',
  'nullable',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
];

/**
 * The schema of one version; of one that is as before, rules may cost what they did. Mirrors validateCustomResourceDefinitionValidation of apiextensions-apiserver
 * pkg/apis/apiextensions/validation/validation.go.
 */
export function validateSchema(
  schema: SchemaNode,
  hasStatus: boolean,
  path: string,
  isUnchanged = false,
): FieldError[] {
  const errors: FieldError[] = [];
  if (hasStatus) {
    if (schema.type !== undefined && schema.type !== 'object') {
      const why =
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
      errors.push(invalid(child(path, 'type'), schema.type, why));
    } else if (NOT_AT_ROOT.some((name) => schema[name] !== undefined)) {
      const why = `only ${AT_ROOT_WITH_STATUS} fields are allowed at the root of the schema if the status subresource is enabled`;
      errors.push(invalid(path, schema, why));
    }
  }
  if (schema.nullable) errors.push(forbidden(child(path, 'nullable'), 'nullable cannot be true at the root'));
  const structural = validateStructural(schema, path);
  errors.push(...structural);
  const defaults = structural.length === 0 ? validateDefaults(schema, path) : [];
  errors.push(...defaults);
  const place = { isRoot: true, inMeta: false, noDefaults: undefined };
  const nodes = validateNode(schema, path, place);
  errors.push(...nodes);
  // Of a schema that is none the types could not be told.
  if (structural.length + defaults.length > 0) return errors;
  return [...errors, ...validateRuleExpressions(schema, path, nodes, isUnchanged)];
}

interface Place {
  isRoot: boolean;
  inMeta: boolean;
  /** Why there may be no default here. */
  noDefaults: string | undefined;
}

function validateNode(node: SchemaNode, path: string, place: Place): FieldError[] {
  const errors = [...validateWords(node, path, place), ...validateListType(node, path)];
  if (node.uniqueItems) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbidden(child(path, 'uniqueItems'), why));
  }
  const inner = { ...place, isRoot: false };
  if (node.additionalProperties !== undefined && node.properties && Object.keys(node.properties).length > 0) {
    if (node.additionalProperties !== true) {
      const why = 'additionalProperties and properties are mutual exclusive';
      errors.push(forbidden(child(path, 'additionalProperties'), why));
    }
  }
  const additional = additionalOf(node);
  if (additional) {
    const below = place.inMeta
      ? { ...inner, noDefaults: 'inside additionalProperties applying to object metadata' }
      : inner;
    errors.push(...validateNode(additional, child(path, 'additionalProperties'), below));
  }
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    const isMeta = (place.isRoot || isEmbedded(node)) && META_FIELDS.has(name);
    const below = {
      isRoot: false,
      inMeta: place.inMeta || isMeta,
      noDefaults: isMeta && place.isRoot ? `in top-level ${name}` : place.noDefaults,
    };
    errors.push(...validateNode(property, key(child(path, 'properties'), name), below));
  }
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const) {
    for (const [index, nested] of (node[name] ?? []).entries()) {
      errors.push(...validateNode(nested, `${child(path, name)}[${index}]`, inner));
    }
  }
  if (node.not) errors.push(...validateNode(node.not, child(path, 'not'), inner));
  const items = itemsOf(node);
  if (items) errors.push(...validateNode(items, child(path, 'items'), inner));
  return [...errors, ...validateRuleTexts(node, path)];
}

const UNSUPPORTED: ReadonlyArray<keyof SchemaNode> = [
  'id',
  'additionalItems',
  'patternProperties',
  'definitions',
  'dependencies',
  '$ref',
];

function validateWords(node: SchemaNode, path: string, place: Place): FieldError[] {
  const errors: FieldError[] = [];
  if (node.type && !TYPES.includes(node.type))
    errors.push(notSupported(child(path, 'type'), node.type, TYPES));
  if (node.default !== undefined && place.noDefaults !== undefined) {
    errors.push(forbidden(child(path, 'default'), `must not be set ${place.noDefaults}`));
  }
  for (const name of UNSUPPORTED) {
    if (node[name] !== undefined) errors.push(forbidden(child(path, name), `${name} is not supported`));
  }
  if (node.type === 'null') {
    const why = 'type cannot be set to null, use nullable as an alternative';
    errors.push(forbidden(child(path, 'type'), why));
  }
  if (Array.isArray(node.items)) {
    errors.push(forbidden(child(path, 'items'), 'items must be a schema object and not an array'));
  }
  if (place.inMeta && isEmbedded(node)) {
    const why = 'must not be used inside of resource meta';
    errors.push(forbidden(child(path, 'x-kubernetes-embedded-resource'), why));
  }
  if (node['x-kubernetes-preserve-unknown-fields'] === false) {
    const where = child(path, 'x-kubernetes-preserve-unknown-fields');
    errors.push(invalid(where, false, 'must be true or undefined'));
  }
  return errors;
}

/** A keyword that wants a type of its own. */
function validateTypeOf(node: SchemaNode, path: string, keyword: string, wanted: string): FieldError[] {
  if (node.type === wanted) return [];
  const why = `must be ${wanted} if ${keyword} is specified`;
  const where = child(path, 'type');
  return [node.type ? invalid(where, node.type, why) : required(where, why)];
}

function validateListType(node: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const mapType = node['x-kubernetes-map-type'];
  if (mapType !== undefined) {
    errors.push(...validateTypeOf(node, path, 'x-kubernetes-map-type', 'object'));
    if (mapType !== 'atomic' && mapType !== 'granular') {
      errors.push(notSupported(child(path, 'x-kubernetes-map-type'), mapType, ['atomic', 'granular']));
    }
  }
  const listType = node['x-kubernetes-list-type'];
  const keys = node['x-kubernetes-list-map-keys'] ?? [];
  const where = child(path, 'x-kubernetes-list-type');
  if (listType !== undefined) {
    const wrong = validateTypeOf(node, path, 'x-kubernetes-list-type', 'array');
    errors.push(...wrong);
    if (wrong.length === 0 && listType === 'set') errors.push(...validateSetItems(node, path));
    if (!['atomic', 'set', 'map'].includes(listType)) {
      errors.push(notSupported(where, listType, ['atomic', 'set', 'map']));
    }
  }
  if (keys.length > 0 && listType !== 'map') {
    const why = 'must be map if x-kubernetes-list-map-keys is non-empty';
    errors.push(listType === undefined ? required(where, why) : invalid(where, listType, why));
  }
  if (listType === 'map') errors.push(...validateMapList(node, keys, path));
  return [...errors, ...validateItemsOfSetOrMap(node, path)];
}

function validateSetItems(node: SchemaNode, path: string): FieldError[] {
  const items = itemsOf(node);
  const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const listType = items?.['x-kubernetes-list-type'];
  if (items?.type === 'array' && listType !== undefined && listType !== 'atomic') {
    return [invalid(child(path, 'items', 'x-kubernetes-list-type'), listType, why)];
  }
  if (items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic') {
    return [invalid(child(path, 'items', 'x-kubernetes-map-type'), listType ?? null, why)];
  }
  return [];
}

function validateMapList(node: SchemaNode, keys: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const where = child(path, 'x-kubernetes-list-map-keys');
  if (keys.length === 0) errors.push(required(where, 'must not be empty if x-kubernetes-list-type is map'));
  const items = itemsOf(node);
  if (!items) {
    errors.push(required(child(path, 'items'), 'must have a schema if x-kubernetes-list-type is map'));
    return errors;
  }
  if (items.type !== 'object') {
    const why = "must be object if parent array's x-kubernetes-list-type is map";
    errors.push(invalid(child(path, 'items', 'type'), items.type ?? '', why));
    return errors;
  }
  const seen = new Set<string>();
  for (const name of keys) {
    const property = items.properties?.[name];
    if (!property) errors.push(invalid(where, keys, 'entries must all be names of item properties'));
    else if (property.type === 'array' || property.type === 'object') {
      const why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.push(invalid(child(key(child(path, 'items', 'properties'), name), 'type'), items.type, why));
    }
    if (seen.has(name)) errors.push(invalid(where, keys, 'must not contain duplicate entries'));
    seen.add(name);
  }
  return errors;
}

function validateItemsOfSetOrMap(node: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const items = itemsOf(node);
  const listType = node['x-kubernetes-list-type'];
  if (!items || (listType !== 'set' && listType !== 'map')) return errors;
  if (items.nullable) {
    const why = `cannot be nullable when x-kubernetes-list-type is ${listType}`;
    errors.push(forbidden(child(path, 'items', 'nullable'), why));
  }
  if (listType === 'set') return errors;
  for (const name of node['x-kubernetes-list-map-keys'] ?? []) {
    const property = items.properties?.[name];
    if (!property) continue;
    const where = key(child(path, 'items', 'properties'), name);
    const what = 'this property is in x-kubernetes-list-map-keys, so it';
    if (!items.required?.includes(name) && property.default === undefined) {
      errors.push(required(child(where, 'default'), `${what} must have a default or be a required property`));
    }
    if (property.nullable) errors.push(forbidden(child(where, 'nullable'), `${what} cannot be nullable`));
  }
  return errors;
}

/**
 * Defaults must be what an object with them may hold. Mirrors
 * apiextensions-apiserver pkg/apiserver/schema/defaulting/validation.go.
 */
function validateDefaults(node: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (node.default !== undefined) {
    const where = child(path, 'default');
    const value: unknown = deepClone(node.default);
    if (typeof value === 'object' && value !== null && isEmbedded(node)) {
      coerceMeta(value as Record<string, unknown>, undefined, []);
    }
    const gone = pruneValue(value, node);
    if (gone.length > 0) errors.push(invalid(where, node.default, 'must not have unknown fields'));
    else {
      const problems = [...validateValue(value, node, ''), ...validateListTypes(value, node, '')];
      errors.push(
        ...problems.map((error) => ({
          ...error,
          field: error.field === '' ? where : `${where}.${error.field}`,
        })),
      );
    }
  }
  const items = itemsOf(node);
  if (items) errors.push(...validateDefaults(items, child(path, 'items')));
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    errors.push(...validateDefaults(property, key(child(path, 'properties'), name)));
  }
  const additional = additionalOf(node);
  if (additional) errors.push(...validateDefaults(additional, child(path, 'additionalProperties')));
  return errors;
}
