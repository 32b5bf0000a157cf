import type {
  Job,
  JobSpec,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from '../../../api/gen/types/batch-v1.ts';
import {
  OMIT_VALUE,
  duplicate,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '../../field-error.ts';
import { validatePodTemplate } from '../core/pod-spec/pod-spec.ts';
import { at, checkDomainPrefixedPath, checkFormat, checkNonNegative, child } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, qualifiedName } from '../validation/formats.ts';
import { countIndexes } from './indexes.ts';

const MAX_PARALLELISM = 100_000;
const MANY_COMPLETIONS = 100_000;
const MAX_PARALLELISM_OF_MANY = 10_000;
const MAX_FAILED_OF_MANY = 10_000;

/** A job's template or a cron job's job. Mirrors validateJobSpec of pkg/apis/batch/validation/validation.go. */
export function validateJobSpec(errors: Errors, path: string, spec: JobSpec): void {
  for (const field of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const) {
    checkNonNegative(errors, child(path, field), spec[field]);
  }
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    errors.push(required(child(path, 'backoffLimitPerIndex'), 'when maxFailedIndexes is specified'));
  }
  if (spec.managedBy !== undefined) {
    checkDomainPrefixedPath(errors, child(path, 'managedBy'), spec.managedBy);
    if (spec.managedBy.length > 63) errors.push(tooLong(child(path, 'managedBy'), 63));
  }
  validateCompletionMode(errors, path, spec);
  validateFailurePolicy(errors, child(path, 'podFailurePolicy'), spec);
  validateSuccessPolicy(errors, child(path, 'successPolicy'), spec);
  const replacement = spec.podReplacementPolicy;
  if (replacement !== undefined) {
    const known = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
    if (!known.includes(replacement)) {
      errors.push(notSupported(child(path, 'podReplacementPolicy'), replacement, known));
    }
  }
  if (spec.template) validatePodTemplate(errors, child(path, 'template'), spec.template);
  validateRestartPolicy(errors, child(path, 'template', 'spec', 'restartPolicy'), spec);
}

