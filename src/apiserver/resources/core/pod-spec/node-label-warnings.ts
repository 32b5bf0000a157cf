import type { NodeSelectorTerm } from '../../../../api/gen/types/core-v1.ts';
import { at, child } from '../../validation/checks.ts';
import { labelValue } from '../../validation/formats.ts';

const OLD_LABELS: ReadonlyMap<string, string> = new Map([
  ['beta.kubernetes.io/arch', 'deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ['beta.kubernetes.io/os', 'deprecated since v1.14; use "kubernetes.io/os" instead'],
  [
    'failure-domain.beta.kubernetes.io/region',
    'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  ],
  [
    'failure-domain.beta.kubernetes.io/zone',
    'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  ],
  [
    'beta.kubernetes.io/instance-type',
    'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  ],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  [
    'scheduler.alpha.kubernetes.io/preferAvoidPods',
    'deprecated since v1.22; use Taints and Tolerations instead',
  ],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead'],
]);

/** What replaces a label of nodes that is no longer to be used. Mirrors pkg/api/node/util.go. */
export function nodeLabelWarning(label: string): string | undefined {
  return OLD_LABELS.get(label);
}

/** Of the keys of a node selector's term; of its values too where a wrong one is not refused. */
export function nodeTermWarnings(path: string, term: NodeSelectorTerm, values: boolean): string[] {
  return (term.matchExpressions ?? []).flatMap((expression, index) => {
    const here = at(child(path, 'matchExpressions'), index);
    const text = nodeLabelWarning(expression.key);
    const ofValues = (expression.values ?? []).flatMap((value, place) =>
      labelValue(value).map(
        (problem) => `${at(child(here, 'values'), place)}: ${value} is invalid, ${problem}`,
      ),
    );
    return [
      ...(text === undefined ? [] : [`${child(here, 'key')}: ${expression.key} is ${text}`]),
      ...(values ? ofValues : []),
    ];
  });
}
