import { PODS } from '../../api/gen/resources.ts';
import type { Pod, Toleration } from '../../api/gen/types/core-v1.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import { isOn, objectOf } from './review.ts';

const TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const SECONDS = 300;

const covers = (toleration: Toleration, key: string): boolean =>
  (toleration.key === key || !toleration.key) && (toleration.effect === 'NoExecute' || !toleration.effect);

/** A pod stays for five minutes on a node that fails. Mirrors plugin/pkg/admission/defaulttolerationseconds/admission.go. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') && isOn(attributes, PODS),
  admit(attributes) {
    const spec = objectOf<Pod>(attributes).spec;
    if (!spec) return;
    const given = spec.tolerations ?? [];
    const missing = TAINTS.filter((key) => !given.some((toleration) => covers(toleration, key)));
    if (missing.length === 0) return;
    spec.tolerations = [
      ...given,
      ...missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: SECONDS })),
    ];
  },
};
