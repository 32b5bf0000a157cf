import type { PersistentVolumeSpec, Volume } from '../../../api/gen/types/core-v1.ts';
import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { checkDriverName } from '../storage/driver-name.ts';
import { checkFormat, checkNoBacksteps, child } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel } from '../validation/formats.ts';
import { ISCSI, REGISTRY, validateDisk } from './pod-spec/disks.ts';
import { requiredSourceFields } from './pod-spec/volume-fields.ts';
import { HOST_PATH_TYPES } from './pod-spec/volumes.ts';

/** What a PersistentVolume may be, in the order in which upstream looks at them. */
export const PERSISTENT_SOURCES = [
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

type Source = (typeof PERSISTENT_SOURCES)[number];

const CSI_SECRETS = [
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
] as const;

/** Sources whose file systems take options of their mounts. */
const MOUNTED: readonly Source[] = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'cinder',
  'cephfs',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk',
];

export function takesMountOptions(spec: PersistentVolumeSpec): boolean {
  return MOUNTED.some((source) => spec[source] !== undefined);
}

/** The one source of a volume. Mirrors the validators of sources in pkg/apis/core/validation/validation.go. */
export function validatePersistentSource(
  errors: Errors,
  path: string,
  spec: PersistentVolumeSpec,
  name: string,
): void {
  const [first, ...others] = PERSISTENT_SOURCES.filter((source) => spec[source] !== undefined);
  if (first === undefined) {
    errors.push(required(path, 'must specify a volume type'));
    return;
  }
  validateSource(errors, path, spec, first, name);
  for (const source of others) {
    errors.push(forbidden(child(path, source), 'may not specify more than 1 volume type'));
  }
}

function validateSource(
  errors: Errors,
  path: string,
  spec: PersistentVolumeSpec,
  source: Source,
  name: string,
): void {
  const here = child(path, source);
  if (source === 'csi') validateCsi(errors, here, spec);
  else if (source === 'local') validateLocal(errors, path, spec);
  else {
    // The rest are as in pods, but for the secrets, which have namespaces here.
    const volume = { ...spec, name: '' } as unknown as Volume;
    const said = source === 'gcePersistentDisk' ? child(path, 'persistentDisk') : here;
    for (const field of requiredSourceFields(source, volume)) {
      errors.push(required(child(said, field), field === 'registry' ? REGISTRY : ''));
    }
    if (source === 'iscsi') validateIscsi(errors, here, spec, name);
    else validateDisk(errors, path, source, volume);
  }
  const directory = spec.hostPath?.path;
  if (directory) {
    checkNoBacksteps(errors, child(here, 'path'), directory);
    const type = spec.hostPath?.type ?? '';
    if (!HOST_PATH_TYPES.includes(type)) {
      errors.push(notSupported(child(here, 'type'), type, HOST_PATH_TYPES));
    }
  }
  validateSecrets(errors, here, spec, source);
}

function validateSecrets(errors: Errors, here: string, spec: PersistentVolumeSpec, source: Source): void {
  const namespace = spec.glusterfs?.endpointsNamespace;
  if (namespace === '') {
    const why = 'if the endpointnamespace is set, it must be a valid namespace name';
    errors.push(invalid(child(here, 'endpointsNamespace'), namespace, why));
  } else if (namespace !== undefined) {
    checkFormat(errors, child(here, 'endpointsNamespace'), namespace, dnsLabel(namespace));
  }
  if (spec.azureFile?.secretNamespace === '') errors.push(required(child(here, 'secretNamespace')));
  if (source !== 'cinder' && source !== 'storageos') return;
  checkSecret(errors, child(here, 'secretRef'), spec[source]?.secretRef);
}

function checkSecret(
  errors: Errors,
  path: string,
  secret: { name?: string; namespace?: string } | undefined,
): void {
  if (!secret) return;
  for (const field of ['name', 'namespace'] as const) {
    if (!secret[field]) errors.push(required(child(path, field)));
  }
}

function validateCsi(errors: Errors, here: string, { csi }: PersistentVolumeSpec): void {
  checkDriverName(errors, child(here, 'driver'), csi?.driver);
  if (!csi?.volumeHandle) errors.push(required(child(here, 'volumeHandle')));
  for (const field of CSI_SECRETS) checkSecret(errors, child(here, field), csi?.[field]);
}

function validateLocal(errors: Errors, path: string, { local, nodeAffinity }: PersistentVolumeSpec): void {
  if (!local?.path) errors.push(required(child(path, 'local', 'path')));
  else checkNoBacksteps(errors, child(path, 'local', 'path'), local.path);
  if (!nodeAffinity)
    errors.push(required(child(path, 'nodeAffinity'), 'Local volume requires node affinity'));
}

function validateIscsi(errors: Errors, here: string, { iscsi }: PersistentVolumeSpec, name: string): void {
  if (!iscsi) return;
  const { iqn, lun = 0, initiatorName, targetPortal = '' } = iscsi as Partial<typeof iscsi>;
  if (initiatorName !== undefined && `${name}:${targetPortal}`.length > 64) {
    const why =
      'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
    errors.push(invalid(child(here, 'targetportal'), targetPortal, why));
  }
  if (iqn && !ISCSI.test(iqn)) errors.push(invalid(child(here, 'iqn'), iqn, 'must be valid format'));
  if (lun < 0 || lun > 255) {
    errors.push(invalid(child(here, 'lun'), lun, 'must be between 0 and 255, inclusive'));
  }
  if ((iscsi.chapAuthDiscovery || iscsi.chapAuthSession) && !iscsi.secretRef) {
    errors.push(required(child(here, 'secretRef')));
  }
  if (iscsi.secretRef && !iscsi.secretRef.name) errors.push(required(child(here, 'secretRef', 'name')));
  if (initiatorName !== undefined && !ISCSI.test(initiatorName)) {
    errors.push(invalid(child(here, 'initiatorname'), initiatorName, 'must be valid format'));
  }
}
