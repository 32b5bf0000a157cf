import { decodeValue } from '../../api/json/decode.ts';
import { JsonError } from '../../api/json/errors.ts';
import { isObject } from '../../api/objects.ts';
import type { JsonObject } from '../../api/objects.ts';
import type { ObjectMetaLike } from '../../api/resource.ts';
import { schemaForMessage } from '../../api/schema.ts';
import { child, invalid, required } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { pathSegmentErrors, validateMetaOnCreate } from '../registry/object-meta.ts';
import { dns1035Label } from '../resources/validation/formats.ts';
import { additionalOf, isEmbedded, itemsOf, propertyOf } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

/**
 * Brings the metadata of an object, and of the objects embedded in it, to its own form, in place; names the
 * fields that metadata does not have. Throws JsonError where it does not fit. Mirrors
 * apiextensions-apiserver pkg/apiserver/schema/objectmeta/algorithm.go.
 */
export function coerceMeta(object: JsonObject, schema: SchemaNode | undefined, strictErrors: string[]): void {
  coerceOne(object, '', strictErrors);
  for (const [name, value] of Object.entries(object)) {
    const property = schema && propertyOf(schema, name);
    if (property && name !== 'metadata') coerceBelow(value, property, name, strictErrors);
  }
}

function coerceBelow(value: unknown, node: SchemaNode, path: string, strictErrors: string[]): void {
  if (Array.isArray(value)) {
    const items = itemsOf(node);
    if (!items) return;
    for (const [index, item] of value.entries()) coerceBelow(item, items, `${path}[${index}]`, strictErrors);
    return;
  }
  if (!isObject(value)) return;
  if (isEmbedded(node)) {
    for (const name of ['apiVersion', 'kind']) {
      if (Object.hasOwn(value, name) && typeof value[name] !== 'string') {
        throw new JsonError(
          `${path}.${name}: Invalid value: ${JSON.stringify(value[name])}: must be a string`,
        );
      }
    }
    coerceEmbedded(value, path, strictErrors);
  }
  for (const [name, item] of Object.entries(value)) {
    const property = propertyOf(node, name) ?? additionalOf(node);
    if (property) coerceBelow(item, property, `${path}.${name}`, strictErrors);
  }
}

function coerceEmbedded(object: JsonObject, path: string, strictErrors: string[]): void {
  const shown = JSON.stringify(object.metadata ?? null);
  try {
    coerceOne(object, path, strictErrors);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new JsonError(`${path}.metadata: Invalid value: ${shown}: ${error.message}`);
  }
}

function coerceOne(object: JsonObject, path: string, strictErrors: string[]): void {
  const { metadata } = object;
  if (metadata === undefined) return;
  if (metadata === null) {
    delete object.metadata;
    return;
  }
  const schema = schemaForMessage('meta-v1', 'ObjectMeta')!;
  if (!isObject(metadata)) {
    throw new JsonError(
      `json: cannot unmarshal ${Array.isArray(metadata) ? 'array' : typeof metadata} into Go value of type v1.ObjectMeta`,
    );
  }
  // An empty list of managers asks to forget them all, which decoding alone would not show.
  const isReset = Array.isArray(metadata.managedFields) && metadata.managedFields.length === 0;
  const decoded = decodeValue(metadata, schema);
  if (isReset) decoded.object.managedFields = [];
  object.metadata = decoded.object;
  const prefix = path === '' ? 'metadata' : `${path}.metadata`;
  for (const text of decoded.strictErrors) {
    strictErrors.push(text.replace(/^(unknown|duplicate) field "/, `$1 field "${prefix}.`));
  }
}

/** What is wrong with objects embedded in an object. Mirrors schema/objectmeta/validation.go. */
export function validateEmbedded(value: unknown, node: SchemaNode | undefined, path: string): FieldError[] {
  if (!node) return [];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => validateEmbedded(item, itemsOf(node), `${path}[${index}]`));
  }
  if (!isObject(value)) return [];
  const errors = isEmbedded(node) ? validateResource(value, path) : [];
  for (const [name, item] of Object.entries(value)) {
    const property = propertyOf(node, name);
    if (property) errors.push(...validateEmbedded(item, property, child(path, name)));
    else errors.push(...validateEmbedded(item, additionalOf(node), `${path}[${name}]`));
  }
  return errors;
}

function validateResource(object: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { apiVersion, kind, metadata } = object;
  if (apiVersion === undefined) errors.push(required(child(path, 'apiVersion')));
  else if (typeof apiVersion !== 'string') {
    errors.push(invalid(child(path, 'apiVersion'), apiVersion, 'must be a string'));
  } else if (apiVersion === '') errors.push(invalid(child(path, 'apiVersion'), '', 'must not be empty'));
  else if (apiVersion.split('/').length > 2) {
    errors.push(
      invalid(child(path, 'apiVersion'), apiVersion, `unexpected GroupVersion string: ${apiVersion}`),
    );
  }
  if (kind === undefined) errors.push(required(child(path, 'kind')));
  else if (typeof kind !== 'string') errors.push(invalid(child(path, 'kind'), kind, 'must be a string'));
  else if (kind === '') errors.push(invalid(child(path, 'kind'), '', 'must not be empty'));
  else {
    const problems = dns1035Label(kind.toLowerCase());
    if (problems.length > 0) {
      const why = `may have mixed case, but should otherwise match: ${problems.join(',')}`;
      errors.push(invalid(child(path, 'kind'), kind, why));
    }
  }
  if (isObject(metadata)) {
    errors.push(...validateMeta(metadata, child(path, 'metadata')));
  }
  return errors;
}

function validateMeta(metadata: ObjectMetaLike, path: string): FieldError[] {
  // An embedded object need not be named.
  const object = { metadata: { ...metadata, name: metadata.name || 'fakename' } };
  const definition = {
    info: {
      group: '',
      version: '',
      resource: '',
      kind: '',
      namespaced: (metadata.namespace ?? '') !== '',
    },
    // Any name that can be part of a path, which the generic rules ask for anyway.
    strategy: { validateName: () => [], anyFinalizer: true },
  };
  return [...validateMetaOnCreate(definition, object), ...pathSegmentErrors(object)].map((error) => ({
    ...error,
    field: path + error.field.slice('metadata'.length),
  }));
}
