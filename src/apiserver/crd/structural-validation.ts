import { child, forbidden, invalid, key, required } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { sameValue } from '../../api/apply/typed-value.ts';
import { messageOf } from '../../base/errors.ts';
import { compilePattern } from './pattern.ts';
import {
  additionalOf,
  isEmbedded,
  isIntOrString,
  itemsOf,
  preservesUnknown,
  walkSchema,
} from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

type Level = 'root' | 'item' | 'field';

const WHERE: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};
const INT_OR_STRING = [{ type: 'integer' }, { type: 'string' }];

const NOT_STRUCTURAL: ReadonlyArray<keyof SchemaNode> = [
  'id',
  '$ref',
  '$schema',
  'additionalItems',
  'definitions',
  'dependencies',
  'patternProperties',
];

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== '';
}

/** Whether a schema can be read as structural at all, whether it is one or not. */
function canBeStructural(schema: SchemaNode): boolean {
  for (const [node] of walkSchema(schema, '')) {
    if (NOT_STRUCTURAL.some((word) => isSaid(node[word])) || Array.isArray(node.items)) return false;
    if (node['x-kubernetes-preserve-unknown-fields'] === false) return false;
  }
  return true;
}

/**
 * Whether a schema is structural: says of every field what it is, apart from what values it may have. Mirrors
 * apiextensions-apiserver pkg/apiserver/schema/{validation,complete}.go.
 */
export function validateStructural(schema: SchemaNode, path: string): FieldError[] {
  // Of words that no structural schema has the other checks complain.
  if (!canBeStructural(schema)) return [];
  return [...validateNode(schema, 'root', path), ...validateCompleteness(schema, path)];
}

function validateNode(node: SchemaNode, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const items = itemsOf(node);
  if (node.type === 'array' && !items) errors.push(required(child(path, 'items'), 'must be specified'));
  if (items) errors.push(...validateNode(items, 'item', child(path, 'items')));
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    errors.push(...validateNode(property, 'field', key(child(path, 'properties'), name)));
  }
  if (node.additionalProperties !== undefined) {
    const where = child(path, 'additionalProperties');
    if (level === 'root') errors.push(forbidden(where, 'must not be used at the root'));
    if (isEmbedded(node)) {
      errors.push(forbidden(where, 'must not be used if x-kubernetes-embedded-resource is set'));
    }
    const additional = additionalOf(node);
    if (additional) errors.push(...validateNode(additional, 'field', where));
  }
  errors.push(...validateExtensions(node, path), ...validateType(node, level, path));
  const isAnyOf = sameValue(node.anyOf, INT_OR_STRING);
  const isAllOf = sameValue(node.allOf?.[0]?.anyOf, INT_OR_STRING);
  errors.push(...validateValidations(node, { anyOf: isAnyOf, firstAllOf: isAllOf }, level, path));
  return [...errors, ...validateMetaFields(node, level, path)];
}

function validateExtensions(node: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const why = 'must be false if x-kubernetes-int-or-string is true';
  if (!isIntOrString(node)) return errors;
  if (preservesUnknown(node))
    errors.push(invalid(child(path, 'x-kubernetes-preserve-unknown-fields'), true, why));
  if (isEmbedded(node)) errors.push(invalid(child(path, 'x-kubernetes-embedded-resource'), true, why));
  return errors;
}

function validateType(node: SchemaNode, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const type = node.type ?? '';
  const where = child(path, 'type');
  if (isEmbedded(node) && type !== 'object') {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    errors.push(type === '' ? required(where, why) : invalid(where, type, why));
  } else if (type === '' && !isIntOrString(node) && !preservesUnknown(node)) {
    errors.push(required(where, WHERE[level]));
  }
  if (level === 'root' && type !== '' && type !== 'object') {
    errors.push(invalid(where, type, 'must be object at the root'));
  }
  return errors;
}

