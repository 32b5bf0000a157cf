import type { PersistentVolumeClaimSpec } from '../../../api/gen/types/core-v1.ts';
import { invalid, notSupported, required } from '../../field-error.ts';
import { checkFormat, checkLabelSelector, child, key } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain } from '../validation/formats.ts';
import { canonicalQuantity, compareQuantities, isQuantity } from '../validation/quantities.ts';

export const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

export function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= 'Filesystem';
}

/**
 * Takes out of a new claim what no feature serves: sources in other namespaces, and in the older field whatever is no
 * claim and no snapshot. Mirrors DropDisabledFields and EnforceDataSourceBackwardsCompatibility of
 * pkg/api/persistentvolumeclaim/util.go.
 */
export function dropUnservedSources(spec: PersistentVolumeClaimSpec): void {
  if (spec.dataSourceRef?.namespace) delete spec.dataSourceRef;
  const { kind, apiGroup = '' } = spec.dataSource ?? {};
  const isKnown =
    (kind === 'PersistentVolumeClaim' && apiGroup === '') ||
    (kind === 'VolumeSnapshot' && apiGroup === 'snapshot.storage.k8s.io');
  if (!spec.dataSourceRef && !isKnown) delete spec.dataSource;
}

/** Mirrors NormalizeDataSources. */
export function normalizeSources(spec: PersistentVolumeClaimSpec): void {
  // The two are one: the older field cannot name other namespaces.
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
    const { apiGroup, kind, name } = spec.dataSourceRef;
    spec.dataSource = apiGroup === undefined ? { kind, name } : { apiGroup, kind, name };
  }
}

type Source = NonNullable<PersistentVolumeClaimSpec['dataSourceRef']>;

function checkSource(errors: Errors, path: string, source: Partial<Source> | undefined): void {
  if (!source) return;
  const { name, kind = '', apiGroup = '', namespace } = source;
  if (!name) errors.push(required(child(path, 'name')));
  if (kind === '') errors.push(required(child(path, 'kind')));
  if (apiGroup === '' && kind !== 'PersistentVolumeClaim') {
    const why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    errors.push(invalid(path, kind, why));
  }
  if (apiGroup !== '') checkFormat(errors, child(path, 'apiGroup'), apiGroup, dnsSubdomain(apiGroup));
  if (namespace) checkFormat(errors, child(path, 'namespace'), namespace, dnsLabel(namespace));
}

/** The two fields say the same, where both are there. */
function checkSources(errors: Errors, path: string, spec: PersistentVolumeClaimSpec): void {
  const { dataSource, dataSourceRef } = spec;
  checkSource(errors, child(path, 'dataSource'), dataSource);
  checkSource(errors, child(path, 'dataSourceRef'), dataSourceRef);
  if (!dataSource || !dataSourceRef) return;
  const same = (['kind', 'name'] as const).every((field) => dataSource[field] === dataSourceRef[field]);
  if (dataSourceRef.namespace) {
    const why = 'may not be specified when dataSourceRef.namespace is specified';
    errors.push(invalid(path, {}, why));
  } else if (!same || (dataSource.apiGroup ?? '') !== (dataSourceRef.apiGroup ?? '')) {
    errors.push(invalid(path, {}, 'must match dataSourceRef'));
  }
}

/** Modes of a volume or a claim. */
export function checkAccessModes(errors: Errors, path: string, modes: readonly string[] | undefined): void {
  if (!modes?.length) errors.push(required(path, 'at least 1 access mode is required'));
  for (const mode of modes ?? []) {
    if (!ACCESS_MODES.includes(mode)) errors.push(notSupported(path, mode, ACCESS_MODES));
  }
  if (modes?.includes('ReadWriteOncePod') && modes.length > 1) {
    errors.push({
      type: 'FieldValueForbidden',
      field: path,
      detail: 'may not use ReadWriteOncePod with other access modes',
    });
  }
}

export function checkStorage(
  errors: Errors,
  path: string,
  amounts: Record<string, string> | undefined,
): void {
  const storage = amounts?.['storage'];
  if (storage === undefined) {
    errors.push(required(key(path, 'storage')));
  } else if (isQuantity(storage) && compareQuantities(storage, '0') <= 0) {
    errors.push(invalid(key(path, 'storage'), canonicalQuantity(storage), 'must be greater than zero'));
  }
}

/** Mirrors ValidatePersistentVolumeClaimSpec of pkg/apis/core/validation/validation.go. */
export function validateClaimSpec(errors: Errors, path: string, spec: PersistentVolumeClaimSpec): void {
  checkAccessModes(errors, child(path, 'accessModes'), spec.accessModes);
  checkLabelSelector(errors, child(path, 'selector'), spec.selector);
  const storage = spec.resources?.requests?.['storage'];
  if (storage === undefined) errors.push(required(key(child(path, 'resources'), 'storage')));
  else checkStorage(errors, child(path, 'resources'), { storage });
  for (const field of ['storageClassName', 'volumeAttributesClassName'] as const) {
    const name = spec[field];
    if (name) checkFormat(errors, child(path, field), name, dnsSubdomain(name));
  }
  if (spec.volumeMode !== undefined && !['Block', 'Filesystem'].includes(spec.volumeMode)) {
    errors.push(notSupported(child(path, 'volumeMode'), spec.volumeMode, ['Block', 'Filesystem']));
  }
  checkSources(errors, path, spec);
}
