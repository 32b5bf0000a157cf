import {
  INGRESSCLASSES,
  INGRESSES,
  PERSISTENTVOLUMECLAIMS,
  STORAGECLASSES,
} from '../../api/gen/resources.ts';
import type { PersistentVolumeClaim } from '../../api/gen/types/core-v1.ts';
import type { Ingress } from '../../api/gen/types/networking-v1.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import { isOn, objectOf, refuse } from './review.ts';

const byAnnotation = (objects: readonly KubeObject[], annotation: string): KubeObject[] =>
  objects.filter((object) => object.metadata?.annotations?.[annotation] === 'true');

/** Of several the newest; of equally old ones the first by name. */
function newest(objects: readonly KubeObject[]): KubeObject | undefined {
  const order = (object: KubeObject) => object.metadata?.creationTimestamp ?? '';
  return [...objects].sort((a, b) => {
    if (order(a) !== order(b)) return order(a) < order(b) ? 1 : -1;
    return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
  })[0];
}

/** A claim that names no class gets the default one. Mirrors plugin/pkg/admission/storage/storageclass/setdefault/admission.go. */
export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  handles: (attributes) => attributes.operation === 'CREATE' && isOn(attributes, PERSISTENTVOLUMECLAIMS),
  async admit(attributes, store) {
    const spec = objectOf<PersistentVolumeClaim>(attributes).spec;
    // The empty name asks for no class at all.
    if (!spec || spec.storageClassName !== undefined) return;
    const all = await store.list(STORAGECLASSES);
    const found = newest(byAnnotation(all, 'storageclass.kubernetes.io/is-default-class'));
    if (found?.metadata?.name) spec.storageClassName = found.metadata.name;
  },
};

/** The same for ingresses. Mirrors plugin/pkg/admission/network/defaultingressclass/admission.go. */
export const defaultIngressClass: AdmissionPlugin = {
  name: 'DefaultIngressClass',
  handles: (attributes) => attributes.operation === 'CREATE' && isOn(attributes, INGRESSES),
  async admit(attributes, store) {
    const ingress = objectOf<Ingress>(attributes);
    const old = ingress.metadata?.annotations?.['kubernetes.io/ingress.class'];
    if (ingress.spec?.ingressClassName !== undefined || old !== undefined) return;
    const all = await store.list(INGRESSCLASSES);
    const defaults = byAnnotation(all, 'ingressclass.kubernetes.io/is-default-class');
    const found = newest(defaults)?.metadata?.name;
    if (found === undefined) return;
    if (!ingress.spec) throw refuse(attributes, 'an ingress without a spec has no class');
    ingress.spec.ingressClassName = found;
  },
};
