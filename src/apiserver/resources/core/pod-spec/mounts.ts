import type { Container, Volume, VolumeMount } from '../../../../api/gen/types/core-v1.ts';
import { forbidden, invalid, notSupported, required, valueNotFound } from '../../../field-error.ts';
import { at, checkLocalPath, child } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';

/** Mirrors ValidateVolumeMounts and ValidateVolumeDevices of pkg/apis/core/validation/validation.go. */
export function validateMounts(
  errors: Errors,
  path: string,
  container: Container,
  volumes: ReadonlyMap<string, Volume>,
): void {
  const devices = container.volumeDevices ?? [];
  const mounts = container.volumeMounts ?? [];
  const all = child(path, 'volumeMounts');
  const points = new Set<string>();
  mounts.forEach((mount, index) => {
    const here = at(all, index);
    if (!mount.name) errors.push(required(child(here, 'name')));
    if (!volumes.has(mount.name)) errors.push(valueNotFound(child(here, 'name'), mount.name));
    if (!mount.mountPath) errors.push(required(child(here, 'mountPath')));
    if (points.has(mount.mountPath)) {
      errors.push(invalid(child(here, 'mountPath'), mount.mountPath, 'must be unique'));
    }
    points.add(mount.mountPath);
    if (devices.some((device) => device.name === mount.name)) {
      errors.push(invalid(child(here, 'name'), mount.name, 'must not already exist in volumeDevices'));
    }
    if (devices.some((device) => device.devicePath === mount.mountPath)) {
      const why = 'must not already exist as a path in volumeDevices';
      errors.push(invalid(child(here, 'mountPath'), mount.mountPath, why));
    }
    if (mount.subPath) checkLocalPath(errors, child(all, 'subPath'), mount.subPath);
    if (mount.subPathExpr) {
      if (mount.subPath) {
        const why = 'subPathExpr and subPath are mutually exclusive';
        errors.push(invalid(child(here, 'subPathExpr'), mount.subPathExpr, why));
      }
      checkLocalPath(errors, child(all, 'subPathExpr'), mount.subPathExpr);
    }
    validatePropagation(errors, all, mount, container.securityContext?.privileged === true);
  });
  validateDevices(errors, child(path, 'volumeDevices'), container, volumes);
}

function validatePropagation(errors: Errors, path: string, mount: VolumeMount, privileged: boolean): void {
  const propagation = mount.mountPropagation;
  if (propagation !== undefined) {
    const field = child(path, 'mountPropagation');
    const supported = ['Bidirectional', 'HostToContainer', 'None'];
    if (!supported.includes(propagation)) errors.push(notSupported(field, propagation, supported));
    if (propagation === 'Bidirectional' && !privileged) {
      const why = 'Bidirectional mount propagation is available only to privileged containers';
      errors.push(forbidden(field, why));
    }
  }
  const recursive = mount.recursiveReadOnly;
  if (recursive === undefined || recursive === 'Disabled') return;
  const field = child(path, 'recursiveReadOnly');
  if (recursive !== 'Enabled' && recursive !== 'IfPossible') {
    errors.push(notSupported(field, recursive, ['Disabled', 'Enabled', 'IfPossible']));
    return;
  }
  if (!mount.readOnly) errors.push(forbidden(field, 'may only be specified when readOnly is true'));
  if (propagation !== undefined && propagation !== 'None') {
    const why = 'may only be specified when mountPropagation is None or not specified';
    errors.push(forbidden(field, why));
  }
}

function validateDevices(
  errors: Errors,
  path: string,
  container: Container,
  volumes: ReadonlyMap<string, Volume>,
): void {
  const mounts = container.volumeMounts ?? [];
  const paths = new Set<string>();
  const names = new Set<string>();
  (container.volumeDevices ?? []).forEach((device, index) => {
    const here = at(path, index);
    const { name, devicePath } = device;
    const volume = volumes.get(name);
    if (!name) errors.push(required(child(here, 'name')));
    if (names.has(name)) errors.push(invalid(child(here, 'name'), name, 'must be unique'));
    if (volume && !volume.persistentVolumeClaim && !volume.ephemeral) {
      const why = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
      errors.push(invalid(child(here, 'name'), name, why));
    }
    if (!volume) errors.push(valueNotFound(child(here, 'name'), name));
    if (!devicePath) errors.push(required(child(here, 'devicePath')));
    if (paths.has(devicePath)) {
      errors.push(invalid(child(here, 'devicePath'), devicePath, 'must be unique'));
    }
    if (devicePath?.split('/').includes('..')) {
      errors.push(invalid(child(here, 'devicePath'), devicePath, "can not contain backsteps ('..')"));
    } else {
      paths.add(devicePath);
    }
    if (mounts.some((mount) => mount.name === name)) {
      errors.push(invalid(child(here, 'name'), name, 'must not already exist in volumeMounts'));
    }
    if (mounts.some((mount) => mount.mountPath === devicePath)) {
      const why = 'must not already exist as a path in volumeMounts';
      errors.push(invalid(child(here, 'devicePath'), devicePath, why));
    }
    if (name) names.add(name);
  });
}
