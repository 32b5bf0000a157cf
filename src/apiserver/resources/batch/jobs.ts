import { JOBS } from '../../../api/gen/resources.ts';
import type { Job, JobSpec } from '../../../api/gen/types/batch-v1.ts';
import type { PodSpec } from '../../../api/gen/types/core-v1.ts';
import { invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import {
  ageColumn,
  column,
  containerImages,
  containerNames,
  formatSelector,
  humanDuration,
  nameColumn,
} from '../columns.ts';
import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { checkImmutable, checkLabelSelector, cloneJson, key, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { selectorMatches } from '../validation/selectors.ts';
import { checkIndexedName, validateJobSpec } from './job-validation.ts';
import { podWarnings } from '../core/pod-spec/warnings.ts';
import { hasNewGeneration, podNameWarnings } from '../core/workload-warnings.ts';
import { validateJobStatus } from './job-status.ts';

/** Mirrors pkg/apis/batch/v1/defaults.go. */
function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2147483647;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
  defaultJobTemplate(spec);
}

/** What cron jobs' templates of jobs get too. */
export function defaultJobTemplate(spec: JobSpec): void {
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  }
  spec.template ??= {};
  defaultPodTemplate(spec.template);
}

/** The labels and the selector that tell one job's pods from all others'. Mirrors generateSelector of pkg/registry/batch/job/strategy.go. */
function generateSelector(job: Job): void {
  const spec = job.spec;
  if (!spec?.template || spec.manualSelector) return;
  const uid = job.metadata?.uid ?? '';
  const name = job.metadata?.name ?? '';
  spec.template.metadata ??= {};
  // What users set themselves stays, for validation to complain about.
  spec.template.metadata.labels = { ...generatedLabels(uid, name), ...spec.template.metadata.labels };
  spec.selector ??= {};
  spec.selector.matchLabels = { [CONTROLLER_UID]: uid, ...spec.selector.matchLabels };
}

const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';

function generatedLabels(uid: string, name: string): Record<string, string> {
  return {
    [CONTROLLER_UID]: uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  };
}

function validate(job: Job): FieldError[] {
  const errors: Errors = [];
  const spec = job.spec;
  if (!spec) return errors;
  validateJobSpec(errors, 'spec', spec);
  const problems: Errors = [];
  if (spec.selector) checkLabelSelector(problems, 'spec.selector', spec.selector);
  else errors.push(required('spec.selector'));
  errors.push(...problems);
  const labels = spec.template?.metadata?.labels;
  if (problems.length === 0 && (!spec.selector || !selectorMatches(spec.selector, labels))) {
    const why = '`selector` does not match template `labels`';
    errors.push(invalid('spec.template.metadata.labels', labels ?? {}, why));
  }
  checkIndexedName(errors, job);
  return errors;
}

/** Mirrors validateGeneratedSelector of pkg/apis/batch/validation/validation.go. */
function checkGenerated(job: Job): FieldError[] {
  const errors: Errors = [];
  if (job.spec?.manualSelector || !job.spec?.selector) return errors;
  const expected = generatedLabels(job.metadata?.uid ?? '', job.metadata?.name ?? '');
  const labels = job.spec.template?.metadata?.labels;
  for (const name of ['controller-uid', 'job-name', CONTROLLER_UID, 'batch.kubernetes.io/job-name']) {
    const field = key('spec.template.metadata.labels', name);
    const why = `must be '${expected[name]}'`;
    const value = labels?.[name];
    if (value === undefined) errors.push(required(field, why));
    else if (value !== expected[name]) errors.push(invalid(field, labels, why));
  }
  if (!selectorMatches(job.spec.selector, expected)) {
    errors.push(invalid('spec.selector', job.spec.selector, '`selector` not auto-generated'));
  }
  return errors;
}

/** Mirrors ValidateJobSpecUpdate: what a job runs is fixed, but for some of it while it is suspended. */
function validateUpdate(job: Job, old: Job): FieldError[] {
  const errors: Errors = [...checkGenerated(job), ...validate(job)];
  const spec = job.spec as JobSpec;
  const before = old.spec as JobSpec;
  const { completions, parallelism } = spec;
  if (spec.completionMode !== 'Indexed') {
    checkImmutable(errors, 'spec.completions', completions ?? null, before.completions ?? null);
  } else if (completions !== undefined && completions !== before.completions && completions !== parallelism) {
    const why = 'can only be modified in tandem with spec.parallelism';
    errors.push(invalid('spec.completions', completions, why));
  }
  checkImmutable(errors, 'spec.selector', spec.selector ?? null, before.selector);
  validateTemplateUpdate(errors, spec, old);
  for (const field of [
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ] as const) {
    checkImmutable(errors, `spec.${field}`, spec[field] ?? null, before[field] ?? null);
  }
  return errors;
}

