import { SlipwayError } from '../base/errors.ts';

/** How a quantity is written: 12M, 12Mi or 12e6. It is remembered when read and used again when written. */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

/** An exact amount, in billionths; mirrors apimachinery's pkg/api/resource/quantity.go. */
export interface Quantity {
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

/** The text is no quantity. Messages are upstream's. */
export class QuantityError extends SlipwayError {
  constructor(message: string) {
    super('E_QUANTITY', message, { hint: "write a number with a suffix such as '500m', '2' or '512Mi'" });
  }
}

const FORM = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const NANO = 1_000_000_000n;
const MAX_INT64 = 2n ** 63n - 1n;
/** Beyond this a decimal exponent is no amount of anything, only a way to make us compute. */
const MAX_EXPONENT = 1000;

const DECIMAL: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);
const BINARY: ReadonlyMap<string, number> = new Map([
  ['Ki', 10],
  ['Mi', 20],
  ['Gi', 30],
  ['Ti', 40],
  ['Pi', 50],
  ['Ei', 60],
]);
const DECIMAL_SUFFIX: ReadonlyMap<number, string> = new Map(
  [...DECIMAL].map(([text, power]) => [power, text]),
);
const BINARY_SUFFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

interface Parts {
  readonly negative: boolean;
  /** Digits before the point, without leading zeros. */
  readonly whole: string;
  /** Digits after the point. */
  readonly fraction: string;
  readonly format: QuantityFormat;
  readonly exponent: number;
}

function split(text: string): Parts {
  const match = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/.exec(text);
  if (text === '' || !match) throw new QuantityError(FORM);
  const [, sign = '', digits = '', fraction = '', suffix = ''] = match;
  if (digits === '' && fraction === '') throw new QuantityError(FORM);
  const whole = digits.replace(/^0+/, '');
  const shared = { negative: sign === '-', whole, fraction };
  const decimal = DECIMAL.get(suffix);
  if (decimal !== undefined) return { ...shared, format: 'DecimalSI', exponent: decimal };
  const binary = BINARY.get(suffix);
  if (binary !== undefined) return { ...shared, format: 'BinarySI', exponent: binary };
  const exponent = /^[eE]([+-]?[0-9]+)$/.exec(suffix);
  if (!exponent || Number(exponent[1]) > MAX_EXPONENT)
    throw new QuantityError("unable to parse quantity's suffix");
  return { ...shared, format: 'DecimalExponent', exponent: Math.max(Number(exponent[1]), -MAX_EXPONENT) };
}

/** Reads '1500m', '2Gi', '3e6'; amounts finer than a billionth are rounded up. Throws QuantityError. */
export function parseQuantity(text: string): Quantity {
  return amountOf(split(text));
}

function amountOf(parts: Parts): Quantity {
  let { format } = parts;
  let scaled = BigInt(`${parts.whole}${parts.fraction}` || '0') * NANO;
  let places = parts.fraction.length;
  if (format === 'BinarySI') scaled *= 2n ** BigInt(parts.exponent);
  else if (parts.exponent >= 0) scaled *= 10n ** BigInt(parts.exponent);
  else places -= parts.exponent;
  const divisor = 10n ** BigInt(places);
  let nanos = (scaled + divisor - 1n) / divisor;
  if (format === 'BinarySI') {
    if (nanos > MAX_INT64 * NANO) nanos = MAX_INT64 * NANO;
    // A binary suffix on less than one would have to be rounded when written.
    if (nanos > 0n && nanos < NANO) format = 'DecimalSI';
  }
  return { nanos: parts.negative ? -nanos : nanos, format };
}

/** Writes the canonical form: no fraction, the largest suffix that loses nothing. */
export function formatQuantity(quantity: Quantity): string {
  const { nanos, format } = quantity;
  if (nanos === 0n) return '0';
  const magnitude = nanos < 0n ? -nanos : nanos;
  if (format === 'BinarySI' && magnitude >= 1024n * NANO && magnitude % NANO === 0n) {
    let value = magnitude / NANO;
    let power = 0;
    while (value >= 1024n && value % 1024n === 0n && power < BINARY_SUFFIXES.length - 1) {
      value /= 1024n;
      power++;
    }
    return `${nanos < 0n ? '-' : ''}${value}${BINARY_SUFFIXES[power]}`;
  }
  const highest = format === 'DecimalExponent' ? Number.POSITIVE_INFINITY : 18;
  let value = nanos;
  let exponent = -9;
  while (exponent < highest && value % 1000n === 0n) {
    value /= 1000n;
    exponent += 3;
  }
  if (format === 'DecimalExponent') return exponent === 0 ? `${value}` : `${value}e${exponent}`;
  return `${value}${DECIMAL_SUFFIX.get(exponent)}`;
}

const canonical = new Map<string, string>();
const CACHE_LIMIT = 4096;

/** The canonical text of a quantity as upstream writes it after reading. Throws QuantityError. */
export function canonicalQuantity(text: string): string {
  const known = canonical.get(text);
  if (known !== undefined) return known;
  const parts = split(text.trim());
  const result = isKept(parts) ? text.trim() : formatQuantity(amountOf(parts));
  if (canonical.size >= CACHE_LIMIT) canonical.clear();
  if (text.length <= 32) canonical.set(text, result);
  return result;
}

/** Whether upstream keeps the text as it was given: the fast path of ParseQuantity. */
function isKept({ whole, fraction, format, exponent }: Parts): boolean {
  const digits = (whole || '0') + fraction;
  if (format === 'BinarySI') {
    const precision = 15 - whole.length - Math.trunc((exponent * 3) / 10) - 1;
    return fraction === '' && precision >= 0 && exponent % 10 === 0 && Number(digits) % 8 !== 0;
  }
  const scale = exponent - fraction.length;
  return (
    18 - digits.length >= 0 && scale >= -9 && scale % 3 === 0 && !digits.endsWith('000') && digits[0] !== '0'
  );
}

/** -1, 0 or 1. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nanos === b.nanos ? 0 : a.nanos < b.nanos ? -1 : 1;
}

/** The sum, in the format of the first (of the second where the first is zero), as upstream's Add. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** Whole units, rounded up; what upstream's Value() gives. */
export function quantityValue(quantity: Quantity): bigint {
  return ceilDivide(quantity.nanos, NANO);
}

/** Thousandths, rounded up; what upstream's MilliValue() gives. */
export function quantityMilliValue(quantity: Quantity): bigint {
  return ceilDivide(quantity.nanos, 1_000_000n);
}

/** As a number, which may lose precision. */
export function quantityToNumber(quantity: Quantity): number {
  const whole = quantity.nanos / NANO;
  return Number(whole) + Number(quantity.nanos - whole * NANO) / 1e9;
}

export function quantityFromMillis(millis: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nanos: BigInt(millis) * 1_000_000n, format };
}

export function quantityFromValue(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nanos: BigInt(value) * NANO, format };
}

// Upstream rounds away from zero (inf.RoundUp).
function ceilDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (value % by === 0n) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}
