import type { LabelSelector } from '../../api/gen/types/meta-v1.ts';
import type { Pod, TopologySpreadConstraint } from '../../api/gen/types/core-v1.ts';
import { matchesNode } from '../../api/node-selector.ts';
import { untolerated } from '../../api/taints.ts';
import { selectorMatches } from '../../client/selectors.ts';
import type { SchedulerCache } from '../cache.ts';
import { normalize } from '../framework.ts';
import type { Plugin, Prepared, Rejection } from '../framework.ts';
import type { NodeInfo, PodInfo } from '../node-info.ts';

const UNEVEN: Rejection = {
  reasons: ["node(s) didn't match pod topology spread constraints"],
  unresolvable: false,
};
const UNLABELLED: Rejection = {
  reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"],
  unresolvable: true,
};
const ZONE = 'topology.kubernetes.io/zone';

/** Pods spread over the values of a label as they ask for. Mirrors podtopologyspread. */
export const podTopologySpread: Plugin = {
  name: 'PodTopologySpread',
  weight: 2,
  prepare(info, cache) {
    const constraints = info.pod.spec?.topologySpreadConstraints ?? [];
    const hard = constraints.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule');
    const soft = constraints.filter(({ whenUnsatisfiable }) => whenUnsatisfiable !== 'DoNotSchedule');
    const prepared: Prepared = {};
    if (hard.length > 0) prepared.filter = filterOf(info, hard, cache);
    if (soft.length > 0) prepared.score = (nodes) => scoreSoft(info, soft, cache, nodes);
    else if (constraints.length === 0 && info.controller !== '')
      prepared.score = (nodes) => scoreDefault(info, cache, nodes);
    return prepared.filter || prepared.score ? prepared : undefined;
  },
  // Any pod or label that comes or goes may change the balance.
  mayHelp: (_, event) =>
    event.kind !== 'NodeUpdated' || event.old.metadata?.labels !== event.node.metadata?.labels,
};

/** Matching pods by the label's value, over the nodes that count for the constraint. */
function countsOf(
  info: PodInfo,
  constraint: TopologySpreadConstraint,
  cache: SchedulerCache,
): Map<string, number> {
  const selector = selectorOf(info.pod, constraint);
  const counts = new Map<string, number>();
  for (const node of cache.nodes()) {
    const value = node.labels[constraint.topologyKey];
    if (value === undefined || !takesPart(info.pod, constraint, node)) continue;
    let count = counts.get(value) ?? 0;
    for (const { pod } of node.pods.values()) if (isMatch(info.pod, pod, selector)) count++;
    counts.set(value, count);
  }
  return counts;
}

/** Whether a node takes part: nodes that the pod cannot use anyway may be left out. */
function takesPart(
  pod: Pod,
  { nodeAffinityPolicy, nodeTaintsPolicy }: TopologySpreadConstraint,
  node: NodeInfo,
): boolean {
  if ((nodeAffinityPolicy ?? 'Honor') === 'Honor' && !matchesNode(pod.spec, node.node)) return false;
  if (
    nodeTaintsPolicy === 'Honor' &&
    untolerated(node.node.spec?.taints, pod.spec?.tolerations, ['NoSchedule', 'NoExecute'])
  )
    return false;
  return true;
}

function isMatch(pod: Pod, other: Pod, selector: LabelSelector | undefined): boolean {
  const { namespace, deletionTimestamp, labels } = other.metadata ?? {};
  return namespace === pod.metadata?.namespace && !deletionTimestamp && selectorMatches(selector, labels);
}

/** The constraint's selector, narrowed to the pod's own values of matchLabelKeys. */
function selectorOf(
  pod: Pod,
  { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint,
): LabelSelector | undefined {
  if (matchLabelKeys.length === 0) return labelSelector;
  const labels = pod.metadata?.labels ?? {};
  const own = matchLabelKeys
    .filter((key) => labels[key] !== undefined)
    .map((key) => ({ key, operator: 'In', values: [labels[key] ?? ''] }));
  return { ...labelSelector, matchExpressions: [...(labelSelector?.matchExpressions ?? []), ...own] };
}

function filterOf(
  info: PodInfo,
  constraints: readonly TopologySpreadConstraint[],
  cache: SchedulerCache,
): Prepared['filter'] {
  const checks = constraints.map((constraint) => {
    const counts = countsOf(info, constraint, cache);
    // Fewer domains than asked for: those that do not exist yet count as empty.
    const min = counts.size < (constraint.minDomains ?? 1) ? 0 : Math.min(...counts.values());
    const self = selectorMatches(selectorOf(info.pod, constraint), info.pod.metadata?.labels) ? 1 : 0;
    return { constraint, counts, min, self };
  });
  return (node) => {
    for (const { constraint, counts, min, self } of checks) {
      const value = node.labels[constraint.topologyKey];
      if (value === undefined) return UNLABELLED;
      if ((counts.get(value) ?? 0) + self - min > constraint.maxSkew) return UNEVEN;
    }
    return undefined;
  };
}

function scoreSoft(
  info: PodInfo,
  constraints: readonly TopologySpreadConstraint[],
  cache: SchedulerCache,
  nodes: readonly NodeInfo[],
): number[] {
  const counted = constraints.map((constraint) => ({
    constraint,
    counts: countsOf(info, constraint, cache),
  }));
  const raw = nodes.map((node) =>
    counted.reduce((sum, { constraint, counts }) => {
      const value = node.labels[constraint.topologyKey];
      if (value === undefined) return Number.NaN;
      // Small domains weigh more: with many of them a difference of one says less.
      return sum + (counts.get(value) ?? 0) * Math.log(counts.size + 2) + (constraint.maxSkew - 1);
    }, 0),
  );
  const spread = normalize(
    raw.map((value) => (Number.isNaN(value) ? 0 : value)),
    true,
  );
  // A node without the label is the last choice.
  return spread.map((score, index) => (Number.isNaN(raw[index]) ? 0 : score));
}

/**
 * Pods that ask for nothing spread with their siblings over zones and nodes, as upstream's default
 * constraints make them. Siblings are the pods of the same controller.
 */
function scoreDefault(info: PodInfo, cache: SchedulerCache, nodes: readonly NodeInfo[]): number[] {
  const onNode = nodes.map((node) => node.controllers.get(info.controller) ?? 0);
  const zones = new Map<string, number>();
  for (const node of cache.nodes()) {
    const zone = node.labels[ZONE];
    if (zone !== undefined)
      zones.set(zone, (zones.get(zone) ?? 0) + (node.controllers.get(info.controller) ?? 0));
  }
  const byNode = normalize(onNode, true);
  if (zones.size < 2) return byNode;
  const byZone = normalize(
    nodes.map((node) => zones.get(node.labels[ZONE] ?? '') ?? 0),
    true,
  );
  return byNode.map((score, index) => (score + (byZone[index] ?? 0)) / 2);
}
