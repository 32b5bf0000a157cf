import { invalid, required, tooLong } from '../../field-error.ts';
import type { Errors } from '../validation/checks.ts';

const MAX_PARAMETERS = 512;
const MAX_BYTES = 256 * 1024;

/** What a class tells its driver. Mirrors validateParameters of pkg/apis/storage/validation/validation.go. */
export function checkParameters(
  errors: Errors,
  parameters: Readonly<Record<string, string>> | undefined,
  allowEmpty: boolean,
): void {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > MAX_PARAMETERS) {
    errors.push(tooLong('parameters', MAX_PARAMETERS));
    return;
  }
  let bytes = 0;
  for (const [name, value] of entries) {
    if (name === '') errors.push(invalid('parameters', name, 'field can not be empty.'));
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > MAX_BYTES) errors.push(tooLong('parameters', MAX_BYTES));
  if (!allowEmpty && entries.length === 0) {
    errors.push(required('parameters', 'must contain at least one key/value pair'));
  }
}
