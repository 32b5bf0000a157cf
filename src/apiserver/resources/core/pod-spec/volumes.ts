import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  PodSpec,
  ProjectedVolumeSource,
  Volume,
  VolumeProjection,
} from '../../../../api/gen/types/core-v1.ts';
import { duplicate, forbidden, invalid, notSupported, required } from '../../../field-error.ts';
import {
  at,
  checkFormat,
  checkLabels,
  checkLabelSelector,
  checkLocalNonReservedPath,
  checkLocalPath,
  checkNoBacksteps,
  child,
} from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { dnsLabel, dnsSubdomain } from '../../validation/formats.ts';
import { compareQuantities } from '../../validation/quantities.ts';
import { VOLUME_FIELDS, validateFieldSelector, validateResourceSelector } from './env.ts';
import { REGISTRY, validateDisk } from './disks.ts';
import { requiredSourceFields } from './volume-fields.ts';

export const FILE_MODE_MESSAGE = 'must be a number between 0 and 0777 (octal), both inclusive';
const MAX_TOKEN_SECONDS = 2 ** 32;

export const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

/** The volumes that are well-formed, by name. Mirrors ValidateVolumes of pkg/apis/core/validation/validation.go. */
export function validateVolumes(
  errors: Errors,
  path: string,
  spec: PodSpec,
  podName: string | undefined,
): Map<string, Volume> {
  const valid = new Map<string, Volume>();
  const volumes = spec.volumes ?? [];
  const ownClaims = new Set(
    podName ? volumes.filter((volume) => volume.ephemeral).map((volume) => `${podName}-${volume.name}`) : [],
  );
  volumes.forEach((volume, index) => {
    const here = at(path, index);
    const found: Errors = [];
    validateSource(found, here, volume, podName);
    if (!volume.name) found.push(required(child(here, 'name')));
    else checkFormat(found, child(here, 'name'), volume.name, dnsLabel(volume.name));
    if (valid.has(volume.name)) found.push(duplicate(child(here, 'name'), volume.name));
    if (found.length === 0) valid.set(volume.name, volume);
    else errors.push(...found);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim !== undefined && ownClaims.has(claim)) {
      const why = 'must not reference a PVC that gets created for an ephemeral volume';
      errors.push(invalid(child(here, 'persistentVolumeClaim', 'claimName'), claim, why));
    }
  });
  return valid;
}

/** Sources in the order in which upstream looks at them: of several, the first is checked and the others refused. */
const SOURCES = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
] as const;

function validateSource(errors: Errors, path: string, volume: Volume, podName: string | undefined): void {
  const present = SOURCES.filter((source) => volume[source] !== undefined && volume[source] !== null);
  const [first, ...others] = present;
  if (first === undefined) {
    errors.push(required(path, 'must specify a volume type'));
    return;
  }
  validateOne(errors, path, first, volume, podName);
  for (const source of others) {
    errors.push(forbidden(child(path, source), 'may not specify more than 1 volume type'));
  }
}

function validateOne(
  errors: Errors,
  path: string,
  source: (typeof SOURCES)[number],
  volume: Volume,
  podName: string | undefined,
): void {
  const here = child(path, source);
  // Upstream's name of the field is another one in what it says.
  const said = source === 'gcePersistentDisk' ? child(path, 'persistentDisk') : here;
  for (const field of requiredSourceFields(source, volume)) {
    const why = field === 'registry' ? REGISTRY : '';
    errors.push(required(child(said, field), why));
  }
  const limit = volume.emptyDir?.sizeLimit;
  if (limit !== undefined && compareQuantities(limit, '0') < 0) {
    errors.push(forbidden(child(here, 'sizeLimit'), 'SizeLimit field must be a valid resource quantity'));
  }
  if (volume.hostPath?.path) {
    checkNoBacksteps(errors, child(here, 'path'), volume.hostPath.path);
    const type = volume.hostPath.type ?? '';
    if (!HOST_PATH_TYPES.includes(type)) {
      errors.push(notSupported(child(here, 'type'), type, HOST_PATH_TYPES));
    }
  }
  if (volume.gitRepo) checkLocalPath(errors, child(here, 'directory'), volume.gitRepo.directory ?? '');
  validateDisk(errors, path, source, volume);
  for (const keyed of [volume.secret, volume.configMap]) {
    if (!keyed) continue;
    checkMode(errors, child(here, 'defaultMode'), keyed.defaultMode);
    (keyed.items ?? []).forEach((item, index) => {
      validateKeyToPath(errors, at(child(here, 'items'), index), item);
    });
  }
  if (volume.downwardAPI) {
    checkMode(errors, child(here, 'defaultMode'), volume.downwardAPI.defaultMode);
    for (const file of volume.downwardAPI.items ?? []) validateDownwardFile(errors, here, file);
  }
  if (volume.projected) validateProjected(errors, here, volume.projected);
  if (volume.ephemeral) validateEphemeral(errors, path, volume, podName);
  if (volume.image && !['Always', 'IfNotPresent', 'Never', undefined, ''].includes(volume.image.pullPolicy)) {
    const field = child(here, 'pullPolicy');
    errors.push(notSupported(field, volume.image.pullPolicy, ['Always', 'IfNotPresent', 'Never']));
  }
}

