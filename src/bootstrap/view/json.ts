import { rfc3339Micro, type Clock } from '../../base/clock.ts';
import type { View } from '../report.ts';

/** One JSON object a line, for machines: the events as report.ts declares them, each with its time. */
export function jsonView(write: (line: string) => void, clock: Clock): View {
  return {
    report: (event) => write(JSON.stringify({ time: rfc3339Micro(clock.now()), ...event })),
    finish: async () => {},
  };
}
