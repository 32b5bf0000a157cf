import { PERSISTENTVOLUMECLAIMS, STORAGECLASSES } from '../../api/gen/resources.ts';
import type { PersistentVolumeClaim } from '../../api/gen/types/core-v1.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import { compareQuantities } from '../resources/validation/quantities.ts';
import { isOn, objectOf, oldObjectOf, refuse } from './review.ts';

/** Only claims whose class allows it grow. Mirrors plugin/pkg/admission/storage/persistentvolume/resize/admission.go. */
export const persistentVolumeClaimResize: AdmissionPlugin = {
  name: 'PersistentVolumeClaimResize',
  handles: (attributes) => attributes.operation === 'UPDATE' && isOn(attributes, PERSISTENTVOLUMECLAIMS),
  async validate(attributes, store) {
    const claim = objectOf<PersistentVolumeClaim>(attributes);
    const old = oldObjectOf<PersistentVolumeClaim>(attributes);
    const now = claim.spec?.resources?.requests?.['storage'];
    const before = old.spec?.resources?.requests?.['storage'];
    if (now === undefined || before === undefined || compareQuantities(now, before) <= 0) return;
    if (old.status?.phase !== 'Bound') {
      throw refuse(attributes, 'Only bound persistent volume claims can be expanded');
    }
    const name = claim.spec?.storageClassName ?? '';
    const storageClass = name === '' ? undefined : await store.get(STORAGECLASSES, name);
    if (storageClass?.allowVolumeExpansion) return;
    throw refuse(
      attributes,
      'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    );
  },
};
