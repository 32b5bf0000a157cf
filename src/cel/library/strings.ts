import { display } from '../display.ts';
import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { EvaluationError } from '../issues.ts';
import type { ListValue } from '../values.ts';
import { ArrayList } from '../values.ts';
import { formatString } from './format.ts';
import { MAX_STRING_LENGTH } from './operators.ts';
import { compileRegex } from './regex.ts';

/** Positions are of characters, of which JavaScript has some in two halves. */
function chars(text: string): string[] {
  return Array.from(text);
}

function outOfRange(index: bigint): EvaluationError {
  return new EvaluationError(`index out of range: ${index}`);
}

function charAt(text: string, index: bigint): string {
  const all = chars(text);
  if (index < 0n || index > BigInt(all.length)) throw outOfRange(index);
  return all[Number(index)] ?? '';
}

function indexOf(text: string, wanted: string, offset: bigint): bigint {
  if (wanted === '') return offset;
  if (offset < 0n) throw outOfRange(offset);
  const all = chars(text);
  if (offset >= BigInt(all.length)) return -1n;
  const skipped = all.slice(0, Number(offset)).join('').length;
  const found = text.indexOf(wanted, skipped);
  return found < 0 ? -1n : BigInt(chars(text.slice(0, found)).length);
}

function lastIndexOf(text: string, wanted: string, offset?: bigint): bigint {
  const all = chars(text);
  if (wanted === '') return offset ?? BigInt(all.length);
  if (text.length < wanted.length) return -1n;
  const from = offset ?? BigInt(all.length - 1);
  if (from < 0n) throw outOfRange(from);
  if (from >= BigInt(all.length)) return -1n;
  const found = text.lastIndexOf(wanted, all.slice(0, Number(from)).join('').length);
  return found < 0 ? -1n : BigInt(chars(text.slice(0, found)).length);
}

/** At most `count` times; negative is all. */
function replace(text: string, old: string, by: string, count: bigint): string {
  const limit = count < 0n ? Infinity : Number(count);
  const parts = splitAll(text, old, old === '' ? limit : limit + 1);
  if (old !== '') {
    if (text.length + parts.length * by.length > MAX_STRING_LENGTH)
      throw new EvaluationError('string is too long');
    return parts.join(by);
  }
  // Between all characters, and at both ends.
  const all = chars(text);
  const times = Math.min(limit, all.length + 1);
  if (text.length + times * by.length > MAX_STRING_LENGTH) throw new EvaluationError('string is too long');
  return (
    all.map((char, index) => (index < times ? by + char : char)).join('') + (times > all.length ? by : '')
  );
}

function splitAll(text: string, separator: string, limit: number): string[] {
  if (limit === 0) return [];
  const all = separator === '' ? chars(text) : text.split(separator);
  if (all.length <= limit) return all;
  return [...all.slice(0, limit - 1), all.slice(limit - 1).join(separator)];
}

function split(text: string, separator: string, count: bigint): ListValue {
  return new ArrayList(splitAll(text, separator, count < 0n ? Infinity : Number(count)));
}

function substring(text: string, start: bigint, end?: bigint): string {
  const all = chars(text);
  const length = BigInt(all.length);
  if (end !== undefined && start > end) {
    throw new EvaluationError(`invalid substring range. start: ${start}, end: ${end}`);
  }
  if (start < 0n || start > length) throw outOfRange(start);
  if (end !== undefined && (end < 0n || end > length)) throw outOfRange(end);
  return all.slice(Number(start), end === undefined ? undefined : Number(end)).join('');
}

function join(list: ListValue, separator: string): string {
  const parts: string[] = [];
  let length = 0;
  for (const item of list) {
    if (typeof item !== 'string') throw new EvaluationError(`join: invalid input: ${display(item)}`);
    parts.push(item);
    length += item.length + separator.length;
    if (length > MAX_STRING_LENGTH) throw new EvaluationError('string is too long');
  }
  return parts.join(separator);
}

const QUOTED: Readonly<Record<string, string>> = {
  '\u0007': String.raw`\a`,
  '\b': String.raw`\b`,
  '\f': String.raw`\f`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
  '\v': String.raw`\v`,
  '\\': '\\\\',
  '"': String.raw`\"`,
};

