import { overlap, parseRange, type Range } from '../inventory/ranges.ts';

/** In the order of preference: the usual ones first, then what private networks seldom use. */
const POD_RANGES = [
  '10.244.0.0/16',
  '10.42.0.0/16',
  '172.20.0.0/16',
  '10.200.0.0/16',
  '192.168.128.0/17',
  '100.64.0.0/16',
];
const SERVICE_RANGES = [
  '10.96.0.0/12',
  '10.43.0.0/16',
  '172.21.0.0/16',
  '10.201.0.0/16',
  '192.168.64.0/18',
  '100.65.0.0/16',
];

/** Ranges for pods and Services that no network of the servers uses; the usual ones where all are taken. */
export function freeRanges(networks: readonly string[]): { podRange: string; serviceRange: string } {
  const taken = networks.map(parseRange).filter((range) => range !== undefined);
  const pick = (ranges: readonly string[], used: readonly Range[]): string =>
    ranges.find((text) => {
      const range = parseRange(text);
      return range !== undefined && !used.some((other) => overlap(range, other));
    }) ??
    ranges[0] ??
    '';
  const podRange = pick(POD_RANGES, taken);
  const pods = parseRange(podRange);
  return { podRange, serviceRange: pick(SERVICE_RANGES, pods ? [...taken, pods] : taken) };
}

/** A sentence where a range shares addresses with a network that the servers reach; undefined where it does not. */
export function clashOf(text: string, networks: readonly string[]): string | undefined {
  const range = parseRange(text);
  const clash = networks.find((network) => {
    const other = parseRange(network);
    return range !== undefined && other !== undefined && overlap(range, other);
  });
  return clash === undefined ? undefined : `${text} overlaps ${clash}, a network of the servers.`;
}
