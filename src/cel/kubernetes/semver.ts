import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { EvaluationError } from '../issues.ts';
import { nameType, struct } from '../types.ts';
import { OpaqueValue } from '../values.ts';
import type { Value } from '../values.ts';

const TYPE = nameType(struct('kubernetes.Semver'));
const MAX_UINT = 2n ** 64n - 1n;

class SemverValue extends OpaqueValue {
  override readonly type = TYPE;
  readonly numbers: readonly bigint[];
  readonly preRelease: readonly string[];

  constructor(numbers: readonly bigint[], preRelease: readonly string[]) {
    super();
    this.numbers = numbers;
    this.preRelease = preRelease;
  }

  override equals(other: Value): boolean {
    return other instanceof SemverValue && compare(this, other) === 0;
  }
}

/** Throws EvaluationError with the texts of blang/semver. */
function parse(text: string): SemverValue {
  if (text === '') throw new EvaluationError('Version string empty');
  const parts = splitFirst(text, '.', 3);
  if (parts.length !== 3) throw new EvaluationError('No Major.Minor.Patch elements found');
  const [major = '', minor = '', rest = ''] = parts;
  const plus = rest.indexOf('+');
  const build = plus < 0 ? undefined : rest.slice(plus + 1);
  const version = plus < 0 ? rest : rest.slice(0, plus);
  const dash = version.indexOf('-');
  const patch = dash < 0 ? version : version.slice(0, dash);
  const preRelease = dash < 0 ? [] : version.slice(dash + 1).split('.');
  const numbers = [number('Major', major), number('Minor', minor), number('Patch', patch)];
  for (const part of preRelease) checkPreRelease(part);
  for (const part of build === undefined ? [] : build.split('.')) {
    if (part === '') throw new EvaluationError('Build meta data is empty');
    if (!/^[0-9A-Za-z-]+$/.test(part)) {
      throw new EvaluationError(`Invalid character(s) found in build meta data ${JSON.stringify(part)}`);
    }
  }
  return new SemverValue(numbers, preRelease);
}

function splitFirst(text: string, separator: string, limit: number): string[] {
  const parts = text.split(separator);
  return parts.length <= limit
    ? parts
    : [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
}

function number(name: string, text: string): bigint {
  const quoted = JSON.stringify(text);
  if (!/^\d+$/.test(text)) {
    if (text === '') throw new EvaluationError('strconv.ParseUint: parsing "": invalid syntax');
    throw new EvaluationError(`Invalid character(s) found in ${name.toLowerCase()} number ${quoted}`);
  }
  if (text.length > 1 && text.startsWith('0')) {
    throw new EvaluationError(`${name} number must not contain leading zeroes ${quoted}`);
  }
  const value = BigInt(text);
  if (value > MAX_UINT) throw new EvaluationError(`strconv.ParseUint: parsing ${quoted}: value out of range`);
  return value;
}

function checkPreRelease(part: string): void {
  if (part === '') throw new EvaluationError('Prerelease is empty');
  if (/^0\d+$/.test(part)) {
    throw new EvaluationError(
      `Numeric PreRelease version must not contain leading zeroes ${JSON.stringify(part)}`,
    );
  }
  if (!/^[0-9A-Za-z-]+$/.test(part)) {
    throw new EvaluationError(`Invalid character(s) found in prerelease ${JSON.stringify(part)}`);
  }
}

/** 'v1.2' → '1.2.0'. */
function normalized(text: string): string {
  const parts = splitFirst(text.replace(/^v/, ''), '.', 3).map((part) => {
    if (part.length <= 1) return part;
    const stripped = part.replace(/^0+/, '');
    return /^\d/.test(stripped) ? stripped : `0${stripped}`;
  });
  if (parts.length < 3) {
    if (/[+-]/.test(parts.at(-1) ?? '')) {
      throw new EvaluationError('short version cannot contain PreRelease/Build meta data');
    }
    while (parts.length < 3) parts.push('0');
  }
  return parts.join('.');
}

function compare(a: SemverValue, b: SemverValue): number {
  for (const [index, own] of a.numbers.entries()) {
    const other = b.numbers[index] ?? 0n;
    if (own !== other) return own < other ? -1 : 1;
  }
  // What has a pre-release comes before what has none.
  if (a.preRelease.length === 0 || b.preRelease.length === 0) {
    return Math.sign(b.preRelease.length - a.preRelease.length) && (a.preRelease.length === 0 ? 1 : -1);
  }
  for (const [index, own] of a.preRelease.entries()) {
    const other = b.preRelease[index];
    if (other === undefined) return 1;
    const order = comparePart(own, other);
    if (order !== 0) return order;
  }
  return a.preRelease.length < b.preRelease.length ? -1 : 0;
}

function comparePart(a: string, b: string): number {
  const [first, second] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (first !== second) return first ? -1 : 1;
  const [left, right] = first ? [BigInt(a), BigInt(b)] : [a, b];
  return left === right ? 0 : left < right ? -1 : 1;
}

function isSemver(text: string, normalize: boolean): boolean {
  try {
    parse(normalize ? normalized(text) : text);
    return true;
  } catch (error) {
    if (error instanceof EvaluationError) return false;
    throw error;
  }
}

const V = 'kubernetes.Semver';
const order = (a: Value, b: Value): number => compare(a as SemverValue, b as SemverValue);
const part = (index: number) => (a: Value) => (a as SemverValue).numbers[index] ?? 0n;

/** Semantic versions. Mirrors apiserver pkg/cel/library/semverlib.go. */
export const VERSIONS: readonly FunctionDeclaration[] = [
  declare(
    'semver',
    overload('string_to_semver', `(string) -> ${V}`, (a) => parse(a as string)),
    overload('string_bool_to_semver', `(string, bool) -> ${V}`, (a, b) =>
      parse(b === true ? normalized(a as string) : (a as string)),
    ),
  ),
  declare(
    'isSemver',
    overload('is_semver_string', '(string) -> bool', (a) => isSemver(a as string, false)),
    overload('is_semver_string_bool', '(string, bool) -> bool', (a, b) => isSemver(a as string, b === true)),
  ),
  declare(
    'isGreaterThan',
    overload('semver_is_greater_than', `${V}.(${V}) -> bool`, (a, b) => order(a, b) > 0),
  ),
  declare(
    'isLessThan',
    overload('semver_is_less_than', `${V}.(${V}) -> bool`, (a, b) => order(a, b) < 0),
  ),
  declare(
    'compareTo',
    overload('semver_compare_to', `${V}.(${V}) -> int`, (a, b) => BigInt(order(a, b))),
  ),
  declare('major', overload('semver_major', `${V}.() -> int`, part(0))),
  declare('minor', overload('semver_minor', `${V}.() -> int`, part(1))),
  declare('patch', overload('semver_patch', `${V}.() -> int`, part(2))),
];
