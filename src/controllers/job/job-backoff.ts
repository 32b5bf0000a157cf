import type { Job } from '../../api/gen/types/batch-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { metaOf, uidOf } from '../shared/meta.ts';
import { endOf } from './counting.ts';

const FIRST_MS = 10_000;
const LONGEST_MS = 600_000;
/** Ends that are remembered of one job, so that none counts twice. */
const REMEMBERED = 10_000;

interface Failures {
  seen: Set<string>;
  inRow: number;
  lastMs: number;
}

/** How long a job waits before it replaces failed pods: 10 s, doubled with each failure in a row, 10 min at most. */
export class JobBackoff {
  readonly #clock: Clock;
  readonly #jobs = new Map<string, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  observe(job: Job, pods: readonly Pod[]): void {
    const failures = this.#jobs.get(uidOf(job)) ?? { seen: new Set<string>(), inRow: 0, lastMs: 0 };
    for (const pod of pods) {
      const end = endOf(job, pod);
      if (end === undefined || failures.seen.has(uidOf(pod)) || failures.seen.size >= REMEMBERED) continue;
      failures.seen.add(uidOf(pod));
      if (end === 'succeeded') failures.inRow = 0;
      else if (end === 'failed') {
        failures.inRow++;
        failures.lastMs = Math.max(failures.lastMs, this.#endedMs(pod));
      }
    }
    this.#jobs.set(uidOf(job), failures);
  }

  waitMs(job: Job): number {
    const failures = this.#jobs.get(uidOf(job));
    if (!failures || failures.inRow === 0) return 0;
    const waitMs = Math.min(FIRST_MS * 2 ** (failures.inRow - 1), LONGEST_MS);
    return Math.max(0, failures.lastMs + waitMs - this.#clock.now());
  }

  forget(uid: string): void {
    this.#jobs.delete(uid);
  }

  /** The kubelet's word for it where there is one; never later than now. */
  #endedMs(pod: Pod): number {
    const ends = (pod.status?.containerStatuses ?? [])
      .map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ''))
      .filter((time) => !Number.isNaN(time));
    const told = ends.length > 0 ? Math.max(...ends) : Date.parse(metaOf(pod).deletionTimestamp ?? '');
    const now = this.#clock.now();
    return Number.isNaN(told) ? now : Math.min(told, now);
  }
}
