import type { Volume } from '../../../../api/gen/types/core-v1.ts';
import { invalid, notSupported, required } from '../../../field-error.ts';
import { checkDriverName } from '../../storage/driver-name.ts';
import { checkFormat, checkOptionalEnum, child, key } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { dnsLabel, inRangeMessage } from '../../validation/formats.ts';

export const REGISTRY = 'must be a host:port pair or multiple pairs separated by commas';
const QUALIFIED_NAME = 'must be valid format starting with iqn, eui, or naa';
export const ISCSI =
  /^(iqn\.\d{4}-\d{2}\.([a-zA-Z0-9.-]+)(:[^,;*&$|\s]+)|eui\.[a-zA-Z0-9]{16}|naa\.[a-zA-Z0-9]{32})$/;
const BLOB = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';
const CACHING_MODES = ['None', 'ReadOnly', 'ReadWrite'];
const MANAGED =
  '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';

/**
 * What disks of servers and clouds must say beyond the fields that they cannot do without. Mirrors the
 * validators of single sources in pkg/apis/core/validation/validation.go.
 */
export function validateDisk(errors: Errors, path: string, source: keyof Volume, volume: Volume): void {
  const here = child(path, source);
  const { nfs, quobyte, csi, flocker } = volume;
  if (nfs && !nfs.path?.startsWith('/')) {
    errors.push(invalid(child(here, 'path'), nfs.path ?? '', 'must be an absolute path'));
  }
  for (const address of quobyte?.registry?.split(',') ?? []) {
    if (address !== '' && !/^.+:[^:]+$/.test(address)) {
      errors.push(invalid(child(here, 'registry'), address, REGISTRY));
    }
  }
  if (csi) {
    if (csi.driver) checkDriverName(errors, child(here, 'driver'), csi.driver);
    if (csi.nodePublishSecretRef && !csi.nodePublishSecretRef.name) {
      errors.push(required(child(here, 'nodePublishSecretRef', 'name')));
    }
  }
  if (flocker) {
    if (!flocker.datasetName && !flocker.datasetUUID) {
      errors.push(required(here, 'one of datasetName and datasetUUID is required'));
    } else if (flocker.datasetName && flocker.datasetUUID) {
      const why = 'datasetName and datasetUUID can not be specified simultaneously';
      errors.push(invalid(here, 'resource', why));
    }
  }
  if (flocker?.datasetName?.includes('/')) {
    errors.push(invalid(child(here, 'datasetName'), flocker.datasetName, "must not contain '/'"));
  }
  for (const name of Object.keys(volume.flexVolume?.options ?? {})) {
    const domain = `.${(/^([^/]*)\//.exec(name)?.[1] ?? name).toLowerCase()}`;
    if (!domain.endsWith('.kubernetes.io') && !domain.endsWith('.k8s.io')) continue;
    const why = 'kubernetes.io and k8s.io namespaces are reserved';
    errors.push(invalid(key(child(here, 'options'), name), name, why));
  }
  for (const field of ['volumeName', 'volumeNamespace'] as const) {
    const name = volume.storageos?.[field];
    if (name) checkFormat(errors, child(here, field), name, dnsLabel(name));
  }
  validateIscsi(errors, here, volume.iscsi);
  validateFibre(errors, here, volume.fc);
  validateCloudDisk(errors, path, volume);
}

function validateIscsi(errors: Errors, here: string, iscsi: Volume['iscsi']): void {
  if (!iscsi) return;
  if (iscsi.iqn && !ISCSI.test(iscsi.iqn))
    errors.push(invalid(child(here, 'iqn'), iscsi.iqn, QUALIFIED_NAME));
  const lun = iscsi.lun ?? 0;
  if (lun < 0 || lun > 255) errors.push(invalid(child(here, 'lun'), lun, inRangeMessage(0, 255)));
  const chap = iscsi.chapAuthDiscovery || iscsi.chapAuthSession;
  if (chap && !iscsi.secretRef) errors.push(required(child(here, 'secretRef')));
  const { initiatorName } = iscsi;
  if (initiatorName !== undefined && !ISCSI.test(initiatorName)) {
    errors.push(invalid(child(here, 'initiatorname'), initiatorName, QUALIFIED_NAME));
  }
}

function validateFibre(errors: Errors, here: string, fc: Volume['fc']): void {
  if (!fc) return;
  const names = fc.targetWWNs ?? [];
  if (names.length === 0 && !fc.wwids?.length) {
    const why = 'must specify either targetWWNs or wwids, but not both';
    errors.push(required(child(here, 'targetWWNs'), why));
  }
  if (names.length > 0 && fc.wwids?.length) {
    const why = 'targetWWNs and wwids can not be specified simultaneously';
    errors.push(invalid(child(here, 'targetWWNs'), names, why));
  }
  if (names.length === 0) return;
  if (fc.lun === undefined) {
    errors.push(required(child(here, 'lun'), 'lun is required if targetWWNs is specified'));
  } else if (fc.lun < 0 || fc.lun > 255) {
    errors.push(invalid(child(here, 'lun'), fc.lun, inRangeMessage(0, 255)));
  }
}

function validateCloudDisk(errors: Errors, path: string, volume: Volume): void {
  const partition = (here: string, value: number | undefined) => {
    if (value !== undefined && (value < 0 || value > 255)) {
      errors.push(invalid(child(here, 'partition'), value, inRangeMessage(1, 255)));
    }
  };
  partition(child(path, 'persistentDisk'), volume.gcePersistentDisk?.partition);
  partition(child(path, 'awsElasticBlockStore'), volume.awsElasticBlockStore?.partition);
  const { azureDisk } = volume;
  if (!azureDisk) return;
  const disk = child(path, 'azureDisk');
  checkOptionalEnum(errors, child(disk, 'cachingMode'), azureDisk.cachingMode, CACHING_MODES);
  checkOptionalEnum(errors, child(disk, 'kind'), azureDisk.kind, ['Dedicated', 'Managed', 'Shared']);
  const uri = azureDisk.diskURI ?? '';
  const isManaged = azureDisk.kind === 'Managed';
  if (uri.startsWith(isManaged ? '/subscriptions/' : 'https://')) return;
  errors.push(notSupported(child(path, 'azureDisk', 'diskURI'), uri, [isManaged ? MANAGED : BLOB]));
}
