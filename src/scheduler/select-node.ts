import type { SchedulerCache } from './cache.ts';
import { filterNode, prepareAll } from './framework.ts';
import type { Plugin, PreparedPlugin, Rejection } from './framework.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';

/** Why no node was found. */
export interface Refusal {
  nodes: number;
  /** Said about the pod as a whole. */
  general: string | undefined;
  rejections: ReadonlyMap<NodeInfo, Rejection>;
  refusedBy: ReadonlySet<Plugin>;
  prepared: readonly PreparedPlugin[];
}

export type Choice = { node: NodeInfo; refusal?: undefined } | { node?: undefined; refusal: Refusal };

/** Pods that wait for room on a node, which others of lower priority must not take. */
export type Nominated = (node: string) => readonly PodInfo[];

const ELSEWHERE: Rejection = {
  reasons: ["node(s) didn't match Pod's node affinity/selector"],
  unresolvable: true,
};
/** Up to so many nodes all are looked at; of more, enough of them. */
const ALL_NODES = 100;

/**
 * The best node for a pod, or why there is none. In large clusters the search begins where the last one ended
 * and stops when it has found enough, as upstream's numFeasibleNodesToFind.
 */
export class NodeSelector {
  readonly #plugins: readonly Plugin[];
  readonly #cache: SchedulerCache;
  readonly #nominated: Nominated;
  readonly #random: () => number;
  #start = 0;

  constructor(plugins: readonly Plugin[], cache: SchedulerCache, nominated: Nominated, random: () => number) {
    this.#plugins = plugins;
    this.#cache = cache;
    this.#nominated = nominated;
    this.#random = random;
  }

  choose(info: PodInfo): Choice {
    const all = this.#cache.nodes();
    const prepared = prepareAll(this.#plugins, info, this.#cache);
    const refusing = prepared.find(({ reject }) => reject !== undefined);
    const refusal = { nodes: all.length, general: refusing?.reject, prepared };
    if (all.length === 0)
      return { refusal: { ...refusal, rejections: new Map(), refusedBy: new Set(this.#plugins) } };
    if (refusing)
      return { refusal: { ...refusal, rejections: new Map(), refusedBy: new Set([refusing.plugin]) } };
    const { feasible, rejections, refusedBy } = this.#filter(info, prepared, all);
    if (feasible.length === 0) return { refusal: { ...refusal, rejections, refusedBy } };
    return { node: this.#best(prepared, feasible) };
  }

  #filter(
    info: PodInfo,
    prepared: readonly PreparedPlugin[],
    all: readonly NodeInfo[],
  ): { feasible: NodeInfo[]; rejections: Map<NodeInfo, Rejection>; refusedBy: Set<Plugin> } {
    const filters = prepared.filter(({ filter }) => filter !== undefined);
    const feasible: NodeInfo[] = [];
    const rejections = new Map<NodeInfo, Rejection>();
    const refusedBy = new Set<Plugin>();
    const restricting = prepared.find(({ only }) => only !== undefined);
    const enough = enoughOf(all.length);
    let looked = 0;
    for (; looked < all.length && feasible.length < enough; looked++) {
      const node = all[(this.#start + looked) % all.length] as NodeInfo;
      if (restricting?.only && !restricting.only.has(node.name)) {
        rejections.set(node, ELSEWHERE);
        refusedBy.add(restricting.plugin);
        continue;
      }
      const refused = filterNode(filters, node) ?? this.#beside(filters, info, node);
      if (!refused) feasible.push(node);
      else {
        rejections.set(node, refused.rejection);
        refusedBy.add(refused.plugin);
      }
    }
    this.#start = (this.#start + looked) % all.length;
    return { feasible, rejections, refusedBy };
  }

  /** Whether the node still takes the pod when those that it was promised to are there. */
  #beside(filters: readonly PreparedPlugin[], info: PodInfo, node: NodeInfo): ReturnType<typeof filterNode> {
    const promised = this.#nominated(node.name).filter(
      (other) => other.priority >= info.priority && other.uid !== info.uid,
    );
    if (promised.length === 0) return undefined;
    const fuller = node.clone();
    for (const other of promised) fuller.addPod(other);
    return filterNode(filters, fuller);
  }

  #best(prepared: readonly PreparedPlugin[], feasible: readonly NodeInfo[]): NodeInfo {
    if (feasible.length === 1) return feasible[0] as NodeInfo;
    const totals = feasible.map(() => 0);
    for (const { score, plugin } of prepared) {
      const weight = plugin.weight ?? 1;
      for (const [index, value] of (score?.(feasible) ?? []).entries())
        totals[index] = (totals[index] ?? 0) + weight * value;
    }
    const highest = Math.max(...totals);
    const best = feasible.filter((_, index) => totals[index] === highest);
    return best[Math.floor(this.#random() * best.length)] ?? (feasible[0] as NodeInfo);
  }
}

function enoughOf(nodes: number): number {
  if (nodes <= ALL_NODES) return nodes;
  const percent = Math.max(5, 50 - nodes / 125);
  return Math.max(ALL_NODES, Math.floor((nodes * percent) / 100));
}
