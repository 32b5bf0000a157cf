import type { Job, JobStatus } from '../../../api/gen/types/batch-v1.ts';
import { OMIT_VALUE, duplicate, invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { at, checkNonNegative, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { countIndexes, firstCommonIndex } from './indexes.ts';

const CONDITIONS = 'status.conditions';
const COMPLETION_TIME = 'status.completionTime';

function has(status: JobStatus | undefined, ...types: string[]): boolean {
  return status?.conditions?.some((one) => types.includes(one.type) && one.status === 'True') ?? false;
}

/** What of an update differs. Rules apply to what changed alone: a status that was let in once stays writable. */
interface Change {
  job: Job;
  status: JobStatus;
  before: JobStatus;
  /** Whether any of these fields is another one. */
  readonly changed: (...fields: Array<keyof JobStatus>) => boolean;
  /** Whether one of these conditions became true or ceased to be. */
  readonly turned: (...types: string[]) => boolean;
}

/** Mirrors validateJobStatus and ValidateJobStatusUpdate of pkg/apis/batch/validation/validation.go, with getStatusValidationOptions of pkg/registry/batch/job/strategy.go. */
export function validateJobStatus(job: Job, old: Job): FieldError[] {
  const status = job.status ?? {};
  const before = old.status ?? {};
  const change: Change = {
    job,
    status,
    before,
    changed: (...fields) => fields.some((field) => !sameJson(status[field], before[field])),
    turned: (...types) => has(status, ...types) !== has(before, ...types),
  };
  const errors: Errors = [];
  for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const) {
    checkNonNegative(errors, `status.${field}`, status[field]);
  }
  checkUncounted(errors, status);
  checkConditions(errors, change);
  checkCompletion(errors, change);
  checkFinished(errors, change);
  checkIndexes(errors, change);
  checkReady(errors, change);
  checkKept(errors, change);
  return errors;
}

/** Pods count once. */
function checkUncounted(errors: Errors, { uncountedTerminatedPods: pods }: JobStatus): void {
  const seen = new Set<string>();
  for (const list of ['succeeded', 'failed'] as const) {
    (pods?.[list] ?? []).forEach((uid, index) => {
      const field = at(`status.uncountedTerminatedPods.${list}`, index);
      if (uid === '') errors.push(invalid(field, uid, 'must not be empty'));
      else if (seen.has(uid)) errors.push(duplicate(field, uid));
      seen.add(uid);
    });
  }
}

function checkConditions(errors: Errors, { job, status, changed, turned }: Change): void {
  const refuse = (why: string): number => errors.push(invalid(CONDITIONS, OMIT_VALUE, why));
  const complete = has(status, 'Complete');
  const failed = has(status, 'Failed');
  const target = has(status, 'FailureTarget');
  const criteria = has(status, 'SuccessCriteriaMet');
  if ((turned('Complete') || turned('Failed')) && complete && failed) {
    refuse('cannot set Complete=True and Failed=true conditions');
  }
  if ((turned('Complete') || turned('FailureTarget')) && complete && target) {
    refuse('cannot set Complete=True and FailureTarget=true conditions');
  }
  if ((turned('Failed') || changed('failedIndexes')) && failed && !target) {
    refuse('cannot set Failed=True condition without the FailureTarget=true condition');
  }
  if ((turned('Complete') || turned('SuccessCriteriaMet')) && complete && !criteria) {
    refuse('cannot set Complete=True condition without the SuccessCriteriaMet=true condition');
  }
  if (criteria && failed) refuse('cannot set SuccessCriteriaMet=True and Failed=true conditions');
  if (criteria && target) refuse('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions');
  if (job.spec?.successPolicy && !criteria && complete) {
    refuse('cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True');
  }
}

function checkCompletion(errors: Errors, { status, changed, turned }: Change): void {
  const { startTime, completionTime } = status;
  const complete = has(status, 'Complete');
  if (turned('Complete') || changed('completionTime')) {
    if (completionTime && !complete) {
      const why = 'cannot set completionTime when there is no Complete=True condition';
      errors.push(invalid(COMPLETION_TIME, completionTime, why));
    }
    if (!completionTime && complete) {
      errors.push(required(COMPLETION_TIME, 'completionTime is required for Complete jobs'));
    }
  }
  if (!startTime || !completionTime || !changed('startTime', 'completionTime')) return;
  if (Date.parse(completionTime) < Date.parse(startTime)) {
    errors.push(invalid(COMPLETION_TIME, completionTime, 'must be equal to or after `startTime`'));
  }
}

function checkFinished(errors: Errors, { job, status, changed, turned }: Change): void {
  if (!has(status, 'Complete', 'Failed')) return;
  const finished = turned('Complete', 'Failed');
  const { active = 0, terminating = 0, uncountedTerminatedPods: pods } = status;
  if ((finished || changed('active')) && active > 0) {
    errors.push(invalid('status.active', active, 'active>0 is invalid for finished job'));
  }
  const never = job.spec?.suspend === true && job.spec.completions === 0;
  if ((finished || changed('startTime')) && !never && !status.startTime) {
    errors.push(required('status.startTime', 'startTime is required for finished job'));
  }
  const uncounted = (pods?.failed?.length ?? 0) + (pods?.succeeded?.length ?? 0);
  if ((finished || changed('uncountedTerminatedPods')) && uncounted > 0) {
    const why = 'must be empty for finished job';
    errors.push(invalid('status.uncountedTerminatedPods', pods, why));
  }
  if ((finished || changed('terminating')) && terminating > 0) {
    errors.push(invalid('status.terminating', terminating, 'terminating>0 is invalid for finished job'));
  }
}

function checkIndexes(errors: Errors, { job, status, changed }: Change): void {
  const { completions, completionMode, backoffLimitPerIndex } = job.spec ?? {};
  const { completedIndexes = '', failedIndexes } = status;
  const read = (field: 'completedIndexes' | 'failedIndexes', text: string): void => {
    const counted = countIndexes(text, completions ?? 0);
    if (typeof counted === 'number') return;
    errors.push(invalid(`status.${field}`, text, `error parsing ${field}: ${counted}`));
  };
  const newCompleted = changed('completedIndexes');
  const newFailed = changed('failedIndexes');
  if (newCompleted && completions !== undefined) read('completedIndexes', completedIndexes);
  if (
    newFailed &&
    completions !== undefined &&
    backoffLimitPerIndex !== undefined &&
    failedIndexes !== undefined
  ) {
    read('failedIndexes', failedIndexes);
  }
  if (newCompleted && completedIndexes !== '' && completionMode !== 'Indexed') {
    const why = 'cannot set non-empty completedIndexes when non-indexed completion mode';
    errors.push(invalid('status.completedIndexes', completedIndexes, why));
  }
  if (failedIndexes === undefined) return;
  if (newFailed && backoffLimitPerIndex === undefined) {
    const why = 'cannot set non-null failedIndexes when backoffLimitPerIndex is null';
    errors.push(invalid('status.failedIndexes', failedIndexes, why));
  }
  if ((!newFailed && !newCompleted) || completions === undefined) return;
  const common = firstCommonIndex(completedIndexes, failedIndexes, completions);
  if (common === undefined) return;
  const why = `failedIndexes and completedIndexes overlap at index: ${common}`;
  errors.push(invalid('status.failedIndexes', failedIndexes, why));
}

function checkReady(errors: Errors, { status, changed }: Change): void {
  const { ready, active = 0 } = status;
  if (ready === undefined || ready <= active || !changed('ready', 'active')) return;
  errors.push(invalid('status.ready', ready, 'cannot set more ready pods than active'));
}

/** What a job reached it does not lose again. */
function checkKept(errors: Errors, { job, status, before, changed }: Change): void {
  const refuse = (why: string): number => errors.push(invalid(CONDITIONS, OMIT_VALUE, why));
  for (const type of ['Failed', 'Complete', 'FailureTarget']) {
    if (has(before, type) && !has(status, type)) refuse(`cannot disable the terminal ${type}=True condition`);
  }
  const fewer = (field: 'failed' | 'succeeded'): boolean => (status[field] ?? 0) < (before[field] ?? 0);
  if (fewer('failed')) {
    errors.push(invalid('status.failed', status.failed ?? 0, 'cannot decrease the failed counter'));
  }
  const { completionMode, completions, parallelism, suspend } = job.spec ?? {};
  // Such a job can be made smaller.
  const elastic = completionMode === 'Indexed' && completions === parallelism;
  if (!elastic && fewer('succeeded')) {
    const why = 'cannot decrease the succeeded counter';
    errors.push(invalid('status.succeeded', status.succeeded ?? 0, why));
  }
  if (status.completionTime && before.completionTime && changed('completionTime')) {
    errors.push(invalid(COMPLETION_TIME, status.completionTime, 'field is immutable'));
  }
  const resuming =
    has(before, 'Suspended') &&
    status.conditions?.some((one) => one.type === 'Suspended' && one.status === 'False');
  if (before.startTime && changed('startTime') && !resuming && suspend !== true) {
    const why = 'field is immutable for unsuspended job once set';
    errors.push(invalid('status.startTime', status.startTime ?? null, why));
  }
  if (has(before, 'SuccessCriteriaMet') && !has(status, 'SuccessCriteriaMet')) {
    refuse('cannot disable the SuccessCriteriaMet=True condition');
  }
  if (has(before, 'Complete') && !has(before, 'SuccessCriteriaMet') && has(status, 'SuccessCriteriaMet')) {
    refuse('cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions');
  }
}