function validateEphemeral(errors: Errors, path: string, volume: Volume, podName: string | undefined): void {
  const template = volume.ephemeral?.volumeClaimTemplate;
  const here = child(path, 'ephemeral', 'volumeClaimTemplate');
  if (template && !template.spec?.accessModes?.length) {
    errors.push(required(child(here, 'spec', 'accessModes'), 'at least 1 access mode is required'));
  }
  if (template && !template.spec?.resources?.requests?.storage) {
    errors.push(required(child(here, 'spec', 'resources[storage]')));
  }
  const metadata = template?.metadata ?? {};
  for (const field of Object.keys(metadata)) {
    if (field === 'labels' || field === 'annotations' || field === 'creationTimestamp') continue;
    errors.push(forbidden(child(here, 'metadata', field), 'cannot be set'));
  }
  checkLabels(errors, child(here, 'metadata', 'labels'), metadata.labels);
  if (!podName || !volume.name) return;
  const claim = `${podName}-${volume.name}`;
  for (const problem of dnsSubdomain(claim)) {
    errors.push(invalid(child(path, 'name'), volume.name, `PVC name ${JSON.stringify(claim)}: ${problem}`));
  }
}

export function checkMode(errors: Errors, path: string, mode: number | undefined): void {
  if (mode !== undefined && (mode > 511 || mode < 0)) errors.push(invalid(path, mode, FILE_MODE_MESSAGE));
}

function validateKeyToPath(errors: Errors, path: string, item: KeyToPath): void {
  if (!item.key) errors.push(required(child(path, 'key')));
  if (!item.path) errors.push(required(child(path, 'path')));
  checkLocalNonReservedPath(errors, child(path, 'path'), item.path ?? '');
  checkMode(errors, child(path, 'mode'), item.mode);
}

function validateDownwardFile(errors: Errors, path: string, file: DownwardAPIVolumeFile): void {
  if (!file.path) errors.push(required(child(path, 'path')));
  checkLocalNonReservedPath(errors, child(path, 'path'), file.path ?? '');
  if (file.fieldRef) {
    validateFieldSelector(errors, child(path, 'fieldRef'), file.fieldRef, VOLUME_FIELDS);
    if (file.resourceFieldRef) {
      const why = 'fieldRef and resourceFieldRef can not be specified simultaneously';
      errors.push(invalid(path, 'resource', why));
    }
  } else if (file.resourceFieldRef) {
    validateResourceSelector(errors, child(path, 'resourceFieldRef'), file.resourceFieldRef, true);
  } else {
    errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'));
  }
  checkMode(errors, child(path, 'mode'), file.mode);
}

function validateProjected(errors: Errors, path: string, projected: ProjectedVolumeSource): void {
  checkMode(errors, child(path, 'defaultMode'), projected.defaultMode);
  const paths = new Set<string>();
  const claim = (wanted: string | undefined, shown: string) => {
    if (!wanted) return;
    if (paths.has(wanted)) errors.push(invalid(path, shown, 'conflicting duplicate paths'));
    paths.add(wanted);
  };
  (projected.sources ?? []).forEach((source, index) => {
    const here = at(child(path, 'sources'), index);
    const kinds = Object.keys(source).filter((name) => source[name as keyof VolumeProjection] !== undefined);
    for (const kind of ['secret', 'configMap'] as const) {
      const keyed = source[kind];
      if (!keyed) continue;
      if (!keyed.name) errors.push(required(child(here, kind, 'name')));
      (keyed.items ?? []).forEach((item, number) => {
        validateKeyToPath(errors, at(child(here, kind, 'items'), number), item);
        claim(item.path, keyed.name ?? '');
      });
    }
    for (const file of source.downwardAPI?.items ?? []) {
      validateDownwardFile(errors, child(here, 'downwardAPI'), file);
      claim(file.path, file.path);
    }
    validateToken(errors, path, child(here, 'serviceAccountToken'), source);
    validateTrustBundle(errors, child(here, 'clusterTrustBundle'), source, claim);
    if (kinds.length > 1) errors.push(forbidden(here, 'may not specify more than 1 volume type per source'));
  });
}

function validateToken(errors: Errors, path: string, here: string, source: VolumeProjection): void {
  const token = source.serviceAccountToken;
  if (!token) return;
  const seconds = token.expirationSeconds ?? 3600;
  if (seconds < 600) {
    const why = 'may not specify a duration less than 10 minutes';
    errors.push(invalid(child(here, 'expirationSeconds'), seconds, why));
  }
  if (seconds > MAX_TOKEN_SECONDS) {
    const why = 'may not specify a duration larger than 2^32 seconds';
    errors.push(invalid(child(here, 'expirationSeconds'), seconds, why));
  }
  if (!token.path) errors.push(required(child(path, 'path')));
  else checkLocalNonReservedPath(errors, child(path, 'path'), token.path);
}

function validateTrustBundle(
  errors: Errors,
  here: string,
  source: VolumeProjection,
  claim: (wanted: string | undefined, shown: string) => void,
): void {
  const bundle = source.clusterTrustBundle;
  if (!bundle) return;
  if (bundle.name !== undefined && bundle.signerName !== undefined) {
    errors.push(invalid(here, bundle, 'only one of name and signerName may be used'));
  } else if (bundle.name !== undefined) {
    if (bundle.name === '') errors.push(required(child(here, 'name'), 'must be a valid object name'));
    if (bundle.labelSelector) {
      const why = 'labelSelector must be unset if name is specified';
      errors.push(invalid(child(here, 'labelSelector'), bundle.labelSelector, why));
    }
  } else if (bundle.signerName !== undefined) {
    if (bundle.signerName === '') {
      errors.push(required(child(here, 'signerName'), 'must be a valid signer name'));
    }
    checkLabelSelector(errors, child(here, 'labelSelector'), bundle.labelSelector);
  } else {
    errors.push(required(here, 'either name or signerName must be specified'));
  }
  if (!bundle.path) errors.push(required(child(here, 'path')));
  checkLocalNonReservedPath(errors, child(here, 'path'), bundle.path ?? '');
  claim(bundle.path, bundle.path);
}
