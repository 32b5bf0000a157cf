import { plainDouble } from '../display.ts';
import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { EvaluationError } from '../issues.ts';
import { durationSeconds, formatTimestamp, parseDurationText, parseTimestamp, timestampOf } from '../time.ts';
import { Duration, TypeValue, typeOfValue, Uint } from '../values.ts';
import type { Value, Timestamp } from '../values.ts';
import { checkedInt, checkedUint } from './operators.ts';

const same = (value: Value): Value => value;
const NANOS = 1_000_000_000n;

/** A string that does not say what it is to become. */
function notA(type: string): EvaluationError {
  return new EvaluationError(`type conversion error from 'string' to '${type}'`);
}

function parseBool(text: string): boolean {
  if (['true', 'TRUE', 'True', 't', 'T', '1'].includes(text)) return true;
  if (['false', 'FALSE', 'False', 'f', 'F', '0'].includes(text)) return false;
  throw notA('bool');
}

function parseInteger(text: string, type: 'int' | 'uint'): bigint {
  if (!(type === 'int' ? /^[+-]?\d+$/ : /^\d+$/).test(text)) throw notA(type);
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  const [low, high] = type === 'int' ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
  if (value < low || value > high) throw notA(type);
  return value;
}

function parseDouble(text: string): number {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (special) {
    const value = /nan/i.test(special[2] ?? '') ? Number.NaN : Infinity;
    return special[1] === '-' ? -value : value;
  }
  const value = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : Infinity;
  if (!Number.isFinite(value)) throw notA('double');
  return value;
}

/** Towards zero, and only what an int can hold. */
function truncated(value: number, what: 'int' | 'uint'): bigint {
  const isInRange = what === 'int' ? value > -(2 ** 63) && value < 2 ** 63 : value >= 0 && value < 2 ** 64;
  if (!isInRange) {
    throw new EvaluationError(what === 'int' ? 'integer overflow' : 'unsigned integer overflow');
  }
  return BigInt(Math.trunc(value));
}

function toText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new EvaluationError('invalid UTF-8 in bytes, cannot convert to string', { cause: error });
  }
}

function toTimestamp(text: string): Timestamp {
  const result = parseTimestamp(text);
  if (!result) throw notA('google.protobuf.Timestamp');
  return result;
}

function toDuration(text: string): Duration {
  const result = parseDurationText(text);
  if (!result) throw notA('google.protobuf.Duration');
  return result;
}

function flooredSeconds({ nanos }: Timestamp): bigint {
  return nanos % NANOS < 0n ? nanos / NANOS - 1n : nanos / NANOS;
}

const TO_INT = declare(
  'int',
  overload('int64_to_int64', '(int) -> int', same),
  overload('double_to_int64', '(double) -> int', (a) => truncated(a as number, 'int')),
  overload('duration_to_int64', '(duration) -> int', (a) => (a as Duration).nanos),
  overload('string_to_int64', '(string) -> int', (a) => parseInteger(a as string, 'int')),
  overload('timestamp_to_int64', '(timestamp) -> int', (a) => flooredSeconds(a as Timestamp)),
  overload('uint64_to_int64', '(uint) -> int', (a) => checkedInt((a as Uint).value)),
);

const TO_UINT = declare(
  'uint',
  overload('uint64_to_uint64', '(uint) -> uint', same),
  overload('double_to_uint64', '(double) -> uint', (a) => new Uint(truncated(a as number, 'uint'))),
  overload('int64_to_uint64', '(int) -> uint', (a) => checkedUint(a as bigint)),
  overload('string_to_uint64', '(string) -> uint', (a) => new Uint(parseInteger(a as string, 'uint'))),
);

const TO_STRING = declare(
  'string',
  overload('string_to_string', '(string) -> string', same),
  overload('bool_to_string', '(bool) -> string', String),
  overload('bytes_to_string', '(bytes) -> string', (a) => toText(a as Uint8Array)),
  overload('double_to_string', '(double) -> string', (a) => plainDouble(a as number)),
  overload('duration_to_string', '(duration) -> string', (a) => durationSeconds((a as Duration).nanos)),
  overload('int64_to_string', '(int) -> string', String),
  overload('timestamp_to_string', '(timestamp) -> string', (a) => formatTimestamp(a as Timestamp)),
  overload('uint64_to_string', '(uint) -> string', (a) => String((a as Uint).value)),
);

/** From one type to another. Mirrors cel-go common/stdlib/standard.go and common/types. */
export const CONVERSIONS: readonly FunctionDeclaration[] = [
  declare(
    'type',
    overload('type', '(A) -> type(A)', (a) => new TypeValue(typeOfValue(a))),
  ),
  declare(
    'bool',
    overload('bool_to_bool', '(bool) -> bool', same),
    overload('string_to_bool', '(string) -> bool', (a) => parseBool(a as string)),
  ),
  declare(
    'bytes',
    overload('bytes_to_bytes', '(bytes) -> bytes', same),
    overload('string_to_bytes', '(string) -> bytes', (a) => Buffer.from(a as string)),
  ),
  declare(
    'double',
    overload('double_to_double', '(double) -> double', same),
    overload('int64_to_double', '(int) -> double', (a) => Number(a)),
    overload('string_to_double', '(string) -> double', (a) => parseDouble(a as string)),
    overload('uint64_to_double', '(uint) -> double', (a) => Number((a as Uint).value)),
  ),
  declare(
    'duration',
    overload('duration_to_duration', '(duration) -> duration', same),
    overload('int64_to_duration', '(int) -> duration', (a) => new Duration(a as bigint)),
    overload('string_to_duration', '(string) -> duration', (a) => toDuration(a as string)),
  ),
  declare('dyn', overload('to_dyn', '(A) -> dyn', same)),
  TO_INT,
  TO_STRING,
  declare(
    'timestamp',
    overload('timestamp_to_timestamp', '(timestamp) -> timestamp', same),
    overload('int64_to_timestamp', '(int) -> timestamp', (a) => timestampOf((a as bigint) * NANOS)),
    overload('string_to_timestamp', '(string) -> timestamp', (a) => toTimestamp(a as string)),
  ),
  TO_UINT,
];
