import { PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES } from '../../api/gen/resources.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import { isOn } from './review.ts';

/** Volumes and claims go only when nobody uses them. Mirrors plugin/pkg/admission/storage/storageobjectinuseprotection/admission.go. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: (attributes) =>
    attributes.operation === 'CREATE' &&
    (isOn(attributes, PERSISTENTVOLUMES) || isOn(attributes, PERSISTENTVOLUMECLAIMS)),
  admit(attributes) {
    const metadata = attributes.object?.metadata;
    if (!metadata) return;
    const finalizer = isOn(attributes, PERSISTENTVOLUMES)
      ? 'kubernetes.io/pv-protection'
      : 'kubernetes.io/pvc-protection';
    if (!metadata.finalizers?.includes(finalizer))
      metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
};
