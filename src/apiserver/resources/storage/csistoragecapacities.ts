import { CSISTORAGECAPACITIES } from '../../../api/gen/resources.ts';
import type { CSIStorageCapacity } from '../../../api/gen/types/storage-v1.ts';
import { invalid } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkFormat, checkImmutable, checkLabelSelector } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain } from '../validation/formats.ts';
import { canonicalQuantity, compareQuantities } from '../validation/quantities.ts';

/** Mirrors ValidateCSIStorageCapacity of pkg/apis/storage/validation/validation.go. */
function validate({ nodeTopology, storageClassName, capacity }: CSIStorageCapacity): FieldError[] {
  const errors: Errors = [];
  checkLabelSelector(errors, 'nodeTopology', nodeTopology);
  checkFormat(errors, 'storageClassName', storageClassName, dnsSubdomain(storageClassName));
  checkCapacity(errors, capacity);
  return errors;
}

function checkCapacity(errors: Errors, capacity: string | undefined): void {
  if (capacity !== undefined && compareQuantities(capacity, '0') < 0) {
    errors.push(invalid('capacity', canonicalQuantity(capacity), 'must be greater than or equal to 0'));
  }
}

/** Mirrors pkg/registry/storage/csistoragecapacity/strategy.go. */
export const csistoragecapacities = define(CSISTORAGECAPACITIES, {
  strategy: {
    allowUnconditionalUpdate: false,
    validateCreate: validate,
    validateUpdate(capacity, old) {
      const errors = validate(capacity);
      const { nodeTopology, storageClassName } = capacity;
      checkImmutable(errors, 'nodeTopology', nodeTopology ?? null, old.nodeTopology ?? null);
      checkImmutable(errors, 'storageClassName', storageClassName, old.storageClassName);
      return errors;
    },
  },
  columns: [
    nameColumn(),
    column('StorageClassName', 'string', ({ storageClassName }) => storageClassName ?? ''),
    column('Capacity', 'string', ({ capacity }) => capacity ?? '<unset>'),
  ],
});
