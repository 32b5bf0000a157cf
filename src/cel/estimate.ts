/** From the least to the most: of a cost, or of a size. Saturates at 2^64, which stands for unknown. */
export interface Estimate {
  readonly min: number;
  readonly max: number;
}

export const UNBOUNDED = 2 ** 64;
export const UNKNOWN: Estimate = { min: 0, max: UNBOUNDED };
export const ZERO: Estimate = { min: 0, max: 0 };

const capped = (value: number): number => Math.min(value, UNBOUNDED);

export function fixed(value: number): Estimate {
  return { min: capped(value), max: capped(value) };
}

export function plus(...all: readonly Estimate[]): Estimate {
  let min = 0;
  let max = 0;
  for (const each of all) {
    min = capped(min + each.min);
    max = capped(max + each.max);
  }
  return { min, max };
}

export function times(a: Estimate, b: Estimate): Estimate {
  return { min: capped(a.min * b.min), max: capped(a.max * b.max) };
}

/** Rounded up. */
export function scaled(a: Estimate, factor: number): Estimate {
  return { min: capped(Math.ceil(a.min * factor)), max: capped(Math.ceil(a.max * factor)) };
}

export function union(a: Estimate, b: Estimate): Estimate {
  return { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) };
}
