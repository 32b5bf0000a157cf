import type { Plugin } from '../framework.ts';
import type { NodeInfo, PodInfo } from '../node-info.ts';

/** Nodes whose cpu and memory would be used to a like share score higher. Mirrors balanced_allocation.go. */
export const nodeResourcesBalanced: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  prepare: (info) => ({ score: (nodes) => nodes.map((node) => balance(info, node)) }),
  mayHelp: () => false,
};

function balance(info: PodInfo, node: NodeInfo): number {
  const shares: number[] = [];
  for (const name of ['cpu', 'memory']) {
    const capacity = node.allocatable.get(name) ?? 0;
    if (capacity === 0) continue;
    shares.push(Math.min(1, ((node.requested.get(name) ?? 0) + (info.requests.get(name) ?? 0)) / capacity));
  }
  const [cpu = 0, memory = cpu] = shares;
  // The standard deviation of two values is half their difference.
  return Math.floor((1 - Math.abs(cpu - memory) / 2) * 100);
}
