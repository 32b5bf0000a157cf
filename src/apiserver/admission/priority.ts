import { PODS, PRIORITYCLASSES } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { PriorityClass } from '../../api/gen/types/scheduling-v1.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission-plugin.ts';
import type { ObjectStore } from '../object-store.ts';
import { forbiddenRequest } from '../status-errors.ts';
import { isOn, objectOf, oldObjectOf, refuse } from './review.ts';

/** A pod's priority is its class's. Mirrors plugin/pkg/admission/priority/admission.go. */
export const priority: AdmissionPlugin = {
  name: 'Priority',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') &&
    (isOn(attributes, PODS) || isOn(attributes, PRIORITYCLASSES)),
  async admit(attributes, store) {
    if (!isOn(attributes, PODS)) return;
    const spec = objectOf<Pod>(attributes).spec;
    if (!spec) return;
    if (attributes.operation === 'UPDATE') {
      const old = oldObjectOf<Pod>(attributes).spec;
      if (old?.priority !== undefined) spec.priority ??= old.priority;
      if (old?.preemptionPolicy !== undefined) spec.preemptionPolicy ??= old.preemptionPolicy;
      return;
    }
    const found = await classOf(attributes, store, spec.priorityClassName ?? '');
    const value = found?.value ?? 0;
    const policy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
    if (spec.priority !== undefined && spec.priority !== value) {
      throw refuse(
        attributes,
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; ` +
          `priority admission controller computed ${value} from the given PriorityClass name`,
      );
    }
    if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
      throw refuse(
        attributes,
        `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; ` +
          `priority admission controller computed ${policy} from the given PriorityClass name`,
      );
    }
    if (found?.metadata?.name) spec.priorityClassName = found.metadata.name;
    spec.priority = value;
    spec.preemptionPolicy = policy;
  },
  async validate(attributes, store) {
    if (!isOn(attributes, PRIORITYCLASSES)) return;
    const own = objectOf<PriorityClass>(attributes);
    if (!own.globalDefault) return;
    const other = (await store.list(PRIORITYCLASSES)).find((one) => one.globalDefault);
    if (!other || other.metadata?.name === own.metadata?.name) return;
    throw refuse(
      attributes,
      `PriorityClass ${other.metadata?.name} is already marked as default. Only one default can exist`,
    );
  },
};

/** The named class, or the default one where no name is given. */
async function classOf(
  attributes: AdmissionAttributes,
  store: ObjectStore,
  name: string,
): Promise<PriorityClass | undefined> {
  if (name === '') {
    const defaults = (await store.list(PRIORITYCLASSES)).filter((one) => one.globalDefault);
    // Two can only come from a race: the lower one surprises least.
    return defaults.sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
  }
  const found = (await store.get(PRIORITYCLASSES, name)) ?? (await store.getFresh(PRIORITYCLASSES, name));
  if (found) return found;
  const pod = attributes.name || attributes.object?.metadata?.generateName || '';
  throw forbiddenRequest(
    { group: '', resource: 'pods' },
    pod,
    `no PriorityClass with name ${name} was found`,
  );
}
