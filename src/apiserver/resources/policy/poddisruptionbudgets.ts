import { PODDISRUPTIONBUDGETS } from '../../../api/gen/resources.ts';
import type { PodDisruptionBudget } from '../../../api/gen/types/policy-v1.ts';
import { invalid } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { checkAtMostAll, checkCounters, checkRollout } from '../apps/workload.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { checkLabelSelector, checkOptionalEnum } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { checkConditions } from '../validation/conditions.ts';

/** Mirrors ValidatePodDisruptionBudgetSpec of pkg/apis/policy/validation/validation.go. */
function validate({ spec }: PodDisruptionBudget): FieldError[] {
  const errors: Errors = [];
  if (spec?.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
    errors.push(invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set'));
  }
  for (const field of ['minAvailable', 'maxUnavailable'] as const) {
    checkRollout(errors, `spec.${field}`, spec?.[field]);
    checkAtMostAll(errors, `spec.${field}`, spec?.[field]);
  }
  checkLabelSelector(errors, 'spec.selector', spec?.selector);
  const policy = spec?.unhealthyPodEvictionPolicy;
  checkOptionalEnum(errors, 'spec.unhealthyPodEvictionPolicy', policy, ['AlwaysAllow', 'IfHealthyBudget']);
  return errors;
}

function validateStatus({ status }: PodDisruptionBudget): FieldError[] {
  const errors: Errors = [];
  const names = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'];
  checkConditions(errors, 'status.conditions', status?.conditions);
  checkCounters(errors, status as Record<string, unknown> | undefined, names, []);
  return errors;
}

const shown = (value: number | string | undefined): string => (value === undefined ? 'N/A' : String(value));

/** Mirrors pkg/registry/policy/poddisruptionbudget/strategy.go. */
export const poddisruptionbudgets = define(PODDISRUPTIONBUDGETS, {
  shortNames: ['pdb'],
  strategy: {
    ...statusStrategy,
    // Upstream looks at neither.
    validateName: () => [],
    anyFinalizer: true,
    allowUnconditionalUpdate: false,
    validateCreate: validate,
    validateUpdate: validate,
  },
  subresources: [statusOf(validateStatus)],
  columns: [
    nameColumn(),
    column('Min Available', 'string', ({ spec }) => shown(spec?.minAvailable)),
    column('Max Unavailable', 'string', ({ spec }) => shown(spec?.maxUnavailable)),
    column('Allowed Disruptions', 'integer', ({ status }) => status?.disruptionsAllowed ?? 0),
    ageColumn(),
  ],
});
