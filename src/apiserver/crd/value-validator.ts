import { stringifyJson } from '../../api/json/encode.ts';
import { isObject } from '../../api/objects.ts';
import type { JsonObject } from '../../api/objects.ts';
import { invalid, notSupported, required, tooLong, tooMany, typeInvalid } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { hasFormat, isCheckedFormat } from './formats.ts';
import { compilePattern } from './pattern.ts';
import { additionalOf, isIntOrString, itemsOf, propertyOf } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';
import { sameValue } from '../../api/apply/typed-value.ts';

/** Problems, and how many checks passed: of several alternatives the one that fits best tells its problems. */
interface Result {
  errors: FieldError[];
  passed: number;
}

/**
 * Checks a value against the value validations of a schema, with upstream's texts. `path` is '' for the whole
 * object. With `old`, what has not changed since is not complained of again (ratcheting). Mirrors kube-openapi
 * pkg/validation/validate and apiextensions-apiserver pkg/apiserver/validation.
 */
export function validateValue(
  value: unknown,
  schema: SchemaNode,
  path: string,
  old?: { value: unknown },
): FieldError[] {
  return validateNode(value, schema, path, old).errors;
}

function validateNode(value: unknown, node: SchemaNode, path: string, old?: { value: unknown }): Result {
  const result: Result = { errors: [], passed: 1 };
  if (old && old.value !== undefined && sameValue(value, old.value)) return result;
  const checks = value === null ? [checkType, checkEnum] : CHECKS;
  for (const check of checks) {
    const errors = check(value, node, path);
    result.errors.push(...errors);
    if (errors.length === 0) result.passed += 1;
  }
  if (value === null) return result;
  merge(result, validateJunctors(value, node, path, old));
  if (Array.isArray(value)) merge(result, validateItems(value, node, path, old));
  else if (isObject(value)) merge(result, validateMembers(value, node, path, old));
  return result;
}

function merge(into: Result, other: Result): void {
  into.errors.push(...other.errors);
  into.passed += other.passed;
}

type Check = (value: unknown, node: SchemaNode, path: string) => FieldError[];
const CHECKS: readonly Check[] = [checkType, checkString, checkNumber, checkSize, checkEnum];

function jsonType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'bigint') return 'integer';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function inBody(path: string, rest: string): string {
  return `${path} in body ${rest}`;
}

function checkType(value: unknown, node: SchemaNode, path: string): FieldError[] {
  const types = isIntOrString(node) ? ['integer', 'string'] : node.type ? [node.type] : [];
  const actual = jsonType(value);
  const format = node.format && isCheckedFormat(node.type, node.format) ? node.format : '';
  if (types.length === 0 && format === '') return [];
  if (value === null) {
    if (types.length === 0 || node.nullable === true) return [];
    return [typeInvalid(path, 'null', inBody(path, `must be of type ${types.join(',')}: "null"`))];
  }
  const isText = actual === 'string' || actual === 'array';
  const isNumeric = types.includes('number') || types.includes('integer');
  // A string with a format is checked by the format alone.
  if (!isNumeric && format !== '' && isText) {
    if (typeof value !== 'string' || hasFormat(format, value)) return [];
    return [typeInvalid(path, value, inBody(path, `must be of type ${format}: ${JSON.stringify(value)}`))];
  }
  if (types.includes(actual) || (actual === 'integer' && types.includes('number'))) return [];
  return [typeInvalid(path, actual, inBody(path, `must be of type ${types.join(',')}: "${actual}"`))];
}

function checkString(value: unknown, node: SchemaNode, path: string): FieldError[] {
  if (typeof value !== 'string') return [];
  if (node.maxLength !== undefined || node.minLength !== undefined) {
    // Go counts code points.
    const length = Array.from(value).length;
    if (node.maxLength !== undefined && length > node.maxLength) return [tooLong(path, node.maxLength)];
    if (node.minLength !== undefined && length < node.minLength) {
      return [invalid(path, value, inBody(path, `should be at least ${node.minLength} chars long`))];
    }
  }
  if (node.pattern === undefined || node.pattern === '') return [];
  try {
    if (compilePattern(node.pattern).matches(value)) return [];
  } catch {
    // It was checked when the definition was written: an older one may hold what is none.
  }
  return [invalid(path, value, inBody(path, `should match '${node.pattern}'`))];
}

