import { amountsOf } from '../resources.ts';
import type { Amounts } from '../resources.ts';
import type { ClusterEvent, Plugin, Rejection } from '../framework.ts';
import type { NodeInfo, PodInfo } from '../node-info.ts';

const DEFAULT_MAX_PODS = 110;

/** Enough is left of everything that the pod requests; emptier nodes score higher. Mirrors noderesources/fit.go. */
export const nodeResourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  prepare: (info) => ({
    filter: (node) => reject(info, node),
    score: (nodes) => nodes.map((node) => leastAllocated(info, node)),
  }),
  mayHelp: (info, event) => {
    if (event.kind === 'PodDeleted') return true;
    if (event.kind === 'PodUpdated') return true;
    if (event.kind === 'PodBound') return false;
    if (event.kind === 'NodeUpdated' && !grew(event)) return false;
    return fits(info.requests, amountsOf(event.node.status?.allocatable));
  },
};

function reject(info: PodInfo, node: NodeInfo): Rejection | undefined {
  const reasons: string[] = [];
  let unresolvable = false;
  const maxPods = node.allocatable.get('pods') ?? DEFAULT_MAX_PODS;
  if (node.pods.size + 1 > maxPods) reasons.push('Too many pods');
  for (const [name, wanted] of info.requests) {
    if (wanted <= 0) continue;
    const capacity = node.allocatable.get(name) ?? 0;
    if (wanted <= capacity - (node.requested.get(name) ?? 0)) continue;
    reasons.push(`Insufficient ${name}`);
    // More than the node has at all: no pod that leaves it would make room.
    if (wanted > capacity) unresolvable = true;
  }
  return reasons.length === 0 ? undefined : { reasons, unresolvable };
}

function fits(requests: Amounts, allocatable: Amounts): boolean {
  for (const [name, wanted] of requests)
    if (wanted > 0 && wanted > (allocatable.get(name) ?? 0)) return false;
  return true;
}

function grew(event: ClusterEvent & { kind: 'NodeUpdated' }): boolean {
  const before = amountsOf(event.old.status?.allocatable);
  for (const [name, amount] of amountsOf(event.node.status?.allocatable))
    if (amount > (before.get(name) ?? 0)) return true;
  return false;
}

/** The free share after the pod, cpu and memory alike. */
function leastAllocated(info: PodInfo, node: NodeInfo): number {
  let sum = 0;
  let count = 0;
  for (const name of ['cpu', 'memory']) {
    const capacity = node.allocatable.get(name) ?? 0;
    if (capacity === 0) continue;
    count++;
    const used = (node.scored.get(name) ?? 0) + (info.scored.get(name) ?? 0);
    if (used <= capacity) sum += Math.floor(((capacity - used) * 100) / capacity);
  }
  return count === 0 ? 0 : sum / count;
}
