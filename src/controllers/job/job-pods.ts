import type { Job } from '../../api/gen/types/batch-v1.ts';
import type { Container, EnvVar, Pod } from '../../api/gen/types/core-v1.ts';
import { podFromTemplate } from '../replicaset/pod-from-template.ts';
import { nameOf } from '../shared/meta.ts';
import { countsDeletions, INDEX, indexOf, isIndexed, TRACKING } from './counting.ts';
import type { Tally } from './counting.ts';

const INDEX_ENV: EnvVar = {
  name: 'JOB_COMPLETION_INDEX',
  valueFrom: { fieldRef: { fieldPath: `metadata.labels['${INDEX}']` } },
};

/** How many pods should run now. */
export function wantedActive(job: Job, { succeeded, active }: Tally): number {
  const { completions, parallelism = 1, suspend } = job.spec ?? {};
  if (suspend) return 0;
  // Without a number of completions one success ends the work: those that run may finish.
  if (completions === undefined) return succeeded > 0 ? active.length : parallelism;
  return Math.min(completions - succeeded, parallelism);
}

/** Pods that take a place: those that stop too where they are not replaced before they are gone. */
export function occupied(job: Job, { active, terminating }: Tally): number {
  return active.length + (countsDeletions(job) ? 0 : terminating.length);
}

/** The lowest indexes that have neither succeeded nor a pod. */
export function freeIndexes(job: Job, counts: Tally, count: number): number[] {
  const taken = new Set([...counts.active, ...(countsDeletions(job) ? [] : counts.terminating)].map(indexOf));
  const free: number[] = [];
  for (let index = 0; index < (job.spec?.completions ?? 0) && free.length < count; index++)
    if (!counts.succeededIndexes.has(index) && !taken.has(index)) free.push(index);
  return free;
}

/** A new pod of the job; `index` where the job is indexed. */
export function jobPod(job: Job, index: number | undefined): Pod {
  const pod = podFromTemplate(job.spec?.template, job);
  const metadata = { ...pod.metadata, finalizers: [...(pod.metadata?.finalizers ?? []), TRACKING] };
  if (!isIndexed(job) || index === undefined || !pod.spec) return { ...pod, metadata };
  const text = String(index);
  metadata.generateName = `${nameOf(job)}-${text}-`;
  metadata.annotations = { ...metadata.annotations, [INDEX]: text };
  metadata.labels = { ...metadata.labels, [INDEX]: text };
  const told = (container: Container): Container =>
    container.env?.some(({ name }) => name === INDEX_ENV.name)
      ? container
      : { ...container, env: [...(container.env ?? []), INDEX_ENV] };
  const { containers, initContainers, hostname } = pod.spec;
  const spec = {
    ...pod.spec,
    containers: containers.map(told),
    hostname: hostname ?? `${nameOf(job)}-${text}`,
  };
  if (initContainers) spec.initContainers = initContainers.map(told);
  return { ...pod, metadata, spec };
}
