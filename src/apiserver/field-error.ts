import { jsonQuote } from './json-quote.ts';

/**
 * What is wrong with one field, in upstream's words: tools and people match on these texts.
 * Mirrors apimachinery pkg/util/validation/field/errors.go.
 */
export interface FieldError {
  readonly type: FieldErrorType;
  /** The path as a user writes it: `spec.ports[0].nodePort`, `metadata.labels[a/b]`. */
  readonly field: string;
  /** The offending value in its JSON form; absent where the type does not show it. */
  readonly badValue?: unknown;
  readonly detail: string;
}

export type FieldErrorType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooShort'
  | 'FieldValueTooMany'
  | 'FieldValueTooFew'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

const TITLES: Record<FieldErrorType, string> = {
  FieldValueNotFound: 'Not found',
  FieldValueRequired: 'Required value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueTooShort: 'Too short',
  FieldValueTooMany: 'Too many',
  FieldValueTooFew: 'Too few',
  FieldValueTypeInvalid: 'Invalid value',
  InternalError: 'Internal error',
};

/** These say what is wrong without repeating the value. */
const WITHOUT_VALUE: ReadonlySet<FieldErrorType> = new Set([
  'FieldValueRequired',
  'FieldValueForbidden',
  'FieldValueTooLong',
  'FieldValueTooShort',
  'InternalError',
]);

/** Given as a bad value, leaves the value out of the text (upstream's OmitValueType). */
export const OMIT_VALUE: unique symbol = Symbol('omit value');

// Paths are strings that callers join; these three keep the punctuation in one place.

/** `spec` + `ports` → `spec.ports`; an empty parent gives the child alone. */
export function child(path: string, ...names: string[]): string {
  return [path, ...names].filter((part) => part !== '').join('.');
}

/** `spec.ports` + 0 → `spec.ports[0]`. */
export function at(path: string, index: number): string {
  return `${path}[${index}]`;
}

/** `metadata.labels` + `a/b` → `metadata.labels[a/b]`. */
export function key(path: string, name: string): string {
  return `${path}[${name}]`;
}

export function required(field: string, detail = ''): FieldError {
  return { type: 'FieldValueRequired', field, detail };
}

export function invalid(field: string, badValue: unknown, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, badValue, detail };
}

export function typeInvalid(field: string, badValue: unknown, detail: string): FieldError {
  return { type: 'FieldValueTypeInvalid', field, badValue, detail };
}

/** Give the supported values sorted: upstream sorts them before it prints them. */
export function notSupported(field: string, badValue: unknown, supported: readonly string[]): FieldError {
  const detail = supported.length > 0 ? `supported values: ${supported.map(jsonQuote).join(', ')}` : '';
  return { type: 'FieldValueNotSupported', field, badValue, detail };
}

export function duplicate(field: string, badValue: unknown): FieldError {
  return { type: 'FieldValueDuplicate', field, badValue, detail: '' };
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'FieldValueForbidden', field, detail };
}

/** A value that names something which is not there. */
export function valueNotFound(field: string, badValue: unknown): FieldError {
  return { type: 'FieldValueNotFound', field, badValue, detail: '' };
}

/** `unit` is 'byte' as upstream's TooLong, or 'character' as its TooLongCharacters. */
export function tooLong(field: string, maximum: number, unit: 'byte' | 'character' = 'byte'): FieldError {
  const detail =
    maximum < 0 ? 'value is too long' : `may not be more than ${maximum} ${unit}${maximum === 1 ? '' : 's'}`;
  return { type: 'FieldValueTooLong', field, detail };
}

export function tooMany(field: string, actual: number, maximum: number): FieldError {
  const detail = maximum < 0 ? 'has too many items' : `must have at most ${items(maximum)}`;
  return { type: 'FieldValueTooMany', field, badValue: actual, detail };
}

function items(count: number): string {
  return `${count} ${count === 1 ? 'item' : 'items'}`;
}

/** The text without the field: `Invalid value: 80: must be between 30000 and 32767`. */
export function fieldErrorBody(error: FieldError): string {
  let text = TITLES[error.type];
  if (!WITHOUT_VALUE.has(error.type) && error.badValue !== OMIT_VALUE) text += `: ${shown(error.badValue)}`;
  return error.detail === '' ? text : `${text}: ${error.detail}`;
}

/** The whole text: `spec.ports[0].nodePort: Invalid value: 80: …`. */
export function fieldErrorText(error: FieldError): string {
  return `${error.field}: ${fieldErrorBody(error)}`;
}

/** Several errors as upstream's aggregate prints them: one alone bare, more in brackets, repeats left out. */
export function aggregateText(texts: readonly string[]): string {
  const distinct = [...new Set(texts)];
  return distinct.length === 1 ? (distinct[0] ?? '') : `[${distinct.join(', ')}]`;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return jsonQuote(value);
  if (typeof value === 'bigint') return String(value);
  if (value === undefined) return 'null';
  // Integers past 2^53 may stand anywhere inside.
  const json = JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? Number(member) : member,
  );
  // As Go's JSON, which must be safe within HTML.
  return json.replaceAll(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
