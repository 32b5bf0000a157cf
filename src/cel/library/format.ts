import { plainDouble } from '../display.ts';
import { EvaluationError } from '../issues.ts';
import { durationSeconds, formatTimestamp } from '../time.ts';
import { typeText } from '../types.ts';
import { Duration, ListValue, MapValue, nameOf, Timestamp, TypeValue, Uint } from '../values.ts';
import type { Value } from '../values.ts';
import { MAX_STRING_LENGTH } from './operators.ts';

const DEFAULT_PRECISION = 6;
/** As many digits as JavaScript prints after the point. */
const MAX_PRECISION = 100;
const SUPERSCRIPT = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

const ONLY_DIGITS = 'only integers, byte buffers, and strings can be formatted as hex';

/** What each clause says to what it is not for. */
export const REFUSALS: Readonly<Record<string, string>> = {
  s: 'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps',
  d: 'decimal clause can only be used on integers',
  f: 'fixed-point clause can only be used on doubles',
  e: 'scientific clause can only be used on doubles',
  b: 'only integers and bools can be formatted as binary',
  o: 'octal clause can only be used on integers',
  x: ONLY_DIGITS,
  X: ONLY_DIGITS,
};

class FormatProblem extends Error {}

function refused(letter: string, value: Value): FormatProblem {
  return new FormatProblem(`${REFUSALS[letter]}, was given ${nameOf(value)}`);
}

/** `'%s is %d'.format([…])`. Mirrors cel-go ext/formatting.go, in the locale en_US as upstream has it. */
export function formatString(template: string, args: ListValue): string {
  let result = '';
  let next = 0;
  let at = 0;
  for (const clause of clausesOf(template, args.length)) {
    result += unescaped(template.slice(at, clause.start)) + formatted(clause, args.at(next++));
    if (result.length > MAX_STRING_LENGTH) throw new EvaluationError('string is too long');
    at = clause.end;
  }
  return result + unescaped(template.slice(at));
}

const unescaped = (text: string): string => text.replaceAll('%%', '%');

/** The clauses of a template one by one. Throws EvaluationError where there is none, or no argument for it. */
export function* clausesOf(template: string, count: number): IterableIterator<Clause> {
  let next = 0;
  let at = template.indexOf('%');
  while (at >= 0) {
    if (template[at + 1] === '%') {
      at = template.indexOf('%', at + 2);
      continue;
    }
    if (next >= count) throw new EvaluationError(`index ${next} out of range`);
    if (at + 1 >= template.length) throw new EvaluationError('unexpected end of string');
    const clause = readClause(template, at + 1);
    next += 1;
    yield clause;
    at = template.indexOf('%', clause.end);
  }
}

interface Clause {
  readonly letter: string;
  readonly start: number;
  readonly precision: number;
  readonly end: number;
}

function readClause(template: string, start: number): Clause {
  const [whole = '', digits] = /^(?:\.(\d*))?/.exec(template.slice(start, start + 12)) ?? [];
  const letter = template[start + whole.length];
  const problem = (why: string): EvaluationError =>
    new EvaluationError(`could not parse formatting clause: ${why}`);
  if (digits !== undefined) {
    if (letter === undefined) {
      throw problem('error while parsing precision: could not find end of precision specifier');
    }
    if (digits === '') {
      const why = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax';
      throw problem(`error while parsing precision: ${why}`);
    }
  }
  if (letter === undefined || !'sdfebxXo'.includes(letter)) {
    throw problem(`unrecognized formatting clause "${letter ?? ''}"`);
  }
  const precision = digits === undefined ? DEFAULT_PRECISION : Number(digits);
  return {
    letter,
    precision: Math.min(precision, MAX_PRECISION),
    start: start - 1,
    end: start + whole.length + 1,
  };
}