function validateCompletionMode(errors: Errors, path: string, spec: JobSpec): void {
  const { completionMode, completions, parallelism, maxFailedIndexes, backoffLimitPerIndex } = spec;
  const failed = child(path, 'maxFailedIndexes');
  if (completionMode !== undefined && completionMode !== 'NonIndexed' && completionMode !== 'Indexed') {
    errors.push(notSupported(child(path, 'completionMode'), completionMode, ['NonIndexed', 'Indexed']));
  }
  if (completionMode !== 'Indexed') {
    for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const) {
      if (spec[field] === undefined || (completionMode !== undefined && completionMode !== 'NonIndexed'))
        continue;
      errors.push(invalid(child(path, field), spec[field], 'requires indexed completion mode'));
    }
    return;
  }
  if (completions === undefined) {
    errors.push(required(child(path, 'completions'), 'when completion mode is Indexed'));
  }
  if ((parallelism ?? 0) > MAX_PARALLELISM) {
    const why = `must be less than or equal to ${MAX_PARALLELISM} when completion mode is Indexed`;
    errors.push(invalid(child(path, 'parallelism'), parallelism, why));
  }
  if (maxFailedIndexes !== undefined && completions !== undefined && maxFailedIndexes > completions) {
    errors.push(invalid(failed, maxFailedIndexes, 'must be less than or equal to completions'));
  }
  if ((maxFailedIndexes ?? 0) > MAX_PARALLELISM) {
    errors.push(invalid(failed, maxFailedIndexes, `must be less than or equal to ${MAX_PARALLELISM}`));
  }
  if ((completions ?? 0) <= MANY_COMPLETIONS || backoffLimitPerIndex === undefined) return;
  const many = `when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
  if (maxFailedIndexes === undefined) {
    errors.push(required(failed, `must be specified when completions is above ${MANY_COMPLETIONS}`));
  } else if (maxFailedIndexes > MAX_FAILED_OF_MANY) {
    errors.push(
      invalid(failed, maxFailedIndexes, `must be less than or equal to ${MAX_FAILED_OF_MANY} ${many}`),
    );
  }
  if ((parallelism ?? 0) > MAX_PARALLELISM_OF_MANY) {
    const why = `must be less than or equal to ${MAX_PARALLELISM_OF_MANY} ${many}`;
    errors.push(invalid(child(path, 'parallelism'), parallelism, why));
  }
}

function validateRestartPolicy(errors: Errors, field: string, spec: JobSpec): void {
  const policy = spec.template?.spec?.restartPolicy;
  if (policy === 'Always' || !policy) {
    errors.push(required(field, 'valid values: "OnFailure", "Never"'));
  } else if (policy !== 'OnFailure' && policy !== 'Never') {
    errors.push(notSupported(field, policy, ['OnFailure', 'Never']));
  } else if (spec.podFailurePolicy && policy !== 'Never') {
    const why = 'only "Never" is supported when podFailurePolicy is specified';
    errors.push(invalid(field, policy, why));
  }
}

const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];

function validateFailurePolicy(errors: Errors, path: string, spec: JobSpec): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const rulesPath = child(path, 'rules');
  if (rules.length > 20) errors.push(tooMany(rulesPath, rules.length, 20));
  rules.forEach((rule, index) => {
    const here = at(rulesPath, index);
    const action = child(here, 'action');
    if (!rule.action) errors.push(required(action, 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'));
    else if (rule.action === 'FailIndex') {
      if (spec.backoffLimitPerIndex === undefined) {
        errors.push(invalid(action, rule.action, 'requires the backoffLimitPerIndex to be set'));
      }
    } else if (!ACTIONS.includes(rule.action)) errors.push(notSupported(action, rule.action, ACTIONS));
    validateExitCodes(errors, child(here, 'onExitCodes'), rule, spec);
    validateConditions(errors, child(here, 'onPodConditions'), rule);
    const conditions = rule.onPodConditions?.length ?? 0;
    if (rule.onExitCodes && conditions > 0) {
      const why = 'specifying both OnExitCodes and OnPodConditions is not supported';
      errors.push(invalid(here, OMIT_VALUE, why));
    } else if (!rule.onExitCodes && conditions === 0) {
      const why = 'specifying one of OnExitCodes and OnPodConditions is required';
      errors.push(invalid(here, OMIT_VALUE, why));
    }
  });
}

function validateExitCodes(errors: Errors, path: string, rule: PodFailurePolicyRule, spec: JobSpec): void {
  const codes = rule.onExitCodes;
  if (!codes) return;
  const operator = child(path, 'operator');
  if (!codes.operator) errors.push(required(operator, 'valid values: ["In" "NotIn"]'));
  else if (codes.operator !== 'In' && codes.operator !== 'NotIn') {
    errors.push(notSupported(operator, codes.operator, ['In', 'NotIn']));
  }
  const pod = spec.template?.spec;
  const names = [...(pod?.containers ?? []), ...(pod?.initContainers ?? [])].map((one) => one.name);
  if (codes.containerName !== undefined && !names.includes(codes.containerName)) {
    const why = 'must be one of the container or initContainer names in the pod template';
    errors.push(invalid(child(path, 'containerName'), codes.containerName, why));
  }
  const values = codes.values ?? [];
  const field = child(path, 'values');
  if (values.length === 0) errors.push(invalid(field, values, 'at least one value is required'));
  else if (values.length > 255) errors.push(tooMany(field, values.length, 255));
  values.forEach((value, index) => {
    if (codes.operator === 'In' && value === 0) {
      errors.push(invalid(at(field, index), value, 'must not be 0 for the In operator'));
    }
    if (values.indexOf(value) < index) errors.push(duplicate(at(field, index), value));
  });
  const ordered = values.every((value, index) => index === 0 || (values[index - 1] ?? 0) <= value);
  if (!ordered) errors.push(invalid(field, values, 'must be ordered'));
}

function validateConditions(errors: Errors, path: string, rule: PodFailurePolicyRule): void {
  const patterns = rule.onPodConditions ?? [];
  if (patterns.length > 20) errors.push(tooMany(path, patterns.length, 20));
  patterns.forEach((pattern, index) => {
    const here = at(path, index);
    checkFormat(errors, child(here, 'type'), pattern.type, qualifiedName(pattern.type));
    const status = child(here, 'status');
    if (!pattern.status) errors.push(required(status, 'valid values: ["False" "True" "Unknown"]'));
    else if (!['False', 'True', 'Unknown'].includes(pattern.status)) {
      errors.push(notSupported(status, pattern.status, ['False', 'True', 'Unknown']));
    }
  });
}

function validateSuccessPolicy(errors: Errors, path: string, spec: JobSpec): void {
  const policy = spec.successPolicy;
  if (!policy) return;
  if (spec.completionMode !== 'Indexed') {
    errors.push(invalid(path, policy, 'requires indexed completion mode'));
    return;
  }
  const rules = policy.rules ?? [];
  const field = child(path, 'rules');
  if (rules.length === 0) {
    errors.push(required(field, 'at least one rules must be specified when the successPolicy is specified'));
  }
  if (rules.length > 20) errors.push(tooMany(field, rules.length, 20));
  rules.forEach((rule, index) => validateSuccessRule(errors, at(field, index), rule, spec.completions ?? 0));
}

function validateSuccessRule(
  errors: Errors,
  path: string,
  rule: SuccessPolicyRule,
  completions: number,
): void {
  const { succeededCount, succeededIndexes } = rule;
  if (succeededCount === undefined && succeededIndexes === undefined) {
    errors.push(required(path, 'at least one of succeededCount or succeededIndexes must be specified'));
  }
  let total = 0;
  if (succeededIndexes !== undefined) {
    const field = child(path, 'succeededIndexes');
    if (succeededIndexes.length > 65536) errors.push(tooLong(field, 65536));
    const counted = countIndexes(succeededIndexes, completions);
    if (typeof counted === 'string') {
      errors.push(invalid(field, succeededIndexes, `error parsing succeededIndexes: ${counted}`));
    } else {
      total = counted;
    }
  }
  if (succeededCount === undefined) return;
  const field = child(path, 'succeededCount');
  checkNonNegative(errors, field, succeededCount);
  if (succeededCount > completions) {
    const why = `must be less than or equal to ${completions} (the number of specified completions)`;
    errors.push(invalid(field, succeededCount, why));
  }
  if (succeededIndexes !== undefined && succeededCount > total) {
    const why = `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`;
    errors.push(invalid(field, succeededCount, why));
  }
}

/** A job's last pod must have a name that is a host name. */
export function checkIndexedName(errors: Errors, job: Job): void {
  const completions = job.spec?.completions ?? 0;
  if (job.spec?.completionMode !== 'Indexed' || completions <= 0) return;
  const name = job.metadata?.name ?? '';
  const last = `${name}-${completions - 1}`;
  if (dnsLabel(last).length === 0) return;
  const why = `will not able to create pod with invalid DNS label: ${last}`;
  errors.push(invalid('metadata.name', name, why));
}
