import type { Node, Pod } from '../api/gen/types/core-v1.ts';
import type { SchedulerCache } from './cache.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';

/** Why a node does not take a pod. */
export interface Rejection {
  /** Upstream's texts: people and tools search for them. */
  reasons: readonly string[];
  /** True where removing pods from the node would not help. */
  unresolvable: boolean;
}

/** What changed in the cluster, as far as pods that wait may profit. */
export type ClusterEvent =
  | { kind: 'NodeAdded'; node: Node }
  | { kind: 'NodeUpdated'; old: Node; node: Node }
  | { kind: 'PodBound'; pod: Pod }
  | { kind: 'PodUpdated'; old: Pod; pod: Pod }
  | { kind: 'PodDeleted'; pod: Pod };

/** A plugin's work on one pod: computed once, asked for each node. */
export interface Prepared {
  /** Says no to the whole pod; the text stands in place of the nodes' reasons. */
  reject?: string;
  /** Only these nodes can be meant. */
  only?: ReadonlySet<string>;
  /** Undefined: the node takes it. */
  filter?: (node: NodeInfo) => Rejection | undefined;
  /** A score from 0 to 100 for each of the nodes, in their order. */
  score?: (nodes: readonly NodeInfo[]) => number[];
}

/**
 * One rule of where pods may and should go. Mirrors the extension points of the scheduling framework as far
 * as they are needed: PreFilter and PreScore are `prepare`.
 */
export interface Plugin {
  readonly name: string;
  /** Of its score. Default 1. */
  readonly weight?: number;
  /** Undefined where the plugin has nothing to say about this pod. */
  prepare(info: PodInfo, cache: SchedulerCache): Prepared | undefined;
  /** Whether an event may let in a pod that this plugin refused. */
  mayHelp(info: PodInfo, event: ClusterEvent): boolean;
}

export interface PreparedPlugin extends Prepared {
  plugin: Plugin;
}

export function prepareAll(
  plugins: readonly Plugin[],
  info: PodInfo,
  cache: SchedulerCache,
): PreparedPlugin[] {
  const prepared: PreparedPlugin[] = [];
  for (const plugin of plugins) {
    const own = plugin.prepare(info, cache);
    if (own) prepared.push(Object.assign(own, { plugin }));
  }
  return prepared;
}

/** The first rejection and who gave it; the others are not asked. */
export function filterNode(
  prepared: readonly PreparedPlugin[],
  node: NodeInfo,
): { plugin: Plugin; rejection: Rejection } | undefined {
  for (const each of prepared) {
    const rejection = each.filter?.(node);
    if (rejection) return { plugin: each.plugin, rejection };
  }
  return undefined;
}

/** Scales raw values to 0 to 100; the highest gets 100, or the lowest where `reverse`. */
export function normalize(values: number[], reverse = false): number[] {
  const max = Math.max(0, ...values);
  if (max === 0) return values.map(() => (reverse ? 100 : 0));
  return values.map((value) => {
    const share = (100 * value) / max;
    return reverse ? 100 - share : share;
  });
}