/** apiVersion, kind and metadata are there anyway: a schema may say hardly anything of them. */
function validateMetaFields(node: SchemaNode, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const isResource = level === 'root' || isEmbedded(node);
  const properties = node.properties ?? {};
  for (const name of ['kind', 'apiVersion']) {
    const type = properties[name]?.type ?? '';
    if (isResource && properties[name] && type !== 'string') {
      errors.push(invalid(child(key(child(path, 'properties'), name), 'type'), type, 'must be string'));
    }
  }
  const { metadata } = properties;
  const where = key(child(path, 'properties'), 'metadata');
  if (metadata && isResource && metadata.type !== 'object') {
    errors.push(invalid(child(where, 'type'), metadata.type ?? '', 'must be object'));
  }
  if (metadata && level === 'root' && !saysOnlyNames(metadata)) {
    errors.push(
      forbidden(
        where,
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    );
  }
  if (isEmbedded(node) && !preservesUnknown(node) && Object.keys(properties).length === 0) {
    errors.push(
      required(
        child(path, 'properties'),
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ),
    );
  }
  return errors;
}

function saysOnlyNames({ type: _type, default: _default, properties, ...rest }: SchemaNode): boolean {
  const names = Object.keys(properties ?? {});
  return Object.keys(rest).length === 0 && names.every((name) => name === 'name' || name === 'generateName');
}

/** Patterns, and the schemas under allOf and the like, which may hold value validations alone. */
function validateValidations(
  node: SchemaNode,
  skip: { anyOf: boolean; firstAllOf: boolean },
  level: Level,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const junctors = { anyOf: skip.anyOf ? [] : node.anyOf, allOf: node.allOf, oneOf: node.oneOf };
  for (const [name, list] of Object.entries(junctors)) {
    for (const [index, nested] of (list ?? []).entries()) {
      const skipAnyOf = name === 'allOf' && index === 0 && skip.firstAllOf;
      errors.push(...validateNested(nested, skipAnyOf, level, `${child(path, name)}[${index}]`));
    }
  }
  if (node.not) errors.push(...validateNested(node.not, false, level, child(path, 'not')));
  if (node.pattern) {
    try {
      compilePattern(node.pattern);
    } catch (error) {
      const why = `must be a valid regular expression, but isn't: ${messageOf(error)}`;
      errors.push(invalid(child(path, 'pattern'), node.pattern, why));
    }
  }
  return errors;
}

const NOT_NESTED: ReadonlyArray<readonly [keyof SchemaNode, string]> = [
  ['type', 'must be empty to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

function validateNested(node: SchemaNode, skipAnyOf: boolean, level: Level, path: string): FieldError[] {
  const errors = validateValidations(node, { anyOf: skipAnyOf, firstAllOf: false }, level, path);
  const items = itemsOf(node);
  if (items) errors.push(...validateNested(items, false, level, child(path, 'items')));
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    errors.push(...validateNested(property, false, 'field', key(child(path, 'properties'), name)));
  }
  for (const [name, why] of NOT_NESTED) {
    const value = node[name];
    if (value === undefined || value === '' || value === false) continue;
    if (Array.isArray(value) && value.length === 0) continue;
    errors.push(forbidden(child(path, name), why));
  }
  if (node.additionalProperties !== undefined) {
    errors.push(forbidden(child(path, 'additionalProperties'), 'must be undefined to be structural'));
  }
  if (node.properties?.metadata) {
    const where = key(child(path, 'properties'), 'metadata');
    errors.push(forbidden(where, 'must not be specified in a nested context'));
  }
  return errors;
}

/** What is said under allOf and the like of a field must be of one that is declared; upstream asks it of the root alone. */
function validateCompleteness(node: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const nested: Array<[SchemaNode, string]> = [];
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [index, inner] of (node[name] ?? []).entries())
      nested.push([inner, `${child(path, name)}[${index}]`]);
  }
  if (node.not) nested.push([node.not, child(path, 'not')]);
  for (const [inner, where] of nested) errors.push(...compareNested(node, path, inner, where));
  return errors;
}

function compareNested(
  node: SchemaNode | undefined,
  path: string,
  nested: SchemaNode,
  where: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const items = itemsOf(nested);
  if (items) {
    const own = node && itemsOf(node);
    if (!own)
      errors.push(required(child(path, 'items'), `because it is defined in ${child(where, 'items')}`));
    else errors.push(...compareNested(own, child(path, 'items'), items, child(where, 'items')));
  }
  for (const [name, property] of Object.entries(nested.properties ?? {})) {
    const own = node?.properties?.[name];
    const at = key(child(path, 'properties'), name);
    const there = key(child(where, 'properties'), name);
    if (!own) errors.push(required(at, `because it is defined in ${there}`));
    else errors.push(...compareNested(own, at, property, there));
  }
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [index, inner] of (nested[name] ?? []).entries()) {
      errors.push(...compareNested(node, path, inner, `${child(where, name)}[${index}]`));
    }
  }
  if (nested.not) errors.push(...compareNested(node, path, nested.not, child(where, 'not')));
  return errors;
}
