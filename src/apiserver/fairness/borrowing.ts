export interface Share {
  /** What it wants. */
  target: number;
  least: number;
  most: number;
}

/**
 * Divides `total` seats so that all get the same part of what they want, as far as their bounds let them. Mirrors
 * apiserver pkg/util/flowcontrol/conc_alloc.go, by bisection.
 */
export function divideSeats(total: number, shares: readonly Share[]): number[] {
  const at = (part: number): number[] =>
    shares.map(({ target, least, most }) => Math.min(most, Math.max(least, part * Math.max(target, 0.001))));
  const sum = (part: number): number => at(part).reduce((all, one) => all + one, 0);
  let [low, high] = [0, 1];
  // What all may have at most can be less than there is.
  for (let doubled = 0; doubled < 60 && sum(high) < total; doubled++) high *= 2;
  for (let halved = 0; halved < 80; halved++) {
    const middle = (low + high) / 2;
    if (sum(middle) < total) low = middle;
    else high = middle;
  }
  return at(high).map((seats) => Math.round(seats));
}
