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
import { nodeTermWarnings } from './pod-spec/node-label-warnings.ts';
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
function validateSpec(root: string, spec: PersistentVolumeSpec): FieldError[] {
  const errors: Errors = [];
  checkAccessModes(errors, `${root}.accessModes`, spec.accessModes);
  if (!spec.capacity?.['storage']) errors.push(required(`${root}.capacity`));
  else checkStorage(errors, `${root}.capacity`, spec.capacity);
  const policy = spec.persistentVolumeReclaimPolicy ?? '';
  if (policy && !['Delete', 'Recycle', 'Retain'].includes(policy)) {
    errors.push(
      notSupported(`${root}.persistentVolumeReclaimPolicy`, policy, ['Delete', 'Recycle', 'Retain']),
    );
  }
  const terms = spec.nodeAffinity?.required;
  if (spec.nodeAffinity && !terms) {
    errors.push(required(`${root}.nodeAffinity.required`, 'must specify required node constraints'));
  } else if (terms) {
    validateNodeSelector(errors, `${root}.nodeAffinity.required`, terms);
  }
  validateSource(errors, root, spec);
  if (spec.storageClassName) {
    checkFormat(
      errors,
      `${root}.storageClassName`,
      spec.storageClassName,
      dnsSubdomain(spec.storageClassName),
    );
  }
  if (spec.volumeMode !== undefined && !['Block', 'Filesystem'].includes(spec.volumeMode)) {
    errors.push(notSupported(`${root}.volumeMode`, spec.volumeMode, ['Block', 'Filesystem']));
  }
  return errors;
}

function validateSource(errors: Errors, root: string, spec: PersistentVolumeSpec): void {
  const [first, ...others] = SOURCES.filter((source) => spec[source] !== undefined);
  if (first === undefined) {
    errors.push(required(root, 'must specify a volume type'));
    return;
  }
  for (const source of others) {
    errors.push(forbidden(child(root, source), 'may not specify more than 1 volume type'));
  }
  for (const source of ['hostPath', 'local'] as const) {
    const path = spec[source]?.path;
    if (!spec[source]) continue;
    if (!path) errors.push(required(child(root, source, 'path')));
    else checkNoBacksteps(errors, child(root, source, 'path'), path);
  }
  if (spec.local && !spec.nodeAffinity) {
    errors.push(required('metadata.annotations', 'Local volume requires node affinity'));
  }
  if (spec.nfs) {
    for (const field of ['server', 'path'] as const) {
      if (!spec.nfs[field]) errors.push(required(child(`${root}.nfs`, field)));
    }
  }
  if (spec.csi) {
    if (!spec.csi.driver) errors.push(required(`${root}.csi.driver`));
    if (!spec.csi.volumeHandle) errors.push(required(`${root}.csi.volumeHandle`));
  }
}

function validate({ spec }: PersistentVolume): FieldError[] {
  return spec ? validateSpec('spec', spec) : [];
}

/** A volume that stands inside a VolumeAttachment: of a CSI driver, and without what binds it. */
export function validateInlineVolume(root: string, spec: PersistentVolumeSpec): FieldError[] {
  const errors: Errors = [];
  const inContext = 'in the context of inline volumes';
  if (spec.capacity) errors.push(forbidden(`${root}.capacity`, `may not be specified ${inContext}`));
  if (!spec.csi) errors.push(required(`${root}.csi`, `has to be specified ${inContext}`));
  if (spec.claimRef) errors.push(forbidden(`${root}.claimRef`, `may not be specified ${inContext}`));
  if ((spec.persistentVolumeReclaimPolicy ?? 'Retain') !== 'Retain') {
    errors.push(forbidden(`${root}.persistentVolumeReclaimPolicy`, `may only be Retain ${inContext}`));
  }
  if (spec.storageClassName) {
    errors.push(forbidden(`${root}.storageClassName`, `may not be specified ${inContext}`));
  }
  const capacity = `${root}.capacity`;
  return [...errors, ...validateSpec(root, spec).filter(({ field }) => !field.startsWith(capacity))];
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

/** In upstream's order. */
const DEAD_SOURCES = [
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
] as const;

const DEAD_ANNOTATIONS = [
  [
    'volume.beta.kubernetes.io/storage-class',
    'deprecated since v1.8; use "storageClassName" attribute instead',
  ],
  ['volume.beta.kubernetes.io/mount-options', 'deprecated since v1.31; use "mountOptions" attribute instead'],
] as const;

/** Mirrors GetWarningsForPersistentVolume of pkg/api/persistentvolume/util.go. */
function warnings({ metadata, spec }: PersistentVolume): string[] {
  if (!spec) return [];
  const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  return [
    ...DEAD_ANNOTATIONS.filter(([name]) => metadata?.annotations?.[name] !== undefined).map(
      ([name, why]) => `metadata.annotations[${name}]: ${why}`,
    ),
    ...(spec.persistentVolumeReclaimPolicy === 'Recycle'
      ? [
          'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
        ]
      : []),
    ...terms.flatMap((term, index) =>
      nodeTermWarnings(`spec.nodeAffinity.required.nodeSelectorTerms[${index}]`, term, false),
    ),
    ...DEAD_SOURCES.filter(([name]) => spec[name] !== undefined).map(
      ([name, why]) => `spec.${name === 'storageos' ? 'storageOS' : name}: ${why}`,
    ),
  ];
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
    warningsOnCreate: warnings,
    warningsOnUpdate: warnings,
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
