import { PERSISTENTVOLUMES } from '../../../api/gen/resources.ts';
import type { PersistentVolume, PersistentVolumeSpec } from '../../../api/gen/types/core-v1.ts';
import { forbidden, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { checkFormat, checkImmutable, checkNoBacksteps, child, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain } from '../validation/formats.ts';
import { checkAccessModes, checkStorage } from './claim-spec.ts';
import { shortModes } from './persistentvolumeclaims.ts';
import { validateNodeSelector } from './pod-spec/scheduling.ts';

const SOURCES = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
] as const satisfies ReadonlyArray<keyof PersistentVolumeSpec>;

/** Mirrors ValidatePersistentVolumeSpec of pkg/apis/core/validation/validation.go. */
function validate({ spec }: PersistentVolume): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  checkAccessModes(errors, 'spec.accessModes', spec.accessModes);
  if (!spec.capacity?.['storage']) errors.push(required('spec.capacity'));
  else checkStorage(errors, 'spec.capacity', spec.capacity);
  const policy = spec.persistentVolumeReclaimPolicy ?? '';
  if (policy && !['Delete', 'Recycle', 'Retain'].includes(policy)) {
    errors.push(notSupported('spec.persistentVolumeReclaimPolicy', policy, ['Delete', 'Recycle', 'Retain']));
  }
  const terms = spec.nodeAffinity?.required;
  if (spec.nodeAffinity && !terms) {
    errors.push(required('spec.nodeAffinity.required', 'must specify required node constraints'));
  } else if (terms) {
    validateNodeSelector(errors, 'spec.nodeAffinity.required', terms);
  }
  validateSource(errors, spec);
  if (spec.storageClassName) {
    checkFormat(errors, 'spec.storageClassName', spec.storageClassName, dnsSubdomain(spec.storageClassName));
  }
  if (spec.volumeMode !== undefined && !['Block', 'Filesystem'].includes(spec.volumeMode)) {
    errors.push(notSupported('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem']));
  }
  return errors;
}

function validateSource(errors: Errors, spec: PersistentVolumeSpec): void {
  const [first, ...others] = SOURCES.filter((source) => spec[source] !== undefined);
  if (first === undefined) {
    errors.push(required('spec', 'must specify a volume type'));
    return;
  }
  for (const source of others) {
    errors.push(forbidden(child('spec', source), 'may not specify more than 1 volume type'));
  }
  for (const source of ['hostPath', 'local'] as const) {
    const path = spec[source]?.path;
    if (!spec[source]) continue;
    if (!path) errors.push(required(child('spec', source, 'path')));
    else checkNoBacksteps(errors, child('spec', source, 'path'), path);
  }
  if (spec.local && !spec.nodeAffinity) {
    errors.push(required('metadata.annotations', 'Local volume requires node affinity'));
  }
  if (spec.nfs) {
    for (const field of ['server', 'path'] as const) {
      if (!spec.nfs[field]) errors.push(required(child('spec.nfs', field)));
    }
  }
  if (spec.csi) {
    if (!spec.csi.driver) errors.push(required('spec.csi.driver'));
    if (!spec.csi.volumeHandle) errors.push(required('spec.csi.volumeHandle'));
  }
}

function validateUpdate(volume: PersistentVolume, old: PersistentVolume): FieldError[] {
  const errors = validate(volume);
  for (const source of SOURCES) {
    if (sameJson(volume.spec?.[source], old.spec?.[source])) continue;
    errors.push(
      forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'),
    );
    break;
  }
  checkImmutable(errors, 'spec.volumeMode', volume.spec?.volumeMode, old.spec?.volumeMode);
  if (old.spec?.nodeAffinity) {
    checkImmutable(errors, 'spec.nodeAffinity', volume.spec?.nodeAffinity, old.spec.nodeAffinity);
  }
  return errors;
}

function claim({ spec }: PersistentVolume): string {
  return spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '';
}

/** Mirrors pkg/registry/core/persistentvolume/strategy.go. */
export const persistentvolumes = define(PERSISTENTVOLUMES, {
  shortNames: ['pv'],
  strategy: {
    defaults(volume) {
      volume.status ??= {};
      volume.status.phase ||= 'Pending';
      if (!volume.spec) return;
      volume.spec.persistentVolumeReclaimPolicy ||= 'Retain';
      volume.spec.volumeMode ??= 'Filesystem';
      if (volume.spec.hostPath) volume.spec.hostPath.type ??= '';
    },
    generation: false,
    prepareForCreate(volume, { now }) {
      volume.status = { phase: 'Pending', lastPhaseTransitionTime: rfc3339(now) };
    },
    prepareForUpdate: (volume, old) => statusStrategy.prepareForUpdate(volume, old),
    validateCreate: validate,
    validateUpdate,
  },
  subresources: [statusOf<PersistentVolume>()],
  fields: ({ metadata }) => ({ name: metadata?.name ?? '' }),
  selectableFields: ['name'],
  columns: [
    nameColumn(),
    column('Capacity', 'string', ({ spec }) => spec?.capacity?.['storage'] ?? ''),
    column('Access Modes', 'string', ({ spec }) => shortModes(spec?.accessModes)),
    column('Reclaim Policy', 'string', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
    column('Status', 'string', ({ metadata, status }) =>
      metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Claim', 'string', claim),
    column('StorageClass', 'string', ({ spec }) => spec?.storageClassName ?? ''),
    column('VolumeAttributesClass', 'string', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>'),
    column('Reason', 'string', ({ status }) => status?.reason ?? ''),
    ageColumn(),
    column('VolumeMode', 'string', ({ spec }) => spec?.volumeMode ?? '<unset>', 'wide'),
  ],
});
