import { PODS, RUNTIMECLASSES } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission-plugin.ts';
import type { ObjectStore } from '../object-store.ts';
import { sameJson } from '../resources/validation/checks.ts';
import { isOn, objectOf, refuse } from './review.ts';

/** A pod's runtime class must be there; its overhead and node choice become the pod's. Mirrors plugin/pkg/admission/runtimeclass/admission.go. */
export const runtimeClass: AdmissionPlugin = {
  name: 'RuntimeClass',
  handles: (attributes) => attributes.operation === 'CREATE' && isOn(attributes, PODS),
  async admit(attributes, store) {
    const spec = objectOf<Pod>(attributes).spec;
    const found = await find(attributes, store);
    if (!spec || !found) return;
    const overhead = found.overhead?.podFixed;
    if (overhead) {
      if (spec.overhead && !sameJson(spec.overhead, overhead)) {
        throw refuse(
          attributes,
          "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        );
      }
      spec.overhead = { ...overhead };
    }
    const scheduling = found.scheduling;
    if (!scheduling) return;
    for (const [name, value] of Object.entries(scheduling.nodeSelector ?? {})) {
      const own = spec.nodeSelector?.[name];
      if (own !== undefined && own !== value) {
        throw refuse(
          attributes,
          `conflict: runtimeClass.scheduling.nodeSelector[${name}] = ${value}; pod.spec.nodeSelector[${name}] = ${own}`,
        );
      }
      spec.nodeSelector = { ...spec.nodeSelector, [name]: value };
    }
    const tolerations = spec.tolerations ?? [];
    const extra = (scheduling.tolerations ?? []).filter(
      (one) => !tolerations.some((given) => sameJson(given, one)),
    );
    if (extra.length > 0) spec.tolerations = [...tolerations, ...extra];
  },
  async validate(attributes, store) {
    const spec = objectOf<Pod>(attributes).spec;
    const overhead = spec?.overhead;
    const found = await find(attributes, store);
    if (overhead && !found?.overhead?.podFixed) {
      throw refuse(
        attributes,
        'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
      );
    }
  },
};

async function find(attributes: AdmissionAttributes, store: ObjectStore) {
  const name = objectOf<Pod>(attributes).spec?.runtimeClassName;
  if (!name) return undefined;
  const found = (await store.get(RUNTIMECLASSES, name)) ?? (await store.getFresh(RUNTIMECLASSES, name));
  if (found) return found;
  throw refuse(attributes, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
}