function formatted({ letter, precision }: Clause, value: Value): string {
  try {
    switch (letter) {
      case 's':
        return text(value);
      case 'd':
        return decimal(value);
      case 'f':
        return fixed(number(value, 'f'), precision);
      case 'e':
        return scientific(number(value, 'e')).padStart(precision);
      case 'b':
        return typeof value === 'boolean' ? String(Number(value)) : inBase(value, 2, 'b');
      case 'o':
        return inBase(value, 8, 'o');
      default:
        return hex(value, letter === 'X');
    }
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error;
    throw new EvaluationError(`error during formatting: ${error.message}`, { cause: error });
  }
}

function text(value: Value): string {
  if (typeof value === 'string') return value;
  if (value === null) return 'null';
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return plainDouble(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return durationSeconds(value.nanos);
  if (value instanceof TypeValue) return typeText(value.type);
  if (value instanceof ListValue) return `[${[...value].map(member).join(', ')}]`;
  if (value instanceof MapValue) return map(value);
  throw refused('s', value);
}

/** A value within a list or map: as one would write it. */
function member(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `b${JSON.stringify(text(value))}`;
  if (value instanceof Timestamp) return `timestamp(${JSON.stringify(text(value))})`;
  if (value instanceof Duration) return `duration(${JSON.stringify(text(value))})`;
  if (value instanceof TypeValue) return `type(${text(value)})`;
  if (typeof value !== 'number') return text(value);
  if (Number.isFinite(value)) return value.toFixed(DEFAULT_PRECISION);
  return Number.isNaN(value) ? '"NaN"' : value > 0 ? '"+Inf"' : '"-Inf"';
}

function map(value: MapValue): string {
  const entries = [...value.keys()].map((key) => {
    if (typeof key === 'number')
      throw new FormatProblem(`no formatting function for map key of type ${nameOf(key)}`);
    return [member(key), member(value.get(key) ?? null)] as const;
  });
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, each]) => `${key}:${each}`).join(', ')}}`;
}

function integer(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return value instanceof Uint ? value.value : undefined;
}

function decimal(value: Value): string {
  const found = integer(value);
  if (found === undefined) throw refused('d', value);
  return String(found);
}

function inBase(value: Value, base: number, letter: string): string {
  const found = integer(value);
  if (found === undefined) throw refused(letter, value);
  return found.toString(base);
}

function hex(value: Value, upper: boolean): string {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const digits = bytes instanceof Uint8Array ? Buffer.from(bytes).toString('hex') : inBase(value, 16, 'x');
  return upper ? digits.toUpperCase() : digits;
}

function number(value: Value, letter: string): number {
  if (typeof value === 'number') return value;
  if (value === 'NaN') return Number.NaN;
  if (value === 'Infinity' || value === '-Infinity') return Number(value);
  throw refused(letter, value);
}

function special(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '∞' : '-∞';
}

/** With commas between thousands, as the locale has it. */
function fixed(value: number, precision: number): string {
  if (!Number.isFinite(value)) return special(value);
  const digits = Math.abs(value) < 1e21 ? toEven(value, precision) : plainDouble(value);
  const [whole = '', fraction] = digits.split('.');
  const grouped = whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** As toFixed, which rounds what is just between two away from zero; Go rounds it to the even one. */
function toEven(value: number, precision: number): string {
  const scaled = value * 10 ** precision;
  const isBetween = Math.abs(scaled) % 1 === 0.5 && Number.isInteger(value * 2 ** (precision + 1));
  if (!isBetween) return value.toFixed(precision);
  return ((Math.round(scaled / 2) * 2) / 10 ** precision).toFixed(precision);
}

/** 1.052033×10⁰³, always with as many digits: upstream takes the precision for the width. */
function scientific(value: number): string {
  if (!Number.isFinite(value)) return special(value);
  const [mantissa = '', exponent = '+0'] = value.toExponential(DEFAULT_PRECISION).split('e');
  const digits = exponent.slice(1).padStart(2, '0');
  const raised = Array.from(digits, (digit) => SUPERSCRIPT[Number(digit)] ?? '').join('');
  return `${mantissa}×10${exponent.startsWith('-') ? '⁻' : ''}${raised}`;
}
