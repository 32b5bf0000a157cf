import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../../api/gen/types/core-v1.ts';
import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { checkFormat, checkImmutable, child, cloneJson, key, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { describeDifference } from '../validation/difference.ts';
import { qualifiedName } from '../validation/formats.ts';
import { compareQuantities, roundedUp } from '../validation/quantities.ts';
import { mayOvercommit } from './pod-spec/resource-requirements.ts';

/** The storage class as it was named before there was a field. */
export const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

const RESIZING = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
];

/** Mirrors ValidatePersistentVolumeClaimUpdate of pkg/apis/core/validation/validation.go: a bound claim can only grow. */
export function validateClaimChange(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const errors: Errors = [];
  const spec = claim.spec as PersistentVolumeClaimSpec;
  const before = old.spec as PersistentVolumeClaimSpec;
  const rest = cloneJson(spec);
  // Binding fills in the volume's name, once.
  if (!before.volumeName) delete rest.volumeName;
  keepClass(errors, rest, claim, old);
  const wanted = spec.resources?.requests?.['storage'];
  const had = before.resources?.requests?.['storage'];
  if (claim.status?.phase === 'Bound') {
    if (rest.resources?.requests && had !== undefined) rest.resources.requests['storage'] = had;
    delete rest.volumeAttributesClassName;
    if (before.volumeAttributesClassName !== undefined) {
      rest.volumeAttributesClassName = before.volumeAttributesClassName;
    }
  }
  if (!sameJson(rest, before)) {
    const why =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n' +
      describeDifference(before, rest);
    errors.push(forbidden('spec', why));
  }
  const capacity = old.status?.capacity?.['storage'] ?? '0';
  if (compareQuantities(wanted ?? '0', had ?? '0') < 0 && compareQuantities(wanted ?? '0', capacity) <= 0) {
    errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'));
  }
  checkImmutable(errors, 'volumeMode', spec.volumeMode ?? null, before.volumeMode ?? null);
  checkAttributesClass(errors, spec.volumeAttributesClassName, old);
  return errors;
}

/** The class may move from the annotation into the field, or be set where there was none. */
function keepClass(
  errors: Errors,
  rest: PersistentVolumeClaimSpec,
  claim: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
): void {
  const was = old.metadata?.annotations?.[CLASS_ANNOTATION];
  const is = claim.metadata?.annotations?.[CLASS_ANNOTATION];
  const field = old.spec?.storageClassName;
  const moved =
    was !== undefined &&
    field === undefined &&
    rest.storageClassName === was &&
    (is === undefined || is === was);
  if (moved) {
    delete rest.storageClassName;
    return;
  }
  if ((is ?? '') !== (was ?? '')) {
    const path = child('metadata.annotations', CLASS_ANNOTATION);
    errors.push(invalid(path, is ?? '', 'field is immutable'));
  }
  if (field === undefined && (was === undefined || rest.storageClassName === was))
    delete rest.storageClassName;
}

/** Once a class of attributes is in force, the claim has one. */
function checkAttributesClass(
  errors: Errors,
  name: string | undefined,
  { spec, status }: PersistentVolumeClaim,
): void {
  if (name === spec?.volumeAttributesClassName || status?.currentVolumeAttributesClassName === undefined)
    return;
  if (name) return;
  const what = name === undefined ? 'nil' : 'empty string';
  const why = `update to ${what} is forbidden when status.currentVolumeAttributesClassName is not nil`;
  errors.push(forbidden('spec.volumeAttributesClassName', why));
}

/** Mirrors ValidatePersistentVolumeClaimStatusUpdate. */
export function validateClaimStatus({ spec, status }: PersistentVolumeClaim): FieldError[] {
  const errors: Errors = [];
  if (!spec?.accessModes?.length) errors.push(required('Spec.accessModes'));
  const amount = (path: string, value: string): void => {
    if (compareQuantities(value, '0') >= 0) return;
    errors.push(invalid(path, roundedUp(value), 'must be a valid resource quantity'));
  };
  for (const [name, value] of Object.entries(status?.capacity ?? {})) {
    amount(key('status.capacity', name), value);
  }
  for (const [name, value] of Object.entries(status?.allocatedResourceStatuses ?? {})) {
    checkName(errors, 'status.allocatedResourceStatuses', name);
    // Upstream shows the name here.
    if (!RESIZING.includes(value)) {
      errors.push(notSupported('status.allocatedResourceStatuses', name, RESIZING));
    }
  }
  for (const [name, value] of Object.entries(status?.allocatedResources ?? {})) {
    if (checkName(errors, 'status.allocatedResources', name)) {
      amount(key('status.allocatedResources', name), value);
    }
  }
  return errors;
}

function checkName(errors: Errors, path: string, name: string): boolean {
  const problems = qualifiedName(name);
  checkFormat(errors, path, name, problems);
  if (problems.length > 0) return false;
  if (!mayOvercommit(name) || name === 'storage') return true;
  errors.push(notSupported(path, name, ['storage']));
  return false;
}
