import {
  addQuantities,
  compareQuantities as compare,
  formatQuantity,
  parseQuantity,
} from '../../../api/quantity.ts';

/** Quantities as the API writes them, in text: what validation compares and shows. */
export { canonicalQuantity } from '../../../api/quantity.ts';

/** Whether the text can be read; what cannot was refused at decoding, so checks may pass over it. */
export function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch {
    return false;
  }
}

/** Less than, equal to or greater than zero, as a to b. */
export function compareQuantities(a: string, b: string): number {
  return compare(parseQuantity(a), parseQuantity(b));
}

export function isWholeQuantity(text: string): boolean {
  return parseQuantity(text).nanos % 1_000_000_000n === 0n;
}

/** Whether the quantity is a multiple of the unit. */
export function quantityMultipleOf(text: string, unit: string): boolean {
  const size = parseQuantity(unit).nanos;
  return size > 0n && parseQuantity(text).nanos % size === 0n;
}

/** The sum in canonical form. */
export function addQuantityTexts(a: string, b: string): string {
  return formatQuantity(addQuantities(parseQuantity(a), parseQuantity(b)));
}
