import { JOBS } from '../../../api/gen/resources.ts';
import type { Job, JobSpec } from '../../../api/gen/types/batch-v1.ts';
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
import {
  checkImmutable,
  checkLabelSelector,
  checkNonNegative,
  cloneJson,
  sameJson,
} from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { selectorMatches } from '../validation/selectors.ts';
import { checkIndexedName, validateJobSpec } from './job-validation.ts';

/** Fills in a job's spec, in cron jobs' templates too. Mirrors pkg/apis/batch/v1/defaults.go. */
export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2147483647;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
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
  spec.template.metadata.labels = {
    ...spec.template.metadata.labels,
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  };
  if (!spec.selector) spec.selector = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
}

function validate(job: Job): FieldError[] {
  const errors: Errors = [];
  const spec = job.spec;
  if (!spec) return errors;
  validateJobSpec(errors, 'spec', spec);
  if (!spec.selector) errors.push(required('spec.selector'));
  else {
    checkLabelSelector(errors, 'spec.selector', spec.selector);
    const labels = spec.template?.metadata?.labels;
    if (!selectorMatches(spec.selector, labels)) {
      const why = '`selector` does not match template `labels`';
      errors.push(invalid('spec.template.metadata.labels', labels ?? {}, why));
    }
  }
  checkIndexedName(errors, job);
  return errors;
}

function checkGenerated(job: Job): FieldError[] {
  const errors: Errors = [];
  if (job.spec?.manualSelector || !job.spec?.selector) return errors;
  const expected = {
    'batch.kubernetes.io/controller-uid': job.metadata?.uid ?? '',
    'batch.kubernetes.io/job-name': job.metadata?.name ?? '',
    'controller-uid': job.metadata?.uid ?? '',
    'job-name': job.metadata?.name ?? '',
  };
  if (!selectorMatches(job.spec.selector, expected)) {
    errors.push(invalid('spec.selector', job.spec.selector, '`selector` not auto-generated'));
  }
  return errors;
}

/** Mirrors ValidateJobSpecUpdate: what a job runs is fixed, except its scheduling while it is suspended. */
function validateUpdate(job: Job, old: Job): FieldError[] {
  const errors: Errors = [];
  const spec = job.spec as JobSpec;
  const before = old.spec as JobSpec;
  validateJobSpec(errors, 'spec', spec);
  const elastic = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  if (elastic) {
    const changed = spec.completions !== before.completions;
    const wasElastic = before.completions === before.parallelism;
    if (changed && !wasElastic)
      checkImmutable(errors, 'spec.completions', spec.completions, before.completions);
  } else {
    checkImmutable(errors, 'spec.completions', spec.completions, before.completions);
  }
  checkImmutable(errors, 'spec.selector', spec.selector, before.selector);
  if (!sameJson(schedulingAside(spec, before, old), before.template)) {
    checkImmutable(errors, 'spec.template', spec.template, before.template);
  }
  for (const field of [
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ] as const) {
    checkImmutable(errors, `spec.${field}`, spec[field], before[field]);
  }
  return errors;
}

/** The template with what may change put back: labels, annotations and node choice of a job that has not begun. */
function schedulingAside(spec: JobSpec, before: JobSpec, old: Job): JobSpec['template'] {
  const open = before.suspend === true && !old.status?.startTime;
  if (!open) return spec.template;
  const template = cloneJson(spec.template);
  const was = before.template;
  template.metadata = { ...template.metadata, ...labelsOf(was.metadata) };
  if (template.spec && was.spec) {
    const kept = template.spec;
    for (const field of ['nodeSelector', 'affinity', 'tolerations', 'schedulingGates'] as const) {
      delete kept[field];
      if (was.spec[field] !== undefined) Object.assign(kept, { [field]: was.spec[field] });
    }
  }
  return template;
}

function labelsOf(metadata: JobSpec['template']['metadata']) {
  const { labels = {}, annotations = {} } = metadata ?? {};
  return { labels, annotations };
}

function validateStatus({ status }: Job): FieldError[] {
  const errors: Errors = [];
  for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const) {
    checkNonNegative(errors, `status.${field}`, status?.[field]);
  }
  return errors;
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

/** Mirrors pkg/registry/batch/job/strategy.go. */
export const jobs = define(JOBS, {
  categories: ['all'],
  strategy: {
    defaults(job) {
      if (!job.spec) return;
      defaultJobSpec(job.spec);
      const labels = job.spec.template?.metadata?.labels;
      if (labels && job.metadata && !Object.keys(job.metadata.labels ?? {}).length) {
        job.metadata.labels = { ...labels };
      }
    },
    prepareForCreate(job) {
      delete job.status;
      generateSelector(job);
    },
    prepareForUpdate: (job, old) => statusStrategy.prepareForUpdate(job, old),
    validateCreate: (job) => [...checkGenerated(job), ...validate(job)],
    validateUpdate,
    // Upstream's first jobs left their pods behind, and clients of batch/v1 may count on it.
    defaultPropagation: 'orphan',
  },
  subresources: [statusOf(validateStatus)],
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
