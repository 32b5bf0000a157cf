import type { Node, Pod } from '../api/gen/types/core-v1.ts';
import { add, amountsOf, podRequests, scoredRequests } from './resources.ts';
import type { Amounts } from './resources.ts';

/** A pod with what the scheduler computes of it once. */
export interface PodInfo {
  pod: Pod;
  key: string;
  uid: string;
  priority: number;
  requests: Amounts;
  scored: Amounts;
  /** uid of the owner that manages it, '' for none. */
  controller: string;
  ports: HostPort[];
}

export interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

export function podInfo(pod: Pod): PodInfo {
  const { namespace = '', name = '', uid = '', ownerReferences } = pod.metadata ?? {};
  return {
    pod,
    key: `${namespace}/${name}`,
    uid,
    priority: pod.spec?.priority ?? 0,
    requests: podRequests(pod),
    scored: scoredRequests(pod),
    controller: ownerReferences?.find(({ controller }) => controller)?.uid ?? '',
    ports: hostPorts(pod),
  };
}

function hostPorts(pod: Pod): HostPort[] {
  const sidecars = pod.spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always') ?? [];
  return [...(pod.spec?.containers ?? []), ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .filter(({ hostPort }) => hostPort)
    .map(({ hostIP, protocol, hostPort = 0 }) => ({
      ip: hostIP || '0.0.0.0',
      protocol: protocol || 'TCP',
      port: hostPort,
    }));
}

export function hasAntiAffinity(pod: Pod): boolean {
  return (
    (pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0
  );
}

/** A node and the pods on it, with their sums kept up to date. */
export class NodeInfo {
  node: Node;
  allocatable: Amounts;
  readonly pods = new Map<string, PodInfo>();
  readonly requested: Amounts = new Map();
  readonly scored: Amounts = new Map();
  /** How many pods of each controller are here. */
  readonly controllers = new Map<string, number>();
  readonly images = new Map<string, number>();

  constructor(node: Node) {
    this.node = node;
    this.allocatable = new Map();
    this.setNode(node);
  }

  get name(): string {
    return this.node.metadata?.name ?? '';
  }

  get labels(): Readonly<Record<string, string>> {
    return this.node.metadata?.labels ?? {};
  }

  setNode(node: Node): void {
    this.node = node;
    this.allocatable = amountsOf(node.status?.allocatable);
    this.images.clear();
    for (const { names = [], sizeBytes = 0 } of node.status?.images ?? [])
      for (const name of names) this.images.set(name, sizeBytes);
  }

  addPod(info: PodInfo): void {
    this.removePod(info.uid);
    this.pods.set(info.uid, info);
    this.#count(info, 1);
  }

  removePod(uid: string): PodInfo | undefined {
    const info = this.pods.get(uid);
    if (!info) return undefined;
    this.pods.delete(uid);
    this.#count(info, -1);
    return info;
  }

  /** A copy to try things on; it shares what does not change. */
  clone(): NodeInfo {
    const copy = new NodeInfo(this.node);
    for (const info of this.pods.values()) copy.addPod(info);
    return copy;
  }

  #count(info: PodInfo, sign: 1 | -1): void {
    add(this.requested, info.requests, sign);
    add(this.scored, info.scored, sign);
    if (info.controller === '') return;
    const count = (this.controllers.get(info.controller) ?? 0) + sign;
    if (count > 0) this.controllers.set(info.controller, count);
    else this.controllers.delete(info.controller);
  }
}
