import { required, tooLong } from '../../field-error.ts';
import { checkFormat } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain } from '../validation/formats.ts';

const MAX_LENGTH = 63;

/** The name of a driver of storage or devices. Mirrors ValidateCSIDriverName of pkg/apis/core/validation/validation.go. */
export function checkDriverName(errors: Errors, path: string, name: string | undefined): void {
  if (!name) {
    errors.push(required(path));
    return;
  }
  if (name.length > MAX_LENGTH) errors.push(tooLong(path, MAX_LENGTH));
  checkFormat(errors, path, name, dnsSubdomain(name.toLowerCase()));
}