const INT32 = { low: -2_147_483_648, high: 2_147_483_647 };

function checkNumber(value: unknown, node: SchemaNode, path: string): FieldError[] {
  if (typeof value !== 'number' && typeof value !== 'bigint') return [];
  const errors: FieldError[] = [];
  const number = Number(value);
  if (node.type === 'integer') {
    const isSmall = node.format !== 'int32' || (number >= INT32.low && number <= INT32.high);
    const format = node.format === 'int32' || node.format === 'int64' ? node.format : '';
    const named = format === '' ? '(default format)' : `with format ${format}`;
    // Upstream knows no field here, and says so.
    const why = `Checked value must be of type integer ${named} in ${path}`;
    if (!isSmall || !Number.isInteger(number)) errors.push(invalid('<nil>', '', why));
  }
  const { multipleOf, maximum, minimum, exclusiveMaximum, exclusiveMinimum } = node;
  if (multipleOf !== undefined && multipleOf > 0 && !isMultiple(number, multipleOf)) {
    errors.push(invalid(path, value, inBody(path, `should be a multiple of ${multipleOf}`)));
  }
  if (minimum !== undefined && (exclusiveMinimum ? number <= minimum : number < minimum)) {
    const relation = exclusiveMinimum ? 'greater than' : 'greater than or equal to';
    errors.push(invalid(path, value, inBody(path, `should be ${relation} ${minimum}`)));
  }
  if (maximum !== undefined && (exclusiveMaximum ? number >= maximum : number > maximum)) {
    const relation = exclusiveMaximum ? 'less than' : 'less than or equal to';
    errors.push(invalid(path, value, inBody(path, `should be ${relation} ${maximum}`)));
  }
  return errors;
}

function isMultiple(value: number, factor: number): boolean {
  const quotient = factor < 1 ? (1 / factor) * value : value / factor;
  return Number.isInteger(quotient) || Math.abs(quotient - Math.round(quotient)) < 1e-9;
}

function checkSize(value: unknown, node: SchemaNode, path: string): FieldError[] {
  if (Array.isArray(value)) {
    const errors: FieldError[] = [];
    if (node.minItems !== undefined && value.length < node.minItems) {
      errors.push(invalid(path, value.length, inBody(path, `should have at least ${node.minItems} items`)));
    }
    if (node.maxItems !== undefined && value.length > node.maxItems) {
      errors.push(tooMany(path, value.length, node.maxItems));
    }
    return errors;
  }
  if (!isObject(value)) return [];
  const count = Object.keys(value).length;
  if (node.minProperties !== undefined && count < node.minProperties) {
    return [invalid(path, count, inBody(path, `should have at least ${node.minProperties} properties`))];
  }
  if (node.maxProperties !== undefined && count > node.maxProperties) {
    return [tooMany(path, count, node.maxProperties)];
  }
  return [];
}

function checkEnum(value: unknown, node: SchemaNode, path: string): FieldError[] {
  if (!node.enum || node.enum.length === 0 || node.enum.some((allowed) => sameValue(allowed, value)))
    return [];
  const names = node.enum.map((allowed) => (typeof allowed === 'string' ? allowed : stringifyJson(allowed)));
  return [notSupported(path, value, names)];
}

function validateItems(
  list: readonly unknown[],
  node: SchemaNode,
  path: string,
  old?: { value: unknown },
): Result {
  const result: Result = { errors: [], passed: 0 };
  const items = itemsOf(node);
  if (!items) return result;
  const before = correlatedItems(node, old);
  for (const [index, item] of list.entries()) {
    merge(result, validateNode(item, items, `${path}[${index}]`, before?.(item)));
  }
  return result;
}

