import { SlipwayError } from '../base/errors.ts';

/** The text is no time or duration. Messages are those of Go's time package. */
export class TimeError extends SlipwayError {
  constructor(message: string) {
    super('E_TIME', message, { hint: "write RFC 3339: '2006-01-02T15:04:05Z'" });
  }
}

/** A point in time: whole seconds since the epoch, and nanoseconds from there. */
export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

/** What Go's zero time is in seconds: 0001-01-01T00:00:00Z. It stands for "no time". */
export const ZERO_TIME_SECONDS = -62_135_596_800;

const LAYOUT = '2006-01-02T15:04:05Z07:00';
const MICRO_LAYOUT = '2006-01-02T15:04:05.000000Z07:00';
const FORM = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

/** Seconds of a time in the one form that this API writes, or undefined: most times are in it. */
function canonicalSeconds(text: string): number | undefined {
  if (!CANONICAL.test(text)) return undefined;
  const digits = (at: number): number => text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;
  const date = epochSeconds(digits(0) * 100 + digits(2), digits(5), digits(8));
  return date + digits(11) * 3600 + digits(14) * 60 + digits(17);
}

/** Reads RFC 3339, with any number of decimals and any offset. Throws TimeError. */
export function parseTime(text: string, layout: string = LAYOUT): Instant {
  const known = text.length === 20 ? canonicalSeconds(text) : undefined;
  if (known !== undefined) return { seconds: known, nanos: 0 };
  const match = FORM.exec(text);
  if (!match) throw new TimeError(parseFailure(text, layout));
  const [, year, month, day, hour, minute, second, fraction, zone = 'Z'] = match;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number);
  const field = outOfRange(y!, mo!, d!, h!, mi!, s!);
  if (field !== undefined) throw new TimeError(`parsing time ${quote(text)}: ${field} out of range`);
  const offset = zone === 'Z' ? 0 : offsetSeconds(zone);
  const nanos = fraction === undefined ? 0 : Number(fraction.slice(0, 9).padEnd(9, '0'));
  return { seconds: epochSeconds(y!, mo!, d!) + h! * 3600 + mi! * 60 + s! - offset, nanos };
}

/** Seconds of midnight on a date, counted from 1970. */
function epochSeconds(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return (era * 146_097 + dayOfEra - 719_468) * 86_400;
}

function offsetSeconds(zone: string): number {
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return (zone.startsWith('-') ? -1 : 1) * minutes * 60;
}

function outOfRange(y: number, mo: number, d: number, h: number, mi: number, s: number): string | undefined {
  if (mo < 1 || mo > 12) return 'month';
  const isLeap = (y % 4 === 0 && y % 100 !== 0) || y % 400 === 0;
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][mo - 1]!;
  if (d < 1 || d > days) return 'day';
  if (h > 23) return 'hour';
  if (mi > 59) return 'minute';
  return s > 59 ? 'second' : undefined;
}

const quote = (text: string): string => JSON.stringify(text);

/** Names the first element of the layout that the text does not have, as Go does. */
function parseFailure(text: string, layout: string): string {
  const seconds: Array<[RegExp, string]> =
    layout === MICRO_LAYOUT
      ? [
          [/^\d\d/, '05'],
          [/^[.,]\d{6}/, '.000000'],
        ]
      : [[/^\d\d(?:[.,]\d+)?/, '05']];
  const elements: Array<[RegExp, string]> = [
    [/^\d{4}/, '2006'],
    [/^-/, '-'],
    [/^\d\d/, '01'],
    [/^-/, '-'],
    [/^\d\d/, '02'],
    [/^T/, 'T'],
    [/^\d\d/, '15'],
    [/^:/, ':'],
    [/^\d\d/, '04'],
    [/^:/, ':'],
    ...seconds,
    [/^(?:Z|[+-]\d\d:\d\d)/, 'Z07:00'],
  ];
  let rest = text;
  for (const [form, element] of elements) {
    const match = form.exec(rest);
    if (!match) {
      return `parsing time ${quote(text)} as ${quote(layout)}: cannot parse ${quote(rest)} as ${quote(element)}`;
    }
    rest = rest.slice(match[0].length);
  }
  return `parsing time ${quote(text)}: extra text: ${quote(rest)}`;
}

