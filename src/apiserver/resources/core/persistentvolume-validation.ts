import { posix } from 'node:path';
import type { PersistentVolume, PersistentVolumeSpec } from '../../../api/gen/types/core-v1.ts';
import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import {
  checkFormat,
  checkImmutable,
  checkOptionalEnum,
  child,
  key,
  sameJson,
} from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain } from '../validation/formats.ts';
import { canonicalQuantity, compareQuantities, roundedUp } from '../validation/quantities.ts';
import { checkAccessModes } from './claim-spec.ts';
import { PERSISTENT_SOURCES, takesMountOptions, validatePersistentSource } from './persistent-sources.ts';
import { validateNodeSelector } from './pod-spec/scheduling.ts';

const POLICIES = ['Delete', 'Recycle', 'Retain'];
const MOUNT_OPTIONS = 'volume.beta.kubernetes.io/mount-options';

/** Mirrors ValidatePersistentVolumeSpec of pkg/apis/core/validation/validation.go, but for the capacity. */
function validateSpec(errors: Errors, root: string, spec: PersistentVolumeSpec, name: string): void {
  const modes = `${root}.accessModes`;
  if (!spec.accessModes?.length) errors.push(required(modes));
  else checkAccessModes(errors, modes, spec.accessModes);
  const policy = spec.persistentVolumeReclaimPolicy ?? '';
  const policyField = `${root}.persistentVolumeReclaimPolicy`;
  if (policy && !POLICIES.includes(policy)) errors.push(notSupported(policyField, policy, POLICIES));
  const terms = spec.nodeAffinity?.required;
  if (spec.nodeAffinity && !terms) {
    errors.push(required(`${root}.nodeAffinity.required`, 'must specify required node constraints'));
  } else if (terms) {
    validateNodeSelector(errors, `${root}.nodeAffinity.required`, terms);
  }
  validatePersistentSource(errors, root, spec, name);
  if (spec.hostPath?.path && posix.normalize(`${spec.hostPath.path}/`) === '/' && policy === 'Recycle') {
    errors.push(forbidden(policyField, "may not be 'recycle' for a hostPath mount of '/'"));
  }
  const { storageClassName, volumeMode, volumeAttributesClassName: attributes } = spec;
  if (storageClassName) {
    checkFormat(errors, `${root}.storageClassName`, storageClassName, dnsSubdomain(storageClassName));
  }
  checkOptionalEnum(errors, `${root}.volumeMode`, volumeMode, ['Block', 'Filesystem']);
  if (attributes === undefined) return;
  const field = `${root}.volumeAttributesClassName`;
  if (attributes === '') errors.push(required(field, 'an empty string is disallowed'));
  else checkFormat(errors, field, attributes, dnsSubdomain(attributes));
  if (!spec.csi) {
    errors.push(required(`${root}.csi`, 'has to be specified when using volumeAttributesClassName'));
  }
}

function checkCapacity(errors: Errors, path: string, capacity: Record<string, string> | undefined): void {
  const names = Object.keys(capacity ?? {});
  if (names.length === 0) errors.push(required(path));
  if (names.length !== 1 || names[0] !== 'storage') {
    errors.push(notSupported(path, capacity ?? {}, ['storage']));
  }
  for (const [name, amount] of Object.entries(capacity ?? {})) {
    if (compareQuantities(amount, '0') > 0) continue;
    if (compareQuantities(amount, '0') < 0) {
      errors.push(invalid(key(path, name), roundedUp(amount), 'must be a valid resource quantity'));
    }
    errors.push(invalid(key(path, name), canonicalQuantity(amount), 'must be greater than zero'));
  }
}

export function validatePersistentVolume({ metadata, spec }: PersistentVolume): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  checkCapacity(errors, 'spec.capacity', spec.capacity);
  validateSpec(errors, 'spec', spec, metadata?.name ?? '');
  if (metadata?.annotations?.[MOUNT_OPTIONS] !== undefined && !takesMountOptions(spec)) {
    const why = 'may not specify mount options for this volume type';
    errors.push(forbidden(child('metadata.annotations', MOUNT_OPTIONS), why));
  }
  return errors;
}

/** A volume that stands inside a VolumeAttachment: of a CSI driver, and without what binds it. */
export function validateInlineVolume(root: string, spec: PersistentVolumeSpec): FieldError[] {
  const errors: Errors = [];
  const inContext = 'in the context of inline volumes';
  for (const field of ['claimRef', 'capacity', 'nodeAffinity'] as const) {
    if (spec[field]) errors.push(forbidden(`${root}.${field}`, `may not be specified ${inContext}`));
  }
  if (!spec.csi) errors.push(required(`${root}.csi`, `has to be specified ${inContext}`));
  if ((spec.persistentVolumeReclaimPolicy ?? 'Retain') !== 'Retain') {
    errors.push(forbidden(`${root}.persistentVolumeReclaimPolicy`, `may only be Retain ${inContext}`));
  }
  if (spec.storageClassName) {
    errors.push(forbidden(`${root}.storageClassName`, `may not be specified ${inContext}`));
  }
  if ((spec.volumeMode ?? 'Filesystem') !== 'Filesystem') {
    const why = `may not specify volumeMode other than Filesystem ${inContext}`;
    errors.push(forbidden(`${root}.volumeMode`, why));
  }
  const {
    storageClassName: _class,
    volumeMode: _mode,
    persistentVolumeReclaimPolicy: _policy,
    ...rest
  } = spec;
  delete rest.nodeAffinity;
  validateSpec(errors, root, rest, '');
  return errors;
}

/** Mirrors ValidatePersistentVolumeUpdate. */
export function validatePersistentVolumeUpdate(
  volume: PersistentVolume,
  old: PersistentVolume,
): FieldError[] {
  const errors: Errors = validatePersistentVolume(volume);
  const { spec } = volume;
  const { spec: before } = old;
  const csi = withoutNewSecret(spec?.csi, before?.csi);
  const same = PERSISTENT_SOURCES.every((source) =>
    sameJson(source === 'csi' ? csi : spec?.[source], before?.[source]),
  );
  if (!same) {
    const why = 'spec.persistentvolumesource is immutable after creation';
    errors.push(forbidden('spec.persistentvolumesource', why));
  }
  checkImmutable(errors, 'volumeMode', spec?.volumeMode, before?.volumeMode);
  const affinity = before?.nodeAffinity;
  if (affinity && !sameJson(withNewLabels(spec?.nodeAffinity), withNewLabels(affinity))) {
    const why = 'field is immutable, except for updating from beta label to GA';
    errors.push(invalid('nodeAffinity', spec?.nodeAffinity ?? null, why));
  }
  if (before?.volumeAttributesClassName !== undefined && spec?.volumeAttributesClassName === undefined) {
    const why = 'update from non-nil value to nil is forbidden';
    errors.push(forbidden('spec.volumeAttributesClassName', why));
  }
  return errors;
}

type Csi = PersistentVolumeSpec['csi'];

/** The secret for growing may come later. */
function withoutNewSecret(csi: Csi, before: Csi): Csi {
  if (!csi || !before || before.controllerExpandSecretRef) return csi;
  const { controllerExpandSecretRef: _secret, ...rest } = csi;
  return rest;
}

const RENAMED: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
};

/** Labels of nodes under the names that they have now. */
function withNewLabels(affinity: PersistentVolumeSpec['nodeAffinity']): unknown {
  return affinity?.required?.nodeSelectorTerms.map(({ matchExpressions = [], ...rest }) => ({
    ...rest,
    matchExpressions: matchExpressions.map((one) => ({ ...one, key: RENAMED[one.key] ?? one.key })),
  }));
}
