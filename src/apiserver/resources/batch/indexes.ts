/**
 * How many completion indexes a text like `0-2,5` names, or what is wrong with it.
 * Mirrors validateIndexesFormat of pkg/apis/batch/validation/validation.go.
 */
export function countIndexes(text: string, completions: number): number | string {
  if (text === '') return 0;
  let total = 0;
  let last: number | undefined;
  for (const part of text.split(',')) {
    const limits = part.split('-');
    if (limits.length > 2)
      return `the fragment ${JSON.stringify(part)} violates the requirement that an index interval can have at most two parts separated by '-'`;
    const bad = limits.find((limit) => !/^[+]?[0-9]+$/.test(limit));
    if (bad !== undefined) return `cannot convert string to integer for index: ${JSON.stringify(bad)}`;
    const from = Number(limits[0]);
    const to = limits.length === 2 ? Number(limits[1]) : from;
    for (const value of [from, to]) {
      if (value >= completions) return `too large index: ${JSON.stringify(String(value))}`;
    }
    if (last !== undefined && last >= from) {
      return `non-increasing order, previous: ${last}, current: ${from}`;
    }
    if (limits.length === 2 && from >= to) return `non-increasing order, previous: ${from}, current: ${to}`;
    total += to - from + 1;
    last = to;
  }
  return total;
}

/**
 * The first index that both texts name. Pieces that cannot be read are passed over.
 * Mirrors validateFailedIndexesNotOverlapCompleted of pkg/apis/batch/validation/validation.go.
 */
export function firstCommonIndex(a: string, b: string, completions: number): number | undefined {
  const intervals = (text: string): Array<readonly [number, number]> =>
    text
      .split(',')
      .filter((part) => part !== '' && typeof countIndexes(part, completions) === 'number')
      .map((part) => part.split('-').map(Number))
      .map(([from = 0, to = from]) => [from, to] as const);
  const others = intervals(b);
  for (const [from, to] of intervals(a)) {
    const common = others.find(([low, high]) => from <= high && low <= to);
    if (common) return Math.max(from, common[0]);
  }
  return undefined;
}
