import type { Pod } from '../../api/gen/types/core-v1.ts';
import { matchesNode, nodeTermMatches } from '../../api/node-selector.ts';
import { normalize } from '../framework.ts';
import type { Plugin, Prepared } from '../framework.ts';

const REJECTION = { reasons: ["node(s) didn't match Pod's node affinity/selector"], unresolvable: true };

/** nodeSelector and node affinity, required and preferred. Mirrors nodeaffinity/node_affinity.go. */
export const nodeAffinity: Plugin = {
  name: 'NodeAffinity',
  weight: 2,
  prepare({ pod }) {
    const affinity = pod.spec?.affinity?.nodeAffinity;
    const preferred = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const prepared: Prepared = {};
    if (pod.spec?.nodeSelector || affinity?.requiredDuringSchedulingIgnoredDuringExecution) {
      prepared.filter = ({ node }) => (matchesNode(pod.spec, node) ? undefined : REJECTION);
      const only = namedNodes(pod);
      if (only) prepared.only = only;
    }
    if (preferred.length > 0) {
      prepared.score = (nodes) =>
        normalize(
          nodes.map(({ node }) =>
            preferred.reduce(
              (sum, { weight, preference }) => sum + (nodeTermMatches(preference, node) ? weight : 0),
              0,
            ),
          ),
        );
    }
    return prepared.filter || prepared.score ? prepared : undefined;
  },
  mayHelp: ({ pod }, event) =>
    (event.kind === 'NodeAdded' && matchesNode(pod.spec, event.node)) ||
    (event.kind === 'NodeUpdated' && !matchesNode(pod.spec, event.old) && matchesNode(pod.spec, event.node)),
};

/** The nodes that the pod names, where every alternative names some: DaemonSets do. */
function namedNodes(pod: Pod): ReadonlySet<string> | undefined {
  const terms =
    pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (!terms || terms.length === 0) return undefined;
  const names = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const named = matchFields.find(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    if (!named) return undefined;
    for (const name of named.values ?? []) names.add(name);
  }
  return names;
}
