import { LEASES } from '../../../api/gen/resources.ts';
import type { Lease } from '../../../api/gen/types/coordination-v1.ts';
import { invalid } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkNonNegative } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';

/** Mirrors ValidateLeaseSpec of pkg/apis/coordination/validation/validation.go. */
function validate({ spec }: Lease): FieldError[] {
  const errors: Errors = [];
  const seconds = spec?.leaseDurationSeconds;
  if (seconds !== undefined && seconds <= 0) {
    errors.push(invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0'));
  }
  checkNonNegative(errors, 'spec.leaseTransitions', spec?.leaseTransitions);
  return errors;
}

/** Elections that the server coordinates are behind a feature that is off by default. */
function dropDisabled({ spec }: Lease): void {
  delete spec?.strategy;
  delete spec?.preferredHolder;
}

/** Mirrors pkg/registry/coordination/lease/strategy.go. */
export const leases = define(LEASES, {
  strategy: {
    anyFinalizer: true,
    prepareForCreate: dropDisabled,
    prepareForUpdate: dropDisabled,
    allowCreateOnUpdate: true,
    allowUnconditionalUpdate: false,
    generation: false,
    validateCreate: validate,
    validateUpdate: validate,
  },
  columns: [nameColumn(), column('Holder', 'string', ({ spec }) => spec?.holderIdentity ?? ''), ageColumn()],
});
