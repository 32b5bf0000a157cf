import { canonicalQuantity } from '../quantity.ts';
import type { ScalarKind, ScalarSchema } from '../schema.ts';
import { canonicalMicroTime, canonicalTime, formatDuration, parseDuration } from '../time.ts';
import { JsonError } from './errors.ts';
import { NumberLiteral } from './exact-parser.ts';

/** The value does not fit; the caller knows where it is and says so. */
class Mismatch extends Error {}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * A scalar in its canonical form; undefined where it says nothing (the zero time). Throws JsonError where the
 * text is wrong, and a plain Error where the type is.
 */
export function canonicalScalar(value: unknown, schema: ScalarSchema): unknown {
  switch (schema.kind) {
    case 'string':
      return expectString(value);
    case 'bool':
      if (typeof value !== 'boolean') throw new Mismatch();
      return value;
    case 'int32':
      return integer(value, -2_147_483_648, 2_147_483_647);
    case 'uint32':
      return integer(value, 0, 4_294_967_295);
    case 'int64':
      return wideInteger(value, INT64_MIN, INT64_MAX);
    case 'uint64':
      return wideInteger(value, 0n, UINT64_MAX);
    case 'double':
      return double(value);
    case 'bytes':
      return canonicalBase64(expectString(value));
    case 'quantity':
      return quantity(value);
    case 'intOrString':
      return typeof value === 'string' ? value : integer(value, -2_147_483_648, 2_147_483_647);
    case 'time':
      return canonicalTime(expectString(value));
    case 'microTime':
      return canonicalMicroTime(expectString(value));
    case 'duration':
      return formatDuration(parseDuration(expectString(value)));
    default:
      return value;
  }
}

function expectString(value: unknown): string {
  if (typeof value !== 'string') throw new Mismatch();
  return value;
}

function integer(value: unknown, low: number, high: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high)
    throw new Mismatch();
  // -0 is what JSON.parse makes of '-0'; Go makes 0.
  return value === 0 ? 0 : value;
}

function wideInteger(value: unknown, low: bigint, high: bigint): number | bigint {
  if (typeof value === 'bigint') {
    if (value < low || value > high) throw new Mismatch();
    return value;
  }
  if (typeof value !== 'number' || !Number.isInteger(value) || (low === 0n && value < 0))
    throw new Mismatch();
  return value === 0 ? 0 : value;
}

function double(value: unknown): number {
  if (value instanceof NumberLiteral) return value.value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'number') throw new Mismatch();
  return value;
}

function quantity(value: unknown): string {
  if (typeof value === 'string') return canonicalQuantity(value);
  if (value instanceof NumberLiteral) return canonicalQuantity(value.text);
  if (typeof value === 'number' || typeof value === 'bigint') return canonicalQuantity(String(value));
  return canonicalQuantity(typeof value === 'boolean' ? String(value) : '{}');
}

/** Standard base64 with padding, line ends ignored, as Go's decoder takes it. */
function canonicalBase64(text: string): string {
  if (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return text;
  const packed = text.replaceAll(/[\r\n]/g, '');
  const wrong = /[^A-Za-z0-9+/=]/.exec(text.replaceAll(/[\r\n]/g, 'A'));
  if (wrong) throw new JsonError(`illegal base64 data at input byte ${wrong.index}`);
  const bytes = Buffer.from(packed, 'base64');
  if (packed.length % 4 !== 0 || bytes.toString('base64') !== packed) {
    throw new JsonError(`illegal base64 data at input byte ${Math.max(0, text.length - (text.length % 4))}`);
  }
  return packed;
}

/** Whether Go's omitempty leaves the value out. */
export function isScalarZero(kind: ScalarKind | 'message', value: unknown): boolean {
  if (kind === 'intOrString' || kind === 'quantity' || kind === 'message') return false;
  return value === '' || value === 0 || value === false;
}