const pad = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** '2006-01-02T15:04:05Z', for the years 1 to 9999. */
export function formatTime(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const rest = seconds - days * 86_400;
  // Days to a date in the proleptic Gregorian calendar, in years that begin in March.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const year = String(yearOfEra + era * 400 + (month <= 2 ? 1 : 0)).padStart(4, '0');
  const time = `${pad(Math.floor(rest / 3600))}:${pad(Math.floor(rest / 60) % 60)}:${pad(rest % 60)}`;
  return `${year}-${pad(month)}-${pad(day)}T${time}Z`;
}

/** '2006-01-02T15:04:05.000000Z'; nanoseconds below a microsecond are cut. */
export function formatMicroTime({ seconds, nanos }: Instant): string {
  const micros = String(Math.trunc(nanos / 1000)).padStart(6, '0');
  return `${formatTime(seconds).slice(0, -1)}.${micros}Z`;
}

const CANONICAL = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

/** A time as upstream writes it after reading: UTC, whole seconds; undefined for the zero time. */
export function canonicalTime(text: string): string | undefined {
  if (CANONICAL.test(text) && text[3] !== '1') return text;
  const { seconds } = parseTime(text);
  return seconds === ZERO_TIME_SECONDS ? undefined : formatTime(seconds);
}

/** The same in microseconds; Go reads a MicroTime only with exactly six decimals. */
export function canonicalMicroTime(text: string): string | undefined {
  if (!/[.,]\d{6}(?:Z|[+-]\d\d:\d\d)$/.test(text)) throw new TimeError(parseFailure(text, MICRO_LAYOUT));
  const instant = parseTime(text, MICRO_LAYOUT);
  return instant.seconds === ZERO_TIME_SECONDS && instant.nanos === 0 ? undefined : formatMicroTime(instant);
}

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1000n],
  ['µs', 1000n],
  ['μs', 1000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);

/** Reads a duration as Go writes it ('1h30m', '250ms') into nanoseconds. Throws TimeError. */
export function parseDuration(text: string): bigint {
  const body = text.replace(/^[+-]/, '');
  if (body === '0') return 0n;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)[a-zµμ]+)+$/.test(body)) {
    const missing = /^[\d.]*\d[\d.]*$/.test(body);
    throw new TimeError(`time: ${missing ? 'missing unit in' : 'invalid'} duration ${quote(text)}`);
  }
  let total = 0n;
  for (const [, number = '', unit = ''] of body.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    const scale = UNITS.get(unit);
    if (scale === undefined)
      throw new TimeError(`time: unknown unit ${quote(unit)} in duration ${quote(text)}`);
    const [whole = '', fraction = ''] = number.split('.');
    total += BigInt(whole || '0') * scale;
    if (fraction !== '') total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
  }
  return text.startsWith('-') ? -total : total;
}

/** Writes nanoseconds as Go's Duration.String does: '1m30s', '1.5s', '0s'. */
export function formatDuration(nanos: bigint): string {
  if (nanos === 0n) return '0s';
  const sign = nanos < 0n ? '-' : '';
  const value = nanos < 0n ? -nanos : nanos;
  if (value < 1_000_000_000n) {
    if (value < 1000n) return `${sign}${value}ns`;
    return value < 1_000_000n
      ? `${sign}${decimal(value, 1000n)}µs`
      : `${sign}${decimal(value, 1_000_000n)}ms`;
  }
  const hours = value / 3_600_000_000_000n;
  const minutes = (value / 60_000_000_000n) % 60n;
  const seconds = decimal(value % 60_000_000_000n, 1_000_000_000n);
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0n ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

function decimal(value: bigint, scale: bigint): string {
  const whole = value / scale;
  const rest = value % scale;
  if (rest === 0n) return String(whole);
  const digits = String(rest)
    .padStart(String(scale).length - 1, '0')
    .replace(/0+$/, '');
  return `${whole}.${digits}`;
}
