import { CRONJOBS } from '../../../api/gen/resources.ts';
import type { CronJob, JobSpec } from '../../../api/gen/types/batch-v1.ts';
import { invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import {
  ageColumn,
  column,
  containerImages,
  containerNames,
  formatSelector,
  nameColumn,
  translateAge,
} from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { checkEnum, checkNonNegative } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { isTimeZone, scheduleProblem } from './cron-schedule.ts';
import { validateJobSpec } from './job-validation.ts';
import { defaultJobTemplate, jobSpecWarnings } from './jobs.ts';
import { hasNewGeneration, podNameWarnings } from '../core/workload-warnings.ts';

function defaults({ spec }: CronJob): void {
  if (!spec) return;
  spec.concurrencyPolicy ||= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  spec.jobTemplate ??= {};
  spec.jobTemplate.spec ??= {} as JobSpec;
  // What else a job has by default it gets once it is made.
  defaultJobTemplate(spec.jobTemplate.spec);
}

/** Mirrors validateCronJobSpec of pkg/apis/batch/validation/validation.go. */
function validate({ spec }: CronJob, old?: CronJob): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  if (!spec.schedule) errors.push(required('spec.schedule'));
  else validateSchedule(errors, spec.schedule, spec.timeZone, old?.spec?.schedule?.includes('TZ') === true);
  checkNonNegative(errors, 'spec.startingDeadlineSeconds', spec.startingDeadlineSeconds);
  if (spec.timeZone !== undefined && spec.timeZone !== old?.spec?.timeZone) {
    validateTimeZone(errors, spec.timeZone);
  }
  checkEnum(errors, 'spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  const job = spec.jobTemplate?.spec;
  if (job) {
    validateJobSpec(errors, 'spec.jobTemplate.spec', job);
    // Each job gets its own selector: one that is written here would join their pods.
    if (job.manualSelector) {
      errors.push(notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false']));
    }
    if (job.selector) {
      const why = '`selector` will be auto-generated';
      errors.push(invalid('spec.jobTemplate.spec.selector', job.selector, why));
    }
  }
  checkNonNegative(errors, 'spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit);
  checkNonNegative(errors, 'spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit);
  return errors;
}

function validateSchedule(
  errors: Errors,
  schedule: string,
  timeZone: string | undefined,
  mayHaveZone: boolean,
): void {
  const problem = scheduleProblem(schedule);
  if (problem !== undefined) errors.push(invalid('spec.schedule', schedule, problem));
  if (!schedule.includes('TZ')) return;
  if (mayHaveZone && timeZone !== undefined) {
    const why = 'cannot use both timeZone field and TZ or CRON_TZ in schedule';
    errors.push(invalid('spec.schedule', schedule, why));
  } else if (!mayHaveZone) {
    const why = 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
    errors.push(invalid('spec.schedule', schedule, why));
  }
}

function validateTimeZone(errors: Errors, timeZone: string): void {
  if (timeZone === '') {
    errors.push(invalid('spec.timeZone', timeZone, 'timeZone must be nil or non-empty string'));
    return;
  }
  if (timeZone.toLowerCase() === 'local') {
    const why = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    errors.push(invalid('spec.timeZone', timeZone, why));
  }
  if (!isTimeZone(timeZone)) {
    errors.push(invalid('spec.timeZone', timeZone, `unknown time zone ${timeZone}`));
  }
}

const ZONE_WARNING =
  'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see ' +
  'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details';

/** Mirrors pkg/registry/batch/cronjob/strategy.go. */
export const cronjobs = define(CRONJOBS, {
  shortNames: ['cj'],
  categories: ['all'],
  strategy: {
    ...statusStrategy,
    defaults,
    // Jobs are named after it, with eleven characters more: names of 52 are the longest.
    validateCreate(cronJob) {
      const name = cronJob.metadata?.name ?? '';
      const tooLong = invalid('metadata.name', name, 'must be no more than 52 characters');
      return [...validate(cronJob), ...(name.length > 52 ? [tooLong] : [])];
    },
    validateUpdate: (cronJob, old) => validate(cronJob, old),
    warningsOnCreate: (cronJob) => [
      ...podNameWarnings(cronJob),
      ...jobSpecWarnings('spec.jobTemplate.spec', cronJob.spec?.jobTemplate?.spec),
    ],
    warningsOnUpdate: (cronJob, old) => [
      ...(hasNewGeneration(cronJob, old)
        ? jobSpecWarnings('spec.jobTemplate.spec', cronJob.spec?.jobTemplate?.spec)
        : []),
      ...(cronJob.spec?.schedule?.includes('TZ') ? [ZONE_WARNING] : []),
    ],
  },
  subresources: [{ ...statusOf<CronJob>(), anyFinalizer: true }],
  columns: [
    nameColumn(),
    column('Schedule', 'string', ({ spec }) => spec?.schedule ?? ''),
    column('Timezone', 'string', ({ spec }) => spec?.timeZone ?? '<none>'),
    column('Suspend', 'string', ({ spec }) => (spec?.suspend ? 'True' : 'False')),
    column('Active', 'integer', ({ status }) => status?.active?.length ?? 0),
    column('Last Schedule', 'string', ({ status }, now) =>
      status?.lastScheduleTime ? translateAge(status.lastScheduleTime, now) : '<none>',
    ),
    ageColumn(),
    column(
      'Containers',
      'string',
      ({ spec }) => containerNames(spec?.jobTemplate?.spec?.template?.spec),
      'wide',
    ),
    column(
      'Images',
      'string',
      ({ spec }) => containerImages(spec?.jobTemplate?.spec?.template?.spec),
      'wide',
    ),
    column('Selector', 'string', ({ spec }) => formatSelector(spec?.jobTemplate?.spec?.selector), 'wide'),
  ],
});
