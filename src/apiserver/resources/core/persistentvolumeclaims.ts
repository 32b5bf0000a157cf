import { PERSISTENTVOLUMECLAIMS } from '../../../api/gen/resources.ts';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../../api/gen/types/core-v1.ts';
import { forbidden } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { cloneJson, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { describeDifference } from '../validation/difference.ts';
import { compareQuantities } from '../validation/quantities.ts';
import { defaultClaimSpec, dropUnservedSources, normalizeSources, validateClaimSpec } from './claim-spec.ts';

const SHORT_MODES: Readonly<Record<string, string>> = {
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOnce: 'RWO',
  ReadWriteOncePod: 'RWOP',
};

/** `RWO,ROX` in upstream's order. */
export function shortModes(modes: readonly string[] | undefined): string {
  const order = ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'];
  return order
    .filter((mode) => modes?.includes(mode))
    .map((mode) => SHORT_MODES[mode])
    .join(',');
}

function validate({ spec }: PersistentVolumeClaim): FieldError[] {
  const errors: Errors = [];
  if (spec) validateClaimSpec(errors, 'spec', spec);
  return errors;
}

/** Mirrors ValidatePersistentVolumeClaimUpdate: a bound claim can only grow. */
function validateUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const errors = validate(claim);
  const spec = claim.spec as PersistentVolumeClaimSpec;
  const before = old.spec as PersistentVolumeClaimSpec;
  const rest = cloneJson(spec);
  // Binding fills in the volume's name, once.
  if (!before.volumeName) delete rest.volumeName;
  const wanted = spec.resources?.requests?.['storage'];
  const had = before.resources?.requests?.['storage'];
  const bound = old.status?.phase === 'Bound';
  if (bound && wanted !== undefined && had !== undefined) {
    rest.resources = { ...rest.resources, requests: { ...rest.resources?.requests, storage: had } };
    const capacity = old.status?.capacity?.['storage'];
    if (
      compareQuantities(wanted, had) < 0 &&
      (capacity === undefined || compareQuantities(wanted, capacity) < 0)
    ) {
      errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'));
    }
  }
  if (bound || spec.volumeAttributesClassName !== undefined) {
    delete rest.volumeAttributesClassName;
    if (before.volumeAttributesClassName !== undefined) {
      rest.volumeAttributesClassName = before.volumeAttributesClassName;
    }
  }
  if (before.storageClassName === undefined && !before.volumeName) delete rest.storageClassName;
  if (!sameJson(rest, before)) {
    const why =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n' +
      describeDifference(before, rest);
    errors.push(forbidden('spec', why));
  }
  return errors;
}

/** Mirrors pkg/registry/core/persistentvolumeclaim/strategy.go. */
export const persistentvolumeclaims = define(PERSISTENTVOLUMECLAIMS, {
  shortNames: ['pvc'],
  strategy: {
    defaults(claim) {
      if (claim.spec) defaultClaimSpec(claim.spec);
      claim.status ??= {};
      claim.status.phase ||= 'Pending';
    },
    generation: false,
    prepareForCreate(claim) {
      claim.status = { phase: 'Pending' };
      if (!claim.spec) return;
      dropUnservedSources(claim.spec);
      normalizeSources(claim.spec);
    },
    prepareForUpdate(claim, old) {
      statusStrategy.prepareForUpdate(claim, old);
      if (claim.spec) normalizeSources(claim.spec);
    },
    validateCreate: validate,
    validateUpdate,
  },
  subresources: [statusOf<PersistentVolumeClaim>()],
  columns: [
    nameColumn(),
    column('Status', 'string', ({ metadata, status }) =>
      metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Volume', 'string', ({ spec }) => spec?.volumeName ?? ''),
    column('Capacity', 'string', ({ spec, status }) =>
      spec?.volumeName ? (status?.capacity?.['storage'] ?? '') : '',
    ),
    column('Access Modes', 'string', ({ spec, status }) =>
      spec?.volumeName ? shortModes(status?.accessModes) : '',
    ),
    column('StorageClass', 'string', ({ spec }) => spec?.storageClassName ?? ''),
    column('VolumeAttributesClass', 'string', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>'),
    ageColumn(),
    column('VolumeMode', 'string', ({ spec }) => spec?.volumeMode ?? '<unset>', 'wide'),
  ],
});
