import { Address4 } from 'ip-address';

/** An IPv4 range in CIDR notation, as numbers: `first` and `last` are inclusive. */
export interface Range {
  first: number;
  last: number;
  prefix: number;
}

/** Strict: '10.244.0.0/16' is a range, '10.244.1.0/16' (host bits set) and '10.0/8' are none. */
export function parseRange(text: string): Range | undefined {
  const [base = '', prefixText = '', ...rest] = text.split('/');
  const first = parseAddress(base);
  if (first === undefined || rest.length > 0 || !/^(0|[1-9]\d?)$/.test(prefixText)) return undefined;
  const prefix = Number(prefixText);
  if (prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  return first % size === 0 ? { first, last: first + size - 1, prefix } : undefined;
}

/** An IPv4 address as a number; undefined for anything that is not four plain decimal numbers. */
export function parseAddress(text: string): number | undefined {
  if (!Address4.isValid(text) || text.includes('/')) return undefined;
  return Number(new Address4(text).bigInt());
}

const formatAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');

export const contains = (range: Range, address: number): boolean =>
  address >= range.first && address <= range.last;

export const overlap = (left: Range, right: Range): boolean =>
  left.first <= right.last && right.first <= left.last;

/** The n-th address of a range: 1 is kubernetes.default's in the service range, 10 the DNS's. */
export const addressAt = (range: Range, index: number): string => formatAddress(range.first + index);
