import type { Node, NodeSelectorTerm, Pod } from './gen/types/core-v1.ts';

type Labels = Readonly<Record<string, string>> | undefined;

/** One requirement of a label or node selector; an operator that is not known matches nothing. */
export function expressionMatches(
  key: string,
  operator: string,
  values: readonly string[],
  labels: Labels,
): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const [have, want] = [Number(value ?? Number.NaN), Number(values[0] ?? Number.NaN)];
      return operator === 'Gt' ? have > want : have < want;
    }
    default:
      return false;
  }
}

/** Terms are alternatives, what is in one must hold together; an empty term matches nothing. */
export function nodeTermMatches(term: NodeSelectorTerm, node: Node): boolean {
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

/** Whether the node satisfies what a pod requires of it; what it prefers plays no part. */
export function matchesNode(spec: Pod['spec'], node: Node): boolean {
  const { nodeSelector = {}, affinity } = spec ?? {};
  for (const [key, value] of Object.entries(nodeSelector))
    if (node.metadata?.labels?.[key] !== value) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => nodeTermMatches(term, node));
}
