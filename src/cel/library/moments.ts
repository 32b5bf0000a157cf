import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { civil, zoneOffset } from '../time.ts';
import type { Civil } from '../time.ts';
import type { Duration, Timestamp } from '../values.ts';

const NANOS = 1_000_000_000n;

/** A part of a moment in UTC, or in the time zone that is the argument. */
function part(id: string, read: (moment: Civil) => number, zoneId = `${id}_with_tz`) {
  return [
    overload(id, 'timestamp.() -> int', (a) => BigInt(read(civil((a as Timestamp).nanos)))),
    overload(zoneId, 'timestamp.(string) -> int', (a, zone) => {
      const { nanos } = a as Timestamp;
      return BigInt(read(civil(nanos + zoneOffset(nanos, zone as string))));
    }),
  ];
}

function ofDuration(id: string, unit: bigint, within?: bigint) {
  return overload(id, 'duration.() -> int', (a) => {
    const count = (a as Duration).nanos / unit;
    return within === undefined ? count : count % within;
  });
}

/** What timestamps and durations are made of. */
export const MOMENTS: readonly FunctionDeclaration[] = [
  declare('getFullYear', ...part('timestamp_to_year', ({ year }) => year)),
  declare('getMonth', ...part('timestamp_to_month', ({ month }) => month - 1)),
  declare('getDayOfYear', ...part('timestamp_to_day_of_year', ({ yearDay }) => yearDay)),
  declare('getDayOfMonth', ...part('timestamp_to_day_of_month', ({ day }) => day - 1)),
  declare('getDate', ...part('timestamp_to_day_of_month_1_based', ({ day }) => day)),
  declare('getDayOfWeek', ...part('timestamp_to_day_of_week', ({ weekday }) => weekday)),
  declare(
    'getHours',
    ...part('timestamp_to_hours', ({ hour }) => hour),
    ofDuration('duration_to_hours', 3600n * NANOS),
  ),
  declare(
    'getMinutes',
    ...part('timestamp_to_minutes', ({ minute }) => minute),
    ofDuration('duration_to_minutes', 60n * NANOS),
  ),
  declare(
    'getSeconds',
    ...part('timestamp_to_seconds', ({ second }) => second, 'timestamp_to_seconds_tz'),
    ofDuration('duration_to_seconds', NANOS),
  ),
  declare(
    'getMilliseconds',
    ...part('timestamp_to_milliseconds', ({ rest }) => Math.floor(rest / 1e6)),
    ofDuration('duration_to_milliseconds', 1_000_000n, 1000n),
  ),
];
