import { PRIORITYCLASSES } from '../../../api/gen/resources.ts';
import type { PriorityClass } from '../../../api/gen/types/scheduling-v1.ts';
import { forbidden, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkImmutable, checkOptionalEnum } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';

/** Users' classes end here; above are the cluster's own. */
export const HIGHEST_USER_PRIORITY = 1_000_000_000;

/** Upstream's two classes of the cluster itself. */
export const SYSTEM_PRIORITY_CLASSES: readonly PriorityClass[] = [
  {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name: 'system-node-critical' },
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name: 'system-cluster-critical' },
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
];

/** Mirrors IsKnownSystemPriorityClass of pkg/apis/scheduling/v1/helpers.go. */
function systemProblem(priority: PriorityClass): string | undefined {
  const name = priority.metadata?.name ?? '';
  const known = SYSTEM_PRIORITY_CLASSES.find((one) => one.metadata?.name === name);
  if (!known) return `${name} is not a known system priority class`;
  if (priority.value !== known.value) return `value of ${name} PriorityClass must be ${known.value}`;
  if (priority.globalDefault) return `globalDefault of ${name} PriorityClass must be false`;
  return undefined;
}

/** Mirrors ValidatePriorityClass of pkg/apis/scheduling/validation/validation.go. */
function validate(priority: PriorityClass): FieldError[] {
  const errors: Errors = [];
  if (priority.metadata?.name?.startsWith('system-')) {
    const problem = systemProblem(priority);
    if (problem !== undefined) {
      const why = `priority class names with 'system-' prefix are reserved for system use only. error: ${problem}`;
      errors.push(forbidden('metadata.name', why));
    }
  } else if ((priority.value ?? 0) > HIGHEST_USER_PRIORITY) {
    const why = `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`;
    errors.push(forbidden('value', why));
  }
  if (priority.preemptionPolicy === '') errors.push(required('preemptionPolicy'));
  else
    checkOptionalEnum(errors, 'preemptionPolicy', priority.preemptionPolicy, [
      'PreemptLowerPriority',
      'Never',
    ]);
  return errors;
}

/** Mirrors pkg/registry/scheduling/priorityclass/strategy.go. */
export const priorityclasses = define(PRIORITYCLASSES, {
  shortNames: ['pc'],
  strategy: {
    // Upstream counts no changes.
    generation: () => false,
    defaults(priority) {
      priority.preemptionPolicy ??= 'PreemptLowerPriority';
    },
    validateCreate: validate,
    validateUpdate(priority, old) {
      const errors: Errors = [];
      if (priority.value !== old.value) errors.push(forbidden('value', 'may not be changed in an update.'));
      checkImmutable(errors, 'preemptionPolicy', priority.preemptionPolicy, old.preemptionPolicy);
      return errors;
    },
  },
  columns: [
    nameColumn(),
    column('Value', 'integer', ({ value }) => value ?? 0),
    column('Global-Default', 'boolean', ({ globalDefault }) => globalDefault ?? false),
    ageColumn(),
    column('PreemptionPolicy', 'string', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
  ],
});
