import { formatDuration } from './time.ts';
import { formatTimestamp } from './time.ts';
import { typeText } from './types.ts';
import { Duration, ListValue, OpaqueValue, Optional, Timestamp, TypeValue, Uint } from './values.ts';
import type { Value, MapValue } from './values.ts';

/** A value in the text of an error, as Go prints it. */
export function display(value: Value): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return goDouble(value);
  if (value === null || typeof value !== 'object') return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return `[${[...value].join(' ')}]`;
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value.nanos);
  if (value instanceof TypeValue) return typeText(value.type);
  if (value instanceof Optional)
    return value.value === undefined ? 'optional.none()' : `optional(${display(value.value)})`;
  if (value instanceof OpaqueValue) return value.type.name;
  if (value instanceof ListValue) return `[${[...value].map(display).join(', ')}]`;
  return displayMap(value);
}

function displayMap(value: MapValue): string {
  const entries = [...value.keys()].map((key) => `${display(key)}: ${display(value.get(key) ?? null)}`);
  return `{${entries.join(', ')}}`;
}

/** Go's %g: the shortest digits, with an exponent from 1e21 on and below 1e-4. */
function goDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e21)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  return Object.is(value, -0) ? '-0' : String(value);
}

/** All digits, never an exponent: what string(1e30) is. */
export function plainDouble(value: number): string {
  if (!Number.isFinite(value)) return goDouble(value);
  const text = String(Math.abs(value));
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const [mantissa = '', exponent] = text.split('e');
  if (exponent === undefined) return `${sign}${text}`;
  const [whole = '', fraction = ''] = mantissa.split('.');
  const shift = Number(exponent);
  const digits = whole + fraction;
  const point = whole.length + shift;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits.padEnd(point, '0')}`;
}
