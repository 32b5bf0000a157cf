import { PODS, SERVICES } from '../../api/gen/resources.ts';
import type { Container, Pod, Service } from '../../api/gen/types/core-v1.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import { isOn, objectOf, oldObjectOf, refuse } from './review.ts';

/** Nobody starts from an image on a node that they may not pull themselves. Mirrors plugin/pkg/admission/alwayspullimages. */
export const alwaysPullImages: AdmissionPlugin = {
  name: 'AlwaysPullImages',
  handles: (attributes) => {
    const changes = attributes.operation === 'CREATE' || attributes.operation === 'UPDATE';
    return changes && (isOn(attributes, PODS) || isOn(attributes, PODS, 'ephemeralcontainers'));
  },
  admit(attributes) {
    const pod = objectOf<Pod>(attributes);
    const old =
      attributes.operation === 'UPDATE' ? imagesOf(oldObjectOf<Pod>(attributes)) : new Set<string>();
    const same = [...imagesOf(pod)].every((image) => old.has(image));
    if (attributes.operation === 'UPDATE' && same) return;
    for (const container of containersOf(pod)) container.imagePullPolicy = 'Always';
    for (const { image } of pod.spec?.volumes ?? []) if (image?.reference) image.pullPolicy = 'Always';
  },
};

function containersOf({ spec }: Pod): Array<Pick<Container, 'image' | 'imagePullPolicy'>> {
  return [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...((spec?.ephemeralContainers ?? []) as Container[]),
  ];
}

function imagesOf(pod: Pod): Set<string> {
  return new Set(containersOf(pod).map(({ image }) => image ?? ''));
}

/** Mirrors plugin/pkg/admission/serviceexternalips: addresses that are there may stay, new ones may not come. */
export const denyServiceExternalIps: AdmissionPlugin = {
  name: 'DenyServiceExternalIPs',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') && isOn(attributes, SERVICES),
  validate(attributes) {
    const before = attributes.oldObject ? oldObjectOf<Service>(attributes).spec?.externalIPs : undefined;
    const known = new Set(before ?? []);
    const added = (objectOf<Service>(attributes).spec?.externalIPs ?? []).filter((ip) => !known.has(ip));
    if (added.length > 0) throw refuse(attributes, 'Use of external IPs is denied by admission control.');
  },
};
