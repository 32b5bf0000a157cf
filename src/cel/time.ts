import { EvaluationError } from './issues.ts';
import { Duration, Timestamp } from './values.ts';

const NANOS = 1_000_000_000n;
const DAY_SECONDS = 86_400n;
/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
const MIN_SECONDS = -62_135_596_800n;
const MAX_SECONDS = 253_402_300_799n;
const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);

const FORMAT = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Reads RFC 3339; undefined where it is none. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const found = FORMAT.exec(text);
  if (!found) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', sign, zoneHour, zoneMinute] = found;
  const numbers = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = numbers;
  if (mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) || h > 23 || mi > 59 || s > 59) return undefined;
  const days = daysFromCivil(y, mo, d);
  const offset = sign ? (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === '-' ? -60 : 60) : 0;
  const seconds = BigInt(days) * DAY_SECONDS + BigInt(h * 3600 + mi * 60 + s - offset);
  return checkedTimestamp(seconds * NANOS + BigInt(fraction.slice(0, 9).padEnd(9, '0')));
}

/** undefined outside of the years 1 to 9999. */
export function checkedTimestamp(nanos: bigint): Timestamp | undefined {
  const seconds = floorDiv(nanos, NANOS);
  return seconds < MIN_SECONDS || seconds > MAX_SECONDS ? undefined : new Timestamp(nanos);
}

/** As `checkedTimestamp`, failing as upstream. */
export function timestampOf(nanos: bigint): Timestamp {
  const result = checkedTimestamp(nanos);
  if (!result) throw new EvaluationError('timestamp overflow');
  return result;
}

export function durationOf(nanos: bigint): Duration {
  if (nanos > MAX_INT || nanos < MIN_INT) throw new EvaluationError('integer overflow');
  return new Duration(nanos);
}

export function formatTimestamp({ nanos }: Timestamp): string {
  const { year, month, day, hour, minute, second, rest } = civil(nanos);
  const two = (value: number): string => String(value).padStart(2, '0');
  const fraction = rest === 0 ? '' : `.${String(rest).padStart(9, '0').replace(/0+$/, '')}`;
  return (
    `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}` +
    `T${two(hour)}:${two(minute)}:${two(second)}${fraction}Z`
  );
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: NANOS,
  m: 60n * NANOS,
  h: 3600n * NANOS,
};

/** Reads Go's '1h2m3.5s'; undefined where it is none. */
export function parseDurationText(text: string): Duration | undefined {
  const [, sign = '', body = ''] = /^([+-]?)(.+)$/s.exec(text) ?? [];
  if (body === '0') return new Duration(0n);
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of body.matchAll(
    /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g,
  )) {
    const size = UNITS[unit] ?? 0n;
    nanos += BigInt(whole === '' ? 0 : whole) * size;
    if (fraction !== '') nanos += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
  }
  if (sign === '-') nanos = -nanos;
  return nanos > MAX_INT || nanos < MIN_INT ? undefined : new Duration(nanos);
}

/** As cel-go turns a duration into a string: seconds. */
export function durationSeconds(nanos: bigint): string {
  const sign = nanos < 0n ? '-' : '';
  const size = nanos < 0n ? -nanos : nanos;
  const fraction =
    size % NANOS === 0n
      ? ''
      : `.${String(size % NANOS)
          .padStart(9, '0')
          .replace(/0+$/, '')}`;
  return `${sign}${size / NANOS}${fraction}s`;
}

/** As Go prints a duration: 1h0m0s. */
export function formatDuration(nanos: bigint): string {
  if (nanos === 0n) return '0s';
  const sign = nanos < 0n ? '-' : '';
  const size = nanos < 0n ? -nanos : nanos;
  if (size < NANOS) {
    const [unit, name] = size < 1000n ? [1n, 'ns'] : size < 1_000_000n ? [1000n, 'µs'] : [1_000_000n, 'ms'];
    return `${sign}${decimal(size, unit)}${name}`;
  }
  const hours = size / (3600n * NANOS);
  const minutes = (size / (60n * NANOS)) % 60n;
  const seconds = `${decimal(size % (60n * NANOS), NANOS)}s`;
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`;
}

function decimal(value: bigint, unit: bigint): string {
  const rest = value % unit;
  if (rest === 0n) return String(value / unit);
  const digits = String(unit).length - 1;
  return `${value / unit}.${String(rest).padStart(digits, '0').replace(/0+$/, '')}`;
}

export interface Civil {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** Nanoseconds of the second. */
  readonly rest: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** 0 is the first of January. */
  readonly yearDay: number;
}

/** The parts of a moment in UTC. */
export function civil(nanos: bigint): Civil {
  const seconds = floorDiv(nanos, NANOS);
  const days = Number(floorDiv(seconds, DAY_SECONDS));
  const inDay = Number(seconds - BigInt(days) * DAY_SECONDS);
  const { year, month, day } = civilFromDays(days);
  return {
    year,
    month,
    day,
    hour: Math.floor(inDay / 3600),
    minute: Math.floor(inDay / 60) % 60,
    second: inDay % 60,
    rest: Number(nanos - seconds * NANOS),
    weekday: (((days + 4) % 7) + 7) % 7,
    yearDay: days - daysFromCivil(year, 1, 1),
  };
}

/** How far a time zone is from UTC at a moment: '-08:00', '02:30' or a name like 'Europe/Rome'. */
export function zoneOffset(nanos: bigint, zone: string): bigint {
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (fixed) {
    const [, sign, hours, minutes] = fixed;
    const seconds = Number(hours) * 3600 + Number(minutes) * 60;
    return BigInt(sign === '-' ? -seconds : seconds) * NANOS;
  }
  if (zone === '' || zone === 'UTC') return 0n;
  const parts = zoneParts(nanos, zone);
  const local =
    BigInt(daysFromCivil(parts.year, parts.month, parts.day)) * DAY_SECONDS +
    BigInt(parts.hour * 3600 + parts.minute * 60 + parts.second);
  return (local - floorDiv(nanos, NANOS)) * NANOS;
}

function zoneParts(
  nanos: bigint,
  zone: string,
): Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', number> {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US-u-ca-iso8601', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch (error) {
    throw new EvaluationError(`unknown time zone ${zone}`, { cause: error });
  }
  const parts = format.formatToParts(new Date(Number(floorDiv(nanos, 1_000_000n))));
  const part = (type: string): number => Number(parts.find((each) => each.type === type)?.value ?? 0);
  return {
    year: part('year'),
    month: part('month'),
    day: part('day'),
    hour: part('hour'),
    minute: part('minute'),
    second: part('second'),
  };
}

function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Days since 1970 of a date in the Gregorian calendar; a year begins in March, so that leap days come last. */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