const UNSAFE = new RegExp(String.raw`[\u0007-\r\\"]`, 'g');

function quote(text: string): string {
  return `"${text.toWellFormed().replaceAll(UNSAFE, (char) => QUOTED[char] ?? char)}"`;
}

/** What Go's unicode.IsSpace takes for space. */
const SPACE = String.raw`[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+`;
const TRIMMED = new RegExp(`^${SPACE}|${SPACE}$`, 'g');

/** The language's own functions of strings, and those of cel-go ext/strings.go in its version 2. */
export const STRINGS: readonly FunctionDeclaration[] = [
  declare(
    'contains',
    overload('contains_string', 'string.(string) -> bool', (a, b) => (a as string).includes(b as string)),
  ),
  declare(
    'endsWith',
    overload('ends_with_string', 'string.(string) -> bool', (a, b) => (a as string).endsWith(b as string)),
  ),
  declare(
    'startsWith',
    overload('starts_with_string', 'string.(string) -> bool', (a, b) =>
      (a as string).startsWith(b as string),
    ),
  ),
  declare(
    'matches',
    overload('matches', '(string, string) -> bool', (a, b) => compileRegex(b as string).test(a as string)),
    overload('matches_string', 'string.(string) -> bool', (a, b) =>
      compileRegex(b as string).test(a as string),
    ),
  ),
  declare(
    'charAt',
    overload('string_char_at_int', 'string.(int) -> string', (a, b) => charAt(a as string, b as bigint)),
  ),
  declare(
    'indexOf',
    overload('string_index_of_string', 'string.(string) -> int', (a, b) =>
      indexOf(a as string, b as string, 0n),
    ),
    overload('string_index_of_string_int', 'string.(string, int) -> int', (a, b, c) =>
      indexOf(a as string, b as string, c as bigint),
    ),
  ),
  declare(
    'lastIndexOf',
    overload('string_last_index_of_string', 'string.(string) -> int', (a, b) =>
      lastIndexOf(a as string, b as string),
    ),
    overload('string_last_index_of_string_int', 'string.(string, int) -> int', (a, b, c) =>
      lastIndexOf(a as string, b as string, c as bigint),
    ),
  ),
  declare(
    'lowerAscii',
    overload('string_lower_ascii', 'string.() -> string', (a) =>
      (a as string).replaceAll(/[A-Z]+/g, (text) => text.toLowerCase()),
    ),
  ),
  declare(
    'replace',
    overload('string_replace_string_string', 'string.(string, string) -> string', (a, b, c) =>
      replace(a as string, b as string, c as string, -1n),
    ),
    overload('string_replace_string_string_int', 'string.(string, string, int) -> string', (a, b, c, d) =>
      replace(a as string, b as string, c as string, d as bigint),
    ),
  ),
  declare(
    'split',
    overload('string_split_string', 'string.(string) -> list(string)', (a, b) =>
      split(a as string, b as string, -1n),
    ),
    overload('string_split_string_int', 'string.(string, int) -> list(string)', (a, b, c) =>
      split(a as string, b as string, c as bigint),
    ),
  ),
  declare(
    'substring',
    overload('string_substring_int', 'string.(int) -> string', (a, b) => substring(a as string, b as bigint)),
    overload('string_substring_int_int', 'string.(int, int) -> string', (a, b, c) =>
      substring(a as string, b as bigint, c as bigint),
    ),
  ),
  declare(
    'trim',
    overload('string_trim', 'string.() -> string', (a) => (a as string).replaceAll(TRIMMED, '')),
  ),
  declare(
    'upperAscii',
    overload('string_upper_ascii', 'string.() -> string', (a) =>
      (a as string).replaceAll(/[a-z]+/g, (text) => text.toUpperCase()),
    ),
  ),
  declare(
    'format',
    overload('string_format', 'string.(list(dyn)) -> string', (a, b) =>
      formatString(a as string, b as ListValue),
    ),
  ),
  declare(
    'strings.quote',
    overload('strings_quote', '(string) -> string', (a) => quote(a as string)),
  ),
  declare(
    'join',
    overload('list_join', 'list(string).() -> string', (a) => join(a as ListValue, '')),
    overload('list_join_string', 'list(string).(string) -> string', (a, b) =>
      join(a as ListValue, b as string),
    ),
  ),
];
