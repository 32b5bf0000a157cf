import { VOLUMEATTRIBUTESCLASSES } from '../../../api/gen/resources.ts';
import type { VolumeAttributesClass } from '../../../api/gen/types/storage-v1.ts';
import { forbidden, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkFormat, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { qualifiedName } from '../validation/formats.ts';
import { checkParameters } from './parameters.ts';

/** Mirrors ValidateVolumeAttributesClass of pkg/apis/storage/validation/validation.go. */
function validate({ driverName, parameters }: VolumeAttributesClass): FieldError[] {
  const errors: Errors = [];
  if (!driverName) errors.push(required('driverName', driverName ?? ''));
  else checkFormat(errors, 'driverName', driverName.toLowerCase(), qualifiedName(driverName.toLowerCase()));
  checkParameters(errors, parameters, false);
  return errors;
}

const PROTECTION = 'kubernetes.io/vac-protection';

/** Mirrors pkg/registry/storage/volumeattributesclass/strategy.go. */
export const volumeattributesclasses = define(VOLUMEATTRIBUTESCLASSES, {
  shortNames: ['vac'],
  strategy: {
    // Classes that volumes use are kept until none does.
    prepareForCreate(one) {
      const metadata = (one.metadata ??= {});
      if (!metadata.finalizers?.includes(PROTECTION)) {
        metadata.finalizers = [...(metadata.finalizers ?? []), PROTECTION];
      }
    },
    validateCreate: validate,
    validateUpdate(one, old) {
      const errors: Errors = [];
      for (const field of ['driverName', 'parameters'] as const) {
        if (!sameJson(one[field], old[field])) {
          errors.push(forbidden(field, `updates to ${field} are forbidden.`));
        }
      }
      return [...errors, ...validate(one)];
    },
  },
  columns: [nameColumn(), column('DriverName', 'string', ({ driverName }) => driverName ?? ''), ageColumn()],
});
