import type { Job, JobCondition } from '../../api/gen/types/batch-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { keyOf } from '../shared/meta.ts';
import { isIndexed, ruleFor } from './counting.ts';
import type { Tally } from './counting.ts';
import { parseIndexes } from './indexes.ts';

export interface Verdict {
  kind: 'failure' | 'success';
  reason: string;
  message: string;
}

function jobCondition(job: Job, type: string): JobCondition | undefined {
  return job.status?.conditions?.find((condition) => condition.type === type && condition.status === 'True');
}

export function isJobFinished(job: Job): boolean {
  return jobCondition(job, 'Complete') !== undefined || jobCondition(job, 'Failed') !== undefined;
}

/** Whether the job has come to its end, and which. Mirrors syncJob of pkg/controller/job/job_controller.go. */
export function verdictOf(job: Job, pods: readonly Pod[], counts: Tally, nowMs: number): Verdict | undefined {
  for (const [type, kind] of [
    ['FailureTarget', 'failure'],
    ['SuccessCriteriaMet', 'success'],
  ] as const) {
    const before = jobCondition(job, type);
    if (before) return { kind, reason: before.reason ?? '', message: before.message ?? '' };
  }
  return failureOf(job, pods, counts, nowMs) ?? successOf(job, counts);
}

function failureOf(job: Job, pods: readonly Pod[], counts: Tally, nowMs: number): Verdict | undefined {
  const failing = pods.find((pod) => ruleFor(job, pod)?.action === 'FailJob');
  if (failing) {
    const message = `Pod ${keyOf(failing)} failed and matched the FailJob rule at index ${ruleFor(job, failing)?.index ?? 0}`;
    return { kind: 'failure', reason: 'PodFailurePolicy', message };
  }
  const limit = job.spec?.backoffLimit ?? 6;
  const restarts = job.spec?.template.spec?.restartPolicy === 'OnFailure' ? restartsOf(counts.active) : 0;
  if (counts.failed > limit || (restarts > 0 && restarts >= limit))
    return {
      kind: 'failure',
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    };
  const deadline = deadlineMs(job);
  if (deadline !== undefined && nowMs >= deadline)
    return {
      kind: 'failure',
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    };
  return undefined;
}

/** When spec.activeDeadlineSeconds passes; undefined where none runs. */
export function deadlineMs(job: Job): number | undefined {
  const { activeDeadlineSeconds, suspend } = job.spec ?? {};
  if (activeDeadlineSeconds === undefined || suspend || !job.status?.startTime) return undefined;
  return Date.parse(job.status.startTime) + activeDeadlineSeconds * 1000;
}

function restartsOf(pods: readonly Pod[]): number {
  const statuses = pods.flatMap((pod) => [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ]);
  return statuses.reduce((sum, { restartCount }) => sum + restartCount, 0);
}

function successOf(job: Job, { succeeded, active, succeededIndexes }: Tally): Verdict | undefined {
  const rules = isIndexed(job) ? (job.spec?.successPolicy?.rules ?? []) : [];
  const met = rules.findIndex(({ succeededIndexes: wanted, succeededCount }) => {
    const among =
      wanted === undefined
        ? succeededIndexes
        : new Set([...parseIndexes(wanted)].filter((index) => succeededIndexes.has(index)));
    return among.size >= (succeededCount ?? parseIndexes(wanted).size);
  });
  if (met !== -1)
    return { kind: 'success', reason: 'SuccessPolicy', message: `Matched rules at index ${met}` };
  const { completions } = job.spec ?? {};
  const done =
    completions === undefined
      ? succeeded > 0 && active.length === 0
      : succeeded >= completions && (completions > 0 || active.length === 0);
  return done
    ? { kind: 'success', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
    : undefined;
}
