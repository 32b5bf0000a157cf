import type { Plugin } from '../framework.ts';

const REJECTION = { reasons: ["node(s) didn't match the requested node name"], unresolvable: true };

/** A pod that names its node goes there or nowhere. */
export const nodeName: Plugin = {
  name: 'NodeName',
  prepare({ pod }) {
    const wanted = pod.spec?.nodeName;
    return wanted ? { filter: (node) => (node.name === wanted ? undefined : REJECTION) } : undefined;
  },
  mayHelp: (_, event) => event.kind === 'NodeAdded',
};
