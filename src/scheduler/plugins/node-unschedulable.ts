import { tolerates } from '../../api/taints.ts';
import type { Plugin } from '../framework.ts';

const REJECTION = { reasons: ['node(s) were unschedulable'], unresolvable: true };
const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Cordoned nodes take only pods that tolerate it. Mirrors nodeunschedulable. */
export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  prepare({ pod }) {
    const tolerated = pod.spec?.tolerations?.some((toleration) => tolerates(toleration, TAINT)) ?? false;
    return tolerated
      ? undefined
      : { filter: ({ node }) => (node.spec?.unschedulable ? REJECTION : undefined) };
  },
  mayHelp: (_, event) =>
    (event.kind === 'NodeAdded' && !event.node.spec?.unschedulable) ||
    (event.kind === 'NodeUpdated' &&
      Boolean(event.old.spec?.unschedulable) &&
      !event.node.spec?.unschedulable),
};
