import { PERSISTENTVOLUMES } from '../../../api/gen/resources.ts';
import type { PersistentVolume } from '../../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { shortModes } from './persistentvolumeclaims.ts';
import { nodeTermWarnings } from './pod-spec/node-label-warnings.ts';
import { defaultRemoteVolume } from './pod-spec/defaults.ts';
import type { RemoteVolume } from './pod-spec/defaults.ts';
import { validatePersistentVolume, validatePersistentVolumeUpdate } from './persistentvolume-validation.ts';

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
      defaultRemoteVolume(volume.spec as RemoteVolume);
    },
    generation: false,
    prepareForCreate(volume, { now }) {
      volume.status = { phase: 'Pending', lastPhaseTransitionTime: rfc3339(now) };
    },
    prepareForUpdate: (volume, old) => statusStrategy.prepareForUpdate(volume, old),
    warningsOnCreate: warnings,
    warningsOnUpdate: warnings,
    validateCreate: validatePersistentVolume,
    validateUpdate: validatePersistentVolumeUpdate,
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
