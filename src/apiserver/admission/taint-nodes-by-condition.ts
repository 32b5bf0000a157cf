import { NODES } from '../../api/gen/resources.ts';
import type { Node } from '../../api/gen/types/core-v1.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import { isOn, objectOf } from './review.ts';

const NOT_READY = 'node.kubernetes.io/not-ready';

/** A new node takes no pods until it has proved to be ready. Mirrors plugin/pkg/admission/nodetaint/admission.go. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: (attributes) => attributes.operation === 'CREATE' && isOn(attributes, NODES),
  admit(attributes) {
    const node = objectOf<Node>(attributes);
    const taints = node.spec?.taints ?? [];
    const has = taints.some((taint) => taint.key === NOT_READY && taint.effect === 'NoSchedule');
    if (!has) node.spec = { ...node.spec, taints: [...taints, { key: NOT_READY, effect: 'NoSchedule' }] };
  },
};