/** Only items of a list with keys can be found again in the old list. */
function correlatedItems(
  node: SchemaNode,
  old: { value: unknown } | undefined,
): ((item: unknown) => { value: unknown } | undefined) | undefined {
  const keys = node['x-kubernetes-list-map-keys'];
  if (!old || !Array.isArray(old.value) || node['x-kubernetes-list-type'] !== 'map' || !keys)
    return undefined;
  const keyOf = (item: unknown) =>
    JSON.stringify(keys.map((name) => (isObject(item) ? (item[name] ?? null) : null)));
  const before = new Map(old.value.map((item) => [keyOf(item), item as unknown]));
  return (item) => (before.has(keyOf(item)) ? { value: before.get(keyOf(item)) } : undefined);
}

function validateMembers(
  object: JsonObject,
  node: SchemaNode,
  path: string,
  old?: { value: unknown },
): Result {
  const result: Result = { errors: [], passed: 0 };
  const additional = additionalOf(node);
  const before = old && isObject(old.value) ? old.value : undefined;
  const oldOf = (name: string) =>
    before && Object.hasOwn(before, name) ? { value: before[name] } : undefined;
  for (const [name, value] of Object.entries(object)) {
    const property = propertyOf(node, name);
    if (property) {
      const here = path === '' ? name : `${path}.${name}`;
      merge(result, validateNode(value, property, here, oldOf(name)));
    } else if (additional) {
      const here = path === '' ? name : `${path}.${name}`;
      merge(result, validateNode(value, additional, here, oldOf(name)));
    } else if (node.additionalProperties === false) {
      result.errors.push(invalid(path, '', `${path}.${name} in body is a forbidden property`));
    }
  }
  for (const name of node.required ?? []) {
    if (Object.hasOwn(object, name)) result.passed += 1;
    else result.errors.push(required(path === '' ? name : `${path}.${name}`));
  }
  return result;
}

function quoted(path: string): string {
  return JSON.stringify(path);
}

function validateJunctors(value: unknown, node: SchemaNode, path: string, old?: { value: unknown }): Result {
  const result: Result = { errors: [], passed: 0 };
  const run = (schema: SchemaNode) => validateNode(value, schema, path, old);
  // These are errors without a field upstream.
  const fail = (text: string) => result.errors.push(invalid('<nil>', '', text));
  if (node.anyOf && node.anyOf.length > 0) {
    const results = node.anyOf.map(run);
    const success = results.find(({ errors }) => errors.length === 0);
    if (!success) fail(`${quoted(path)} must validate at least one schema (anyOf)`);
    merge(result, success ?? best(results));
  }
  if (node.oneOf && node.oneOf.length > 0) {
    const results = node.oneOf.map(run);
    const valid = results.filter(({ errors }) => errors.length === 0);
    if (valid.length === 1) merge(result, valid[0]!);
    else {
      const found = valid.length === 0 ? 'Found none valid' : `Found ${valid.length} valid alternatives`;
      fail(`${quoted(path)} must validate one and only one schema (oneOf). ${found}`);
      if (valid.length === 0) merge(result, best(results));
    }
  }
  if (node.allOf && node.allOf.length > 0) {
    const results = node.allOf.map(run);
    for (const each of results) merge(result, each);
    const valid = results.filter(({ errors }) => errors.length === 0).length;
    if (valid !== results.length) {
      fail(`${quoted(path)} must validate all the schemas (allOf)${valid === 0 ? '. None validated' : ''}`);
    }
  }
  if (node.not && run(node.not).errors.length === 0) {
    fail(`${quoted(path)} must not validate the schema (not)`);
  }
  return result;
}

/** The first of those that passed the most checks. */
function best(results: readonly Result[]): Result {
  return results.reduce((a, b) => (b.passed > a.passed ? b : a));
}
