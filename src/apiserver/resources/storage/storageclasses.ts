import { STORAGECLASSES } from '../../../api/gen/resources.ts';
import type { StorageClass } from '../../../api/gen/types/storage-v1.ts';
import { duplicate, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkFormat, checkImmutable, checkOptionalEnum } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { qualifiedName } from '../validation/formats.ts';
import { checkParameters } from './parameters.ts';

/** Mirrors ValidateStorageClass of pkg/apis/storage/validation/validation.go. */
function validate(storage: StorageClass): FieldError[] {
  const errors: Errors = [];
  if (!storage.provisioner) errors.push(required('provisioner'));
  else {
    const name = storage.provisioner.toLowerCase();
    checkFormat(errors, 'provisioner', name, qualifiedName(name));
  }
  checkParameters(errors, storage.parameters, true);
  checkOptionalEnum(errors, 'reclaimPolicy', storage.reclaimPolicy || undefined, ['Delete', 'Retain']);
  checkOptionalEnum(errors, 'volumeBindingMode', storage.volumeBindingMode, [
    'Immediate',
    'WaitForFirstConsumer',
  ]);
  checkTopologies(errors, storage.allowedTopologies);
  return errors;
}

/** Mirrors validateAllowedTopologies of the same file, which finds a term without expressions to be its own duplicate. */
function checkTopologies(errors: Errors, terms: StorageClass['allowedTopologies'] = []): void {
  const seen = new Set(terms.length > 0 ? ['[]'] : []);
  for (const [index, term] of terms.entries()) {
    const path = `allowedTopologies[${index}].matchLabelExpressions`;
    const values = new Map<string, string[]>();
    for (const [number, expression] of (term.matchLabelExpressions ?? []).entries()) {
      const here = `${path}[${number}]`;
      const name = expression.key ?? '';
      if (!expression.values?.length) errors.push(required(`${here}.values`));
      for (const [position, value] of (expression.values ?? []).entries()) {
        const before = expression.values?.slice(0, position) ?? [];
        if (before.includes(value)) errors.push(duplicate(`${here}.values[${position}]`, value));
      }
      checkFormat(errors, `${here}.key`, name, qualifiedName(name));
      if (values.has(name)) errors.push(duplicate(`${here}.key`, name));
      values.set(name, [...new Set(expression.values)].sort());
    }
    const whole = JSON.stringify([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
    if (seen.has(whole)) errors.push(duplicate(path, ''));
    seen.add(whole);
  }
}

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/** Mirrors pkg/registry/storage/storageclass/strategy.go. */
export const storageclasses = define(STORAGECLASSES, {
  shortNames: ['sc'],
  strategy: {
    returnsDeletedObject: true,
    defaults(storage) {
      storage.reclaimPolicy ??= 'Delete';
      storage.volumeBindingMode ??= 'Immediate';
    },
    validateCreate: validate,
    validateUpdate(storage, old) {
      const errors = validate(storage);
      for (const field of ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const) {
        checkImmutable(errors, field, storage[field], old[field]);
      }
      return errors;
    },
  },
  columns: [
    {
      ...nameColumn<StorageClass>(),
      cell: ({ metadata }) =>
        metadata?.annotations?.[DEFAULT_CLASS] === 'true'
          ? `${metadata.name} (default)`
          : (metadata?.name ?? ''),
    },
    column('Provisioner', 'string', ({ provisioner }) => provisioner),
    column('ReclaimPolicy', 'string', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
    column('VolumeBindingMode', 'string', ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate'),
    column('AllowVolumeExpansion', 'string', ({ allowVolumeExpansion }) =>
      String(allowVolumeExpansion ?? false),
    ),
    ageColumn(),
  ],
});
