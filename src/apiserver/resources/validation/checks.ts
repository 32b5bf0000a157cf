import type { LabelSelector } from '../../../api/gen/types/meta-v1.ts';
import { at, child, forbidden, invalid, key, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { dnsSubdomain, labelValue, percent, portName, portNumber, qualifiedName } from './formats.ts';

/** Where validators put what they find, in upstream's order. */
export type Errors = FieldError[];

export const FIELD_IMMUTABLE = 'field is immutable';

/** Adds one error for each problem of a value's format. */
export function checkFormat(errors: Errors, path: string, value: unknown, problems: readonly string[]): void {
  // Upstream's types know no absent text: it shows as empty.
  for (const problem of problems) errors.push(invalid(path, value ?? '', problem));
}

export function checkNonNegative(errors: Errors, path: string, value: number | undefined): void {
  if (value !== undefined && value < 0) {
    errors.push(invalid(path, value, 'must be greater than or equal to 0'));
  }
}

export function checkPositive(errors: Errors, path: string, value: number | undefined): void {
  if (value !== undefined && value <= 0) errors.push(invalid(path, value, 'must be greater than zero'));
}

/** Required and one of the values; `values` in the order in which upstream lists them. */
export function checkEnum(
  errors: Errors,
  path: string,
  value: string | undefined,
  values: readonly string[],
): void {
  if (value === undefined || value === '') errors.push(required(path));
  else if (!values.includes(value)) errors.push(notSupported(path, value, values));
}

/** Absent or one of the values. */
export function checkOptionalEnum(
  errors: Errors,
  path: string,
  value: string | undefined,
  values: readonly string[],
): void {
  if (value !== undefined && !values.includes(value)) errors.push(notSupported(path, value, values));
}

/** Fails where the two differ as JSON. */
export function checkImmutable(errors: Errors, path: string, value: unknown, old: unknown): void {
  if (!sameJson(value, old)) errors.push(invalid(path, value, FIELD_IMMUTABLE));
}

/**
 * Whether two JSON values are equal; absent, null and empty lists and maps are the same thing, as in
 * upstream's semantic equality.
 */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isNothing(a) && isNothing(b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => sameJson(item, b[index]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    if (!sameJson(left[name], right[name])) return false;
  }
  return true;
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'object') return false;
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0;
}

/** A copy that shares nothing; faster than structuredClone for plain JSON. */
export function cloneJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => cloneJson(item)) as T;
  const copy: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) copy[name] = cloneJson(member);
  return copy as T;
}

/** Keys and values of a label map, as metadata.labels or a node selector. */
export function checkLabels(errors: Errors, path: string, labels: Record<string, string> | undefined): void {
  for (const [name, value] of Object.entries(labels ?? {})) {
    checkFormat(errors, path, name, qualifiedName(name));
    checkFormat(errors, path, value, labelValue(value));
  }
}

export function checkLabelName(errors: Errors, path: string, name: string): void {
  checkFormat(errors, path, name, qualifiedName(name));
}

/** Mirrors apimachinery pkg/apis/meta/v1/validation/validation.go. */
export function checkLabelSelector(errors: Errors, path: string, selector: LabelSelector | undefined): void {
  if (!selector) return;
  checkLabels(errors, child(path, 'matchLabels'), selector.matchLabels);
  (selector.matchExpressions ?? []).forEach((expression, index) => {
    const here = at(child(path, 'matchExpressions'), index);
    const values = expression.values ?? [];
    switch (expression.operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0) {
          errors.push(
            required(child(here, 'values'), "must be specified when `operator` is 'In' or 'NotIn'"),
          );
        }
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0) {
          const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
          errors.push(forbidden(child(here, 'values'), why));
        }
        break;
      default:
        errors.push(invalid(child(here, 'operator'), expression.operator, 'not a valid selector operator'));
    }
    checkLabelName(errors, child(here, 'key'), expression.key);
    values.forEach((value, number) => {
      checkFormat(errors, at(child(here, 'values'), number), value, labelValue(value));
    });
  });
}

const HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const HTTP_PATH_RE = new RegExp(`^${HTTP_PATH}$`);

/** As `acme.io/foo`. Mirrors IsDomainPrefixedPath of apimachinery pkg/util/validation/validation.go. */
export function checkDomainPrefixedPath(errors: Errors, field: string, value: string): void {
  if (value === '') return void errors.push(required(field));
  const cut = value.indexOf('/');
  const host = value.slice(0, Math.max(cut, 0));
  const path = value.slice(cut + 1);
  if (host === '' || path === '') {
    errors.push(invalid(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")'));
    return;
  }
  checkFormat(errors, field, host, dnsSubdomain(host));
  if (HTTP_PATH_RE.test(path)) return;
  errors.push(invalid(field, path, `Invalid path (regex used for validation is '${HTTP_PATH}')`));
}

/** A port as a number or by name. */
export function checkPortOrName(errors: Errors, path: string, port: number | string): void {
  const problems = typeof port === 'number' ? portNumber(port) : portName(port);
  checkFormat(errors, path, port, problems);
}

/** maxSurge, maxUnavailable, minAvailable: a whole number or a percentage, not negative. */
export function checkCountOrPercent(errors: Errors, path: string, value: number | string): void {
  if (typeof value === 'string') {
    checkFormat(errors, path, value, percent(value));
  } else if (value < 0) {
    errors.push(invalid(path, value, 'must be greater than or equal to 0'));
  }
}

/** A path that stays below where it is put: relative and without `..`. */
export function checkLocalPath(errors: Errors, path: string, value: string): void {
  if (value.startsWith('/')) errors.push(invalid(path, value, 'must be a relative path'));
  checkNoBacksteps(errors, path, value);
}

export function checkNoBacksteps(errors: Errors, path: string, value: string): void {
  if (value.split('/').includes('..')) errors.push(invalid(path, value, "must not contain '..'"));
}

/** As checkLocalPath; names that begin with two dots belong to the atomic writer. */
export function checkLocalNonReservedPath(errors: Errors, path: string, value: string): void {
  checkLocalPath(errors, path, value);
  if (value.startsWith('..') && !value.startsWith('../')) {
    errors.push(invalid(path, value, "must not start with '..'"));
  }
}

export { at, child, key };
