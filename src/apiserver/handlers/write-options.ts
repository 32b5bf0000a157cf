import type { KubeObject } from '../../api/resource.ts';
import type { FieldError } from '../field-error.ts';
import { forbidden, invalid, notSupported, required, tooLong } from '../field-error.ts';
import { isTrue } from '../http/request-info.ts';
import { invalidObject } from '../status-errors.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** The query of a write; `object` is the same as admission shows it. */
export interface WriteOptions {
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: FieldValidation;
  /** Only for an apply: takes fields over from others. */
  force: boolean;
  object: KubeObject;
}

const MAX_FIELD_MANAGER = 128;

/** Reads and checks them. Mirrors apimachinery pkg/apis/meta/v1/validation/validation.go. */
export function parseWriteOptions(
  query: URLSearchParams,
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
  isApply = false,
): WriteOptions {
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  const fieldManager = query.get('fieldManager') ?? '';
  const fieldValidation = query.get('fieldValidation') ?? '';
  const force = kind === 'PatchOptions' ? query.get('force') : null;
  const errors: FieldError[] = [];
  if (isApply && fieldManager === '') errors.push(required('fieldManager', 'is required for apply patch'));
  if (!isApply && force !== null) errors.push(forbidden('force', 'may not be specified for non-apply patch'));
  errors.push(...fieldManagerErrors(fieldManager), ...dryRunErrors(dryRun));
  if (!['', 'Ignore', 'Warn', 'Strict'].includes(fieldValidation)) {
    errors.push(notSupported('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn']));
  }
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind }, '', errors);
  const object: KubeObject & Record<string, unknown> = { kind, apiVersion: 'meta.k8s.io/v1' };
  if (dryRun.length > 0) object.dryRun = dryRun;
  if (fieldManager !== '') object.fieldManager = fieldManager;
  if (force !== null) object.force = isTrue(force);
  if (fieldValidation !== '') object.fieldValidation = fieldValidation;
  return {
    dryRun: dryRun.length > 0,
    fieldManager,
    force: isTrue(force),
    fieldValidation: fieldValidation === '' ? 'Warn' : (fieldValidation as FieldValidation),
    object,
  };
}

export function dryRunErrors(dryRun: readonly string[]): FieldError[] {
  return dryRun.every((value) => value === 'All') ? [] : [notSupported('dryRun', [...dryRun], ['All'])];
}

function fieldManagerErrors(manager: string): FieldError[] {
  const errors: FieldError[] = [];
  if (Buffer.byteLength(manager) > MAX_FIELD_MANAGER) errors.push(tooLong('fieldManager', MAX_FIELD_MANAGER));
  let position = 0;
  for (const character of manager) {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) {
      const code = character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0') ?? '';
      errors.push(invalid('fieldManager', manager, `invalid character U+${code} (at position ${position})`));
    }
    position += Buffer.byteLength(character);
  }
  return errors;
}
