import {
  canonicalQuantity as canonical,
  compareQuantities as compare,
  parseQuantity,
} from '../../../api/quantity.ts';
import type { Quantity } from '../../../api/quantity.ts';

/** Quantities as the API writes them, in text. What cannot be read counts as zero: decoding has refused it before. */
function read(text: string): Quantity {
  return parseQuantity(isQuantity(text) ? text : '0');
}

export function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch {
    return false;
  }
}

/** The text in canonical form, as errors show it. */
export function canonicalQuantity(text: string): string {
  return isQuantity(text) ? canonical(text) : text;
}

/** Less than, equal to or greater than zero, as a to b. */
export function compareQuantities(a: string, b: string): number {
  return compare(read(a), read(b));
}

export function isWholeQuantity(text: string): boolean {
  return read(text).nanos % 1_000_000_000n === 0n;
}

/** The smallest whole number that is not below, as Go prints it where it knows no quantities. */
export function roundedUp(text: string): number {
  const { nanos } = read(text);
  const whole = nanos / 1_000_000_000n;
  return Number(nanos > whole * 1_000_000_000n ? whole + 1n : whole);
}

export function quotient(a: string, b: string): number {
  return Number(read(a).nanos) / Number(read(b).nanos);
}

/** Whether the quantity is a multiple of the unit. */
export function quantityMultipleOf(text: string, unit: string): boolean {
  const size = read(unit).nanos;
  return size > 0n && read(text).nanos % size === 0n;
}
