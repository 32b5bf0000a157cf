import type { Node, Pod } from '../api/gen/types/core-v1.ts';
import { hasAntiAffinity, NodeInfo, podInfo } from './node-info.ts';
import type { PodInfo } from './node-info.ts';

/**
 * What is where, as the scheduler believes it: nodes, the pods on them, and pods that it has placed and whose
 * binding the API has not shown yet ("assumed"). A scheduling cycle runs without interruption on this state,
 * so no snapshot is taken. Mirrors pkg/scheduler/backend/cache.
 */
export class SchedulerCache {
  readonly #nodes = new Map<string, NodeInfo>();
  /** Where each pod is, by uid; also pods on nodes that are not known (yet). */
  readonly #pods = new Map<string, { info: PodInfo; node: string; assumed: boolean }>();
  /** Nodes with pods that refuse others beside them. */
  readonly #antiAffinity = new Map<string, number>();
  #list: NodeInfo[] | undefined;

  /** All known nodes, in a stable order. */
  nodes(): readonly NodeInfo[] {
    this.#list ??= [...this.#nodes.values()];
    return this.#list;
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  nodesWithAntiAffinity(): NodeInfo[] {
    return [...this.#antiAffinity.keys()]
      .map((name) => this.#nodes.get(name))
      .filter((node) => node !== undefined);
  }

  setNode(node: Node): void {
    const name = node.metadata?.name ?? '';
    const known = this.#nodes.get(name);
    if (known) {
      known.setNode(node);
      return;
    }
    const info = new NodeInfo(node);
    this.#nodes.set(name, info);
    this.#list = undefined;
    // Pods may be told before their node.
    for (const entry of this.#pods.values()) if (entry.node === name) this.#place(info, entry.info);
  }

  removeNode(name: string): void {
    this.#nodes.delete(name);
    this.#antiAffinity.delete(name);
    this.#list = undefined;
  }

  /** A pod that the API shows on a node. Confirms an assumed one, or moves it where it really is. */
  setPod(pod: Pod): void {
    this.#put(podInfo(pod), pod.spec?.nodeName ?? '', false);
  }

  removePod(pod: Pod): void {
    this.#take(pod.metadata?.uid ?? '');
  }

  /** Counts the pod as placed until the API shows it, or `forget` is called. */
  assume(info: PodInfo, node: string): void {
    this.#put(info, node, true);
  }

  /** The binding failed. A pod that the API has shown as bound meanwhile stays. */
  forget(uid: string): void {
    if (this.#pods.get(uid)?.assumed) this.#take(uid);
  }

  isAssumed(uid: string): boolean {
    return this.#pods.get(uid)?.assumed === true;
  }

  #put(info: PodInfo, node: string, assumed: boolean): void {
    this.#take(info.uid);
    this.#pods.set(info.uid, { info, node, assumed });
    const known = this.#nodes.get(node);
    if (known) this.#place(known, info);
  }

  #place(node: NodeInfo, info: PodInfo): void {
    node.addPod(info);
    if (hasAntiAffinity(info.pod))
      this.#antiAffinity.set(node.name, (this.#antiAffinity.get(node.name) ?? 0) + 1);
  }

  #take(uid: string): void {
    const entry = this.#pods.get(uid);
    if (!entry) return;
    this.#pods.delete(uid);
    const removed = this.#nodes.get(entry.node)?.removePod(uid);
    if (!removed || !hasAntiAffinity(removed.pod)) return;
    const count = (this.#antiAffinity.get(entry.node) ?? 0) - 1;
    if (count > 0) this.#antiAffinity.set(entry.node, count);
    else this.#antiAffinity.delete(entry.node);
  }
}
