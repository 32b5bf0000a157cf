import type { Node, Pod } from '../../api/gen/types/core-v1.ts';
import { tolerates, untolerated } from '../../api/taints.ts';
import { normalize } from '../framework.ts';
import type { Plugin } from '../framework.ts';

const REJECTION = { reasons: ['node(s) had untolerated taint(s)'], unresolvable: true };
const HARD = ['NoSchedule', 'NoExecute'];

/** Tainted nodes take only pods that tolerate them; fewer soft taints score higher. Mirrors tainttoleration. */
export const taintToleration: Plugin = {
  name: 'TaintToleration',
  weight: 3,
  prepare: ({ pod }) => ({
    filter: ({ node }) => (refused(node, pod) ? REJECTION : undefined),
    score: (nodes) =>
      normalize(
        nodes.map(({ node }) => softTaints(node, pod)),
        true,
      ),
  }),
  mayHelp: ({ pod }, event) =>
    (event.kind === 'NodeAdded' && !refused(event.node, pod)) ||
    (event.kind === 'NodeUpdated' && refused(event.old, pod) && !refused(event.node, pod)),
};

function refused(node: Node, pod: Pod): boolean {
  return untolerated(node.spec?.taints, pod.spec?.tolerations, HARD) !== undefined;
}

function softTaints(node: Node, pod: Pod): number {
  const taints = node.spec?.taints?.filter(({ effect }) => effect === 'PreferNoSchedule') ?? [];
  return taints.filter((taint) => !pod.spec?.tolerations?.some((toleration) => tolerates(toleration, taint)))
    .length;
}
