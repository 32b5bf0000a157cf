import { stringifyJson } from '../json/encode.ts';
import { isObject, setKey } from '../objects.ts';
import type { Schema } from '../schema.ts';
import { PatchError } from './errors.ts';

export const DIRECTIVE = '$patch';
export const RETAIN_KEYS = '$retainKeys';
export const DELETE_FROM = '$deleteFromPrimitiveList/';
export const SET_ORDER = '$setElementOrder/';

/** How a field is merged: by its schema's patch strategy and merge key. */
export interface FieldRule {
  /** Schema of the field's value; of the items for a list. */
  readonly schema: Schema | undefined;
  readonly strategy: 'merge' | 'replace' | '';
  readonly mergeKey: string;
}

export function ruleFor(schema: Schema | undefined, name: string): FieldRule {
  if (schema?.kind === 'map') return { schema: itemSchema(schema.items), strategy: '', mergeKey: '' };
  const field = schema?.kind === 'message' ? schema.fields.get(name) : undefined;
  if (!field) return { schema: undefined, strategy: '', mergeKey: '' };
  const strategies = field.patchStrategy ?? [];
  return {
    schema: itemSchema(field.schema),
    strategy: strategies.includes('replace') ? 'replace' : strategies.includes('merge') ? 'merge' : '',
    mergeKey: field.patchMergeKey ?? '',
  };
}

function itemSchema(schema: Schema): Schema {
  return schema.kind === 'list' ? schema.items : schema;
}

/** The value without what is marked by a directive; undefined where it is so itself. */
export function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => withoutDirectives(item)).filter((item) => item !== undefined);
  }
  if (!isObject(value)) return value;
  if (Object.hasOwn(value, DIRECTIVE)) return undefined;
  for (const key of Object.keys(value)) {
    const kept = withoutDirectives(value[key]);
    if (kept === undefined) delete value[key];
    else setKey(value, key, kept);
  }
  return value;
}

/** The value of an item's merge key. Throws PatchError where it has none. */
export function keyOf(item: unknown, mergeKey: string): unknown {
  if (isObject(item) && Object.hasOwn(item, mergeKey)) return item[mergeKey];
  throw new PatchError(500, `map: ${goText(item)} does not contain declared merge key: ${mergeKey}`);
}

/** A value as Go's %v prints it, which upstream's messages carry: 'map[name:web]'. */
export function goText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => goText(item)).join(' ')}]`;
  if (isObject(value)) {
    const keys = Object.keys(value).toSorted((a, b) => (a < b ? -1 : 1));
    return `map[${keys.map((key) => `${key}:${goText(value[key])}`).join(' ')}]`;
  }
  if (value === null || value === undefined) return '<nil>';
  return typeof value === 'string' ? value : stringifyJson(value);
}
