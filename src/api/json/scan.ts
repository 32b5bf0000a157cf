import { JsonError } from './errors.ts';

/** What one pass over the bytes tells before they are parsed. */
export interface Scan {
  /** How many object members there are, duplicates included. */
  readonly members: number;
  /** Whether a number needs the exact parser: 16 digits or more, a fraction or an exponent. */
  readonly needsExact: boolean;
}

/**
 * Upstream stops at 10,000; what walks an object here recurses, and a stack holds about 5,000 levels. No real
 * object comes near 1,000.
 */
export const MAX_DEPTH = 1000;

/** Counts members, checks nesting and looks for numbers that JSON.parse would bend. */
export function scanJson(bytes: Uint8Array): Scan {
  let members = 0;
  let depth = 0;
  let digits = 0;
  let needsExact = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!;
    if (byte >= 0x30 && byte <= 0x39) {
      if (++digits >= 16) needsExact = true;
      continue;
    }
    if (byte === 0x22) {
      index = endOfString(bytes, index + 1);
    } else if (byte === 0x3a) {
      members++;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_DEPTH) throw new JsonError('exceeded max depth');
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--;
    } else if (digits > 0 && (byte === 0x2e || byte === 0x65 || byte === 0x45)) {
      needsExact = true;
    }
    digits = 0;
  }
  return { members, needsExact };
}

function endOfString(bytes: Uint8Array, start: number): number {
  let index = start;
  for (; index < bytes.length; index++) {
    const byte = bytes[index]!;
    if (byte === 0x22) return index;
    if (byte === 0x5c) index++;
  }
  return index;
}
