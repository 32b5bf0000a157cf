/** One line as the runtime writes it: '2016-10-06T00:17:09.669794202Z stdout F text'. */
export interface CriLogLine {
  /** RFC 3339 with nanoseconds, as written. */
  timestamp: string;
  stream: 'stdout' | 'stderr';
  /** Only a part of the program's line: no newline follows. */
  partial: boolean;
  content: Buffer;
}

const SPACE = 0x20;

/** Parses a line without its newline; undefined where it is no CRI log line. */
export function parseCriLogLine(line: Buffer): CriLogLine | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  if (first <= 0 || second < 0) return undefined;
  let third = line.indexOf(SPACE, second + 1);
  if (third < 0) third = line.length;
  const stream = line.toString('latin1', first + 1, second);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const tags = line.toString('latin1', second + 1, third).split(':');
  return {
    timestamp: line.toString('latin1', 0, first),
    stream,
    partial: tags[0] === 'P',
    content: line.subarray(Math.min(third + 1, line.length)),
  };
}

/** Nanoseconds of an RFC 3339 time, as a bigint: a millisecond holds many lines. */
export function nanosecondsOf(timestamp: string): bigint {
  const match = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(timestamp);
  if (!match) return 0n;
  const ms = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(ms)) return 0n;
  return BigInt(ms) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0').slice(0, 9));
}
