import type {
  CustomResourceColumnDefinition,
  CustomResourceSubresources,
  SelectableField,
} from '../../api/gen/types/apiextensions-v1.ts';
import { at, child, duplicate, invalid, required, tooMany } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { propertyOf } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

const MAX_SELECTABLE = 8;
const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

/** A printed column: its name, type, format and the path to its value. */
export function validateColumn(column: CustomResourceColumnDefinition, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!column.name) errors.push(required(child(path, 'name')));
  const types = `must be one of ${COLUMN_TYPES.join(',')}`;
  if (!column.type) errors.push(required(child(path, 'type'), types));
  else if (!COLUMN_TYPES.includes(column.type)) errors.push(invalid(child(path, 'type'), column.type, types));
  if (column.format && !COLUMN_FORMATS.includes(column.format)) {
    errors.push(invalid(child(path, 'format'), column.format, `must be one of ${COLUMN_FORMATS.join(',')}`));
  }
  if (!column.jsonPath) errors.push(required(child(path, 'JSONPath')));
  else errors.push(...validatePath(column.jsonPath, child(path, 'JSONPath')));
  return errors;
}

function validatePath(text: string, path: string): FieldError[] {
  return text.startsWith('.') ? [] : [invalid(path, text, 'must be a simple json path starting with .')];
}

/** Where a custom kind's scale subresource finds replicas and selector. */
export function validateScale(
  subresources: CustomResourceSubresources | undefined,
  path: string,
): FieldError[] {
  const scale = subresources?.scale;
  if (!scale) return [];
  const errors: FieldError[] = [];
  const check = (name: string, value: string, roots: readonly string[], why: string) => {
    const where = child(path, `scale.${name}`);
    if (value === '') errors.push(required(where));
    else if (!value.startsWith('.')) errors.push(...validatePath(value, where));
    else if (!roots.some((root) => value.startsWith(root))) errors.push(invalid(where, value, why));
  };
  check('specReplicasPath', scale.specReplicasPath ?? '', ['.spec.'], 'should be a json path under .spec');
  check(
    'statusReplicasPath',
    scale.statusReplicasPath ?? '',
    ['.status.'],
    'should be a json path under .status',
  );
  if (scale.labelSelectorPath) {
    const why = 'should be a json path under either .spec or .status';
    check('labelSelectorPath', scale.labelSelectorPath, ['.spec.', '.status.'], why);
  }
  return errors;
}

/** Fields that a field selector may name: plain paths to scalars of the schema. */
export function validateSelectable(
  fields: readonly SelectableField[],
  schema: SchemaNode | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { jsonPath }] of fields.entries()) {
    const where = child(at(path, index), 'jsonPath');
    if (!jsonPath) {
      errors.push(required(where));
      continue;
    }
    const found = fieldAt(jsonPath, schema);
    if (typeof found === 'string') {
      errors.push(invalid(where, jsonPath, `is an invalid path: ${found}`));
      continue;
    }
    if (/^\.?metadata\b/.test(jsonPath)) {
      errors.push(invalid(where, jsonPath, 'must not point to fields in metadata'));
    }
    if (!['string', 'boolean', 'integer'].includes(found.type ?? '')) {
      const why =
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
      errors.push(invalid(where, jsonPath, why));
    }
    if (seen.has(jsonPath)) errors.push(duplicate(where, jsonPath));
    seen.add(jsonPath);
  }
  if (seen.size > MAX_SELECTABLE) errors.push(tooMany(path, seen.size, MAX_SELECTABLE));
  return errors;
}

/** The schema of a field by a plain path, or what is wrong with the path. */
function fieldAt(jsonPath: string, schema: SchemaNode | undefined): SchemaNode | string {
  if (!jsonPath.startsWith('.')) return `expected [ or . but got: ${jsonPath.slice(0, 1)}`;
  let node = schema;
  for (const name of jsonPath.slice(1).split('.')) {
    if (/[[\]]/.test(name)) return 'does not refer to a valid field';
    const next = node && propertyOf(node, name);
    if (!next) return 'does not refer to a valid field';
    node = next;
  }
  return node ?? 'does not refer to a valid field';
}
