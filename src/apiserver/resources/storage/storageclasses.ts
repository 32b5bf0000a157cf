import { STORAGECLASSES } from '../../../api/gen/resources.ts';
import type { StorageClass } from '../../../api/gen/types/storage-v1.ts';
import { required, tooLong } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkFormat, checkImmutable, checkOptionalEnum } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { qualifiedName } from '../validation/formats.ts';

const MAX_PARAMETERS = 512;

/** Mirrors ValidateStorageClass of pkg/apis/storage/validation/validation.go. */
function validate(storage: StorageClass): FieldError[] {
  const errors: Errors = [];
  if (!storage.provisioner) errors.push(required('provisioner'));
  else {
    const name = storage.provisioner.toLowerCase();
    checkFormat(errors, 'provisioner', name, qualifiedName(name));
  }
  if (Object.keys(storage.parameters ?? {}).length > MAX_PARAMETERS) {
    errors.push(tooLong('parameters', MAX_PARAMETERS));
  }
  checkOptionalEnum(errors, 'reclaimPolicy', storage.reclaimPolicy, ['Delete', 'Retain']);
  checkOptionalEnum(errors, 'volumeBindingMode', storage.volumeBindingMode, [
    'Immediate',
    'WaitForFirstConsumer',
  ]);
  return errors;
}

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/** Mirrors pkg/registry/storage/storageclass/strategy.go. */
export const storageclasses = define(STORAGECLASSES, {
  shortNames: ['sc'],
  strategy: {
    defaults(storage) {
      storage.reclaimPolicy ??= 'Delete';
      storage.volumeBindingMode ??= 'Immediate';
    },
    validateCreate: validate,
    validateUpdate(storage, old) {
      const errors: Errors = [];
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
