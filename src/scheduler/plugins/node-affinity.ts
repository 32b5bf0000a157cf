import type { Node, NodeSelectorTerm, Pod } from '../../api/gen/types/core-v1.ts';
import { expressionMatches, labelsInclude } from '../../client/selectors.ts';
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
      prepared.filter = ({ node }) => (matchesNode(pod, node) ? undefined : REJECTION);
      const only = namedNodes(pod);
      if (only) prepared.only = only;
    }
    if (preferred.length > 0) {
      prepared.score = (nodes) =>
        normalize(
          nodes.map(({ node }) =>
            preferred.reduce(
              (sum, { weight, preference }) => sum + (termMatches(preference, node) ? weight : 0),
              0,
            ),
          ),
        );
    }
    return prepared.filter || prepared.score ? prepared : undefined;
  },
  mayHelp: ({ pod }, event) =>
    (event.kind === 'NodeAdded' && matchesNode(pod, event.node)) ||
    (event.kind === 'NodeUpdated' && !matchesNode(pod, event.old) && matchesNode(pod, event.node)),
};

/** Whether the node satisfies what the pod requires of it; what it prefers plays no part. */
export function matchesNode(pod: Pod, node: Node): boolean {
  const { nodeSelector, affinity } = pod.spec ?? {};
  if (nodeSelector && !labelsInclude(nodeSelector, node.metadata?.labels)) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => termMatches(term, node));
}

/** Terms are alternatives, what is in one must hold together; an empty term matches nothing. */
function termMatches(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const fields = { 'metadata.name': node.metadata?.name ?? '' };
  return (
    matchExpressions.every(({ key, operator, values }) =>
      expressionMatches(key, operator, values ?? [], node.metadata?.labels),
    ) &&
    matchFields.every(({ key, operator, values }) => expressionMatches(key, operator, values ?? [], fields))
  );
}

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