/** Mirrors validatePodTemplateUpdate: while no pod of a suspended job is there, where they run and what they get may change. */
function validateTemplateUpdate(errors: Errors, spec: JobSpec, old: Job): void {
  const before = old.spec as JobSpec;
  const suspended = old.status?.conditions?.some((one) => one.type === 'Suspended' && one.status === 'True');
  const open = before.suspend === true && suspended === true && !old.status?.active;
  if (!open) {
    checkImmutable(errors, 'spec.template', spec.template, before.template);
    return;
  }
  const pod: Partial<PodSpec> = spec.template.spec ?? {};
  const was: Partial<PodSpec> = cloneJson(before.template.spec ?? {});
  for (const field of ['nodeSelector', 'tolerations', 'schedulingGates'] as const) {
    delete was[field];
    if (pod[field] !== undefined) Object.assign(was, { [field]: pod[field] });
  }
  const others = { ...was.affinity };
  delete others.nodeAffinity;
  if (pod.affinity?.nodeAffinity) others.nodeAffinity = pod.affinity.nodeAffinity;
  delete was.affinity;
  if (Object.keys(others).length > 0 || pod.affinity) was.affinity = others;
  for (const list of ['containers', 'initContainers'] as const) {
    const containers = pod[list] ?? [];
    if (containers.length !== was[list]?.length) continue;
    was[list]?.forEach((container, index) => {
      const now = containers[index];
      if (now?.name !== container.name) return;
      delete container.resources;
      if (now.resources) container.resources = now.resources;
    });
  }
  if (!sameJson(pod, was)) checkImmutable(errors, 'spec.template.spec', pod, null);
}

const MANY =
  'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, ' +
  'Kubernetes might not be able to track completedIndexes when a big number of indexes fail';

/** Mirrors pkg/api/job/warnings.go. */
export function jobSpecWarnings(path: string, spec: JobSpec | undefined): string[] {
  const { completionMode, completions = 0, parallelism = 0 } = spec ?? {};
  const many = completionMode === 'Indexed' && completions > 100_000 && parallelism > 10_000;
  return [...(many ? [`${path}: ${MANY}`] : []), ...podWarnings(`${path}.template`, spec?.template)];
}

/** Mirrors printJob of pkg/printers/internalversion/printers.go. */
function jobStatus({ metadata, spec, status }: Job): string {
  const has = (type: string) => status?.conditions?.some((one) => one.type === type && one.status === 'True');
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (metadata?.deletionTimestamp) return 'Terminating';
  if (has('Suspended')) return 'Suspended';
  if (has('FailureTarget')) return 'FailureTarget';
  if (has('SuccessCriteriaMet')) return 'SuccessCriteriaMet';
  return spec ? 'Running' : '';
}

function completions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function duration({ status }: Job, now: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : now;
  return humanDuration(end - Date.parse(status.startTime));
}

const DELETE_WARNING =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove ' +
  'them or set propagationPolicy=Orphan to suppress this warning';

/** Mirrors pkg/registry/batch/job/strategy.go. */
export const jobs = define(JOBS, {
  categories: ['all'],
  strategy: {
    defaults(job) {
      if (!job.spec) return;
      defaultJobSpec(job.spec);
      const labels = job.spec.template?.metadata?.labels;
      if (labels && job.metadata && !Object.keys(job.metadata.labels ?? {}).length) {
        // The very same object: what is generated for the template shows here too.
        job.metadata.labels = labels;
      }
    },
    prepareForCreate(job) {
      delete job.status;
      const labels = job.metadata?.labels;
      const taken = labels !== undefined && labels === job.spec?.template?.metadata?.labels;
      generateSelector(job);
      if (taken && job.metadata) job.metadata.labels = { ...job.spec?.template?.metadata?.labels };
    },
    prepareForUpdate: (job, old) => statusStrategy.prepareForUpdate(job, old),
    validateCreate: (job) => [...checkGenerated(job), ...validate(job)],
    validateUpdate,
    beforeCreate(job) {
      // Upstream's store fills in defaults once more when it reads the object that it wrote.
      const labels = job.spec?.template?.metadata?.labels ?? {};
      const own = Object.keys(job.metadata?.labels ?? {}).length > 0;
      if (job.metadata && !own && Object.keys(labels).length > 0) job.metadata.labels = { ...labels };
      return Promise.resolve(undefined);
    },
    warningsOnCreate: (job) => [...podNameWarnings(job), ...jobSpecWarnings('spec', job.spec)],
    warningsOnUpdate: (job, old) => (hasNewGeneration(job, old) ? jobSpecWarnings('spec', job.spec) : []),
    warningsOnDelete: ({ propagationPolicy }) => (propagationPolicy ? [] : [DELETE_WARNING]),
    // Upstream's first jobs left their pods behind, and clients of batch/v1 may count on it.
    defaultPropagation: 'orphan',
  },
  subresources: [statusOf(validateJobStatus)],
  fields: ({ status }) => ({ 'status.successful': String(status?.succeeded ?? 0) }),
  selectableFields: ['status.successful'],
  columns: [
    nameColumn(),
    column('Status', 'string', jobStatus),
    column('Completions', 'string', completions),
    column('Duration', 'string', duration),
    ageColumn(),
    column('Containers', 'string', ({ spec }) => containerNames(spec?.template?.spec), 'wide'),
    column('Images', 'string', ({ spec }) => containerImages(spec?.template?.spec), 'wide'),
    column('Selector', 'string', ({ spec }) => formatSelector(spec?.selector), 'wide'),
  ],
});
