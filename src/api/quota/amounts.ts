import { addQuantities, compareQuantities, formatQuantity, parseQuantity } from '../quantity.ts';
import type { Quantity } from '../quantity.ts';

/** Amounts by the name of the resource. */
export type Amounts = Map<string, Quantity>;

const ZERO: Quantity = { nanos: 0n, format: 'DecimalSI' };

export function readAmounts(list: Readonly<Record<string, string>> | undefined): Amounts {
  return new Map(Object.entries(list ?? {}).map(([name, text]) => [name, parseQuantity(text)]));
}

export function writeAmounts(amounts: Amounts): Record<string, string> {
  return Object.fromEntries([...amounts].map(([name, amount]) => [name, formatQuantity(amount)]));
}

/** Adds `more` to `sum`, which is changed. */
export function addTo(sum: Amounts, more: Amounts): void {
  for (const [name, amount] of more) {
    const before = sum.get(name);
    sum.set(name, before ? addQuantities(before, amount) : amount);
  }
}

/** Raises `largest` to what is larger in `other`. */
export function raiseTo(largest: Amounts, other: Amounts): void {
  for (const [name, amount] of other) {
    const before = largest.get(name);
    if (!before || compareQuantities(amount, before) > 0) largest.set(name, amount);
  }
}

/** Only the names in `names`. */
export function masked(amounts: Amounts, names: Iterable<string>): Amounts {
  const kept: Amounts = new Map();
  for (const name of names) {
    const amount = amounts.get(name);
    if (amount) kept.set(name, amount);
  }
  return kept;
}

/** What `now` has more than `before`, never less than nothing. */
export function increase(now: Amounts, before: Amounts): Amounts {
  const more: Amounts = new Map();
  for (const [name, amount] of now) {
    const nanos = amount.nanos - (before.get(name) ?? ZERO).nanos;
    more.set(name, { nanos: nanos > 0n ? nanos : 0n, format: amount.format });
  }
  return more;
}

export function withoutZeros(amounts: Amounts): Amounts {
  return new Map([...amounts].filter(([, { nanos }]) => nanos !== 0n));
}

export function sameAmounts(a: Amounts, b: Amounts): boolean {
  return a.size === b.size && [...a].every(([name, { nanos }]) => b.get(name)?.nanos === nanos);
}

export const one = (): Quantity => ({ nanos: 1_000_000_000n, format: 'DecimalSI' });

export const count = (many: number): Quantity => ({
  nanos: BigInt(many) * 1_000_000_000n,
  format: 'DecimalSI',
});

/** 'cpu=1,pods=2'. */
export function showAmounts(amounts: Amounts): string {
  return [...amounts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, amount]) => `${name}=${formatQuantity(amount)}`)
    .join(',');
}
