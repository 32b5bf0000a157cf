import { CONFIGMAPS } from '../../../api/gen/resources.ts';
import type { ConfigMap } from '../../../api/gen/types/core-v1.ts';
import { forbidden, invalid, tooLong } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkFormat, key, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { configMapKey } from '../validation/formats.ts';
import { FROZEN, MAX_DATA_BYTES, base64Bytes } from './secrets.ts';

/** Mirrors ValidateConfigMap of pkg/apis/core/validation/validation.go. */
function validate(config: ConfigMap): FieldError[] {
  const errors: Errors = [];
  let size = 0;
  for (const [name, value] of Object.entries(config.data ?? {})) {
    checkFormat(errors, key('data', name), name, configMapKey(name));
    if (config.binaryData?.[name] !== undefined) {
      errors.push(invalid(key('data', name), name, 'duplicate of key present in binaryData'));
    }
    size += Buffer.byteLength(value);
  }
  for (const [name, value] of Object.entries(config.binaryData ?? {})) {
    checkFormat(errors, key('binaryData', name), name, configMapKey(name));
    size += base64Bytes(value);
  }
  if (size > MAX_DATA_BYTES)
    // Upstream's path to the whole object.
    errors.push(tooLong('[]', MAX_DATA_BYTES));
  return errors;
}

/** Mirrors pkg/registry/core/configmap/strategy.go. */
export const configmaps = define(CONFIGMAPS, {
  shortNames: ['cm'],
  strategy: {
    validateCreate: validate,
    validateUpdate(config, old) {
      const errors: Errors = [];
      if (old.immutable) {
        if (!config.immutable) errors.push(forbidden('immutable', FROZEN));
        if (!sameJson(config.data, old.data)) errors.push(forbidden('data', FROZEN));
        if (!sameJson(config.binaryData, old.binaryData)) errors.push(forbidden('binaryData', FROZEN));
      }
      return [...errors, ...validate(config)];
    },
  },
  columns: [
    nameColumn(),
    column('Data', 'string', ({ data, binaryData }) =>
      String(Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length),
    ),
    ageColumn(),
  ],
});
