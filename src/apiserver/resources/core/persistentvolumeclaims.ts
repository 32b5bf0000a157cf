import { PERSISTENTVOLUMECLAIMS } from '../../../api/gen/resources.ts';
import type { PersistentVolumeClaim } from '../../../api/gen/types/core-v1.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import type { Errors } from '../validation/checks.ts';
import { CLASS_ANNOTATION, validateClaimChange, validateClaimStatus } from './claim-update.ts';
import { claimSpecWarnings } from './claim-warnings.ts';
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

function warnings({ metadata, spec }: PersistentVolumeClaim): string[] {
  const field = `metadata.annotations[${CLASS_ANNOTATION}]`;
  const text = 'deprecated since v1.8; use "storageClassName" attribute instead';
  return [
    ...(metadata?.annotations?.[CLASS_ANNOTATION] === undefined ? [] : [`${field}: ${text}`]),
    ...(spec ? claimSpecWarnings('spec', spec) : []),
  ];
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
    validateUpdate: (claim, old) => [...validate(claim), ...validateClaimChange(claim, old)],
    warningsOnCreate: warnings,
    warningsOnUpdate: warnings,
  },
  subresources: [statusOf(validateClaimStatus)],
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
