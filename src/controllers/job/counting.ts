import type { Job, JobStatus, PodFailurePolicyRule } from '../../api/gen/types/batch-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { metaOf, uidOf } from '../shared/meta.ts';
import { isPodReady } from '../shared/pod-status.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';

export const TRACKING = 'batch.kubernetes.io/job-tracking';
export const INDEX = 'batch.kubernetes.io/job-completion-index';

export type End = 'succeeded' | 'failed' | 'ignored';

export function isTracked(pod: Pod): boolean {
  return metaOf(pod).finalizers?.includes(TRACKING) ?? false;
}

export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === 'Indexed';
}

export function indexOf(pod: Pod): number | undefined {
  const text = metaOf(pod).annotations?.[INDEX];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Whether pods that are only being deleted are replaced at once and count as failed. */
export function countsDeletions(job: Job): boolean {
  return (
    (job.spec?.podReplacementPolicy ?? (job.spec?.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed')) ===
    'TerminatingOrFailed'
  );
}

/** How a pod ended, for its job; undefined while it has not. */
export function endOf(job: Job, pod: Pod): End | undefined {
  if (pod.status?.phase === 'Succeeded') return 'succeeded';
  const failed =
    pod.status?.phase === 'Failed' || (Boolean(metaOf(pod).deletionTimestamp) && countsDeletions(job));
  if (!failed) return undefined;
  return ruleFor(job, pod)?.action === 'Ignore' ? 'ignored' : 'failed';
}

/** The first rule of the pod failure policy that the pod's end meets. */
export function ruleFor(job: Job, pod: Pod): (PodFailurePolicyRule & { index: number }) | undefined {
  if (pod.status?.phase !== 'Failed') return undefined;
  const rules = job.spec?.podFailurePolicy?.rules ?? [];
  const index = rules.findIndex((rule) => meets(rule, pod));
  const rule = rules[index];
  return rule && { ...rule, index };
}

function meets({ onExitCodes, onPodConditions = [] }: PodFailurePolicyRule, pod: Pod): boolean {
  if (onExitCodes) {
    const { containerName, operator, values } = onExitCodes;
    const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
    return statuses.some(({ name, state }) => {
      const code = state?.terminated?.exitCode;
      if (code === undefined || code === 0 || (containerName && containerName !== name)) return false;
      return values.includes(code) === (operator === 'In');
    });
  }
  return onPodConditions.some(({ type, status = 'True' }) =>
    pod.status?.conditions?.some((condition) => condition.type === type && condition.status === status),
  );
}

/** A job's pods at one moment, and what of their ends is counted. */
export interface Tally {
  status: JobStatus;
  active: Pod[];
  terminating: Pod[];
  /** Pods whose end is in the status and whose finalizer can go, once the status is written. */
  settled: Pod[];
  succeededIndexes: Set<number>;
  succeeded: number;
  failed: number;
}

/**
 * Counts each pod's end exactly once, whatever is interrupted: its uid goes into the status before its
 * finalizer goes, and into the number when the finalizer is gone. Mirrors trackJobStatusAndRemoveFinalizers of
 * pkg/controller/job/job_controller.go.
 */
export function tally(job: Job, pods: readonly Pod[]): Tally {
  const old = job.status ?? {};
  const byUid = new Map(pods.map((pod) => [uidOf(pod), pod]));
  const uncounted = { succeeded: [] as string[], failed: [] as string[] };
  const counted = { succeeded: old.succeeded ?? 0, failed: old.failed ?? 0 };
  const done = parseIndexes(old.completedIndexes);
  for (const kind of ['succeeded', 'failed'] as const)
    for (const uid of old.uncountedTerminatedPods?.[kind] ?? []) {
      const pod = byUid.get(uid);
      if (pod && isTracked(pod)) uncounted[kind].push(uid);
      else counted[kind]++;
    }
  const settled: Pod[] = [];
  for (const pod of pods) {
    const end = endOf(job, pod);
    if (end === undefined || !isTracked(pod)) continue;
    settled.push(pod);
    if (end === 'ignored') continue;
    const index = indexOf(pod);
    // A second success of an index is no success of the job's.
    const again = end === 'succeeded' && isIndexed(job) && (index === undefined || done.has(index));
    const known = uncounted.succeeded.includes(uidOf(pod)) || uncounted.failed.includes(uidOf(pod));
    if (!known && !again) uncounted[end].push(uidOf(pod));
    if (end === 'succeeded' && index !== undefined) done.add(index);
  }
  const active = pods.filter(
    (pod) =>
      !metaOf(pod).deletionTimestamp && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed',
  );
  const terminating = pods.filter(
    (pod) =>
      metaOf(pod).deletionTimestamp && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed',
  );
  const succeeded = isIndexed(job) ? done.size : counted.succeeded + uncounted.succeeded.length;
  const status: JobStatus = {
    ...old,
    ...counted,
    active: active.length,
    ready: active.filter(isPodReady).length,
    terminating: terminating.length,
  };
  if (isIndexed(job)) {
    if (done.size > 0) status.completedIndexes = formatIndexes(done);
    status.succeeded = done.size;
  }
  const listed = Object.entries(uncounted).filter(([, uids]) => uids.length > 0);
  if (listed.length > 0) status.uncountedTerminatedPods = Object.fromEntries(listed);
  else delete status.uncountedTerminatedPods;
  return {
    status,
    active,
    terminating,
    settled,
    succeededIndexes: done,
    succeeded,
    failed: counted.failed + uncounted.failed.length,
  };
}
