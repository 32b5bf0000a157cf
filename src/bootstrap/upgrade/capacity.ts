import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/gen/types/core-v1.ts';
import { matchesNode, nodeTermMatches } from '../../api/node-selector.ts';
import { addTo, readAmounts, type Amounts } from '../../api/quota/amounts.ts';
import { podRequests } from '../../api/quota/pod-amounts.ts';
import { compareQuantities, quantityValue } from '../../api/quantity.ts';
import { untolerated } from '../../api/taints.ts';
import { isCordoned } from '../drain/cordon.ts';

export interface Volumes {
  claims: readonly PersistentVolumeClaim[];
  volumes: readonly PersistentVolume[];
}

/** What is left for pods on the nodes that stay, when others leave. */
export class Capacity {
  readonly #free = new Map<Node, { amounts: Amounts; pods: number }>();
  readonly #volumes: Volumes;

  /** `pods`: all of the cluster. `leaving`: names of the nodes that take no pods for now. */
  constructor(nodes: readonly Node[], pods: readonly Pod[], leaving: ReadonlySet<string>, volumes: Volumes) {
    this.#volumes = volumes;
    for (const node of nodes) {
      const name = node.metadata?.name ?? '';
      if (leaving.has(name) || isCordoned(node) || !isReady(node)) continue;
      const allocatable = readAmounts(node.status?.allocatable);
      const here = pods.filter((pod) => pod.spec?.nodeName === name && !isFinished(pod));
      const used: Amounts = new Map();
      for (const pod of here) addTo(used, requestsOf(pod));
      const amounts: Amounts = new Map();
      for (const [resource, amount] of allocatable) {
        const nanos = amount.nanos - (used.get(resource)?.nanos ?? 0n);
        amounts.set(resource, { nanos, format: amount.format });
      }
      const most = allocatable.get('pods');
      this.#free.set(node, { amounts, pods: (most ? Number(quantityValue(most)) : 110) - here.length });
    }
  }

  /** Puts a pod on the first node that may take it, and gives its name; else undefined. */
  place(pod: Pod): string | undefined {
    const wanted = requestsOf(pod);
    for (const [node, free] of this.#free) {
      if (free.pods < 1 || !this.mayRun(pod, node) || !fits(wanted, free.amounts)) continue;
      free.pods -= 1;
      for (const [resource, amount] of wanted) {
        const before = free.amounts.get(resource);
        if (before) free.amounts.set(resource, { nanos: before.nanos - amount.nanos, format: before.format });
      }
      return node.metadata?.name ?? '';
    }
    return undefined;
  }

  /** Whether any of the nodes that stay could take the pod if it were empty: else it is not for lack of room. */
  allowedAnywhere(pod: Pod): boolean {
    return [...this.#free.keys()].some((node) => this.mayRun(pod, node));
  }

  mayRun(pod: Pod, node: Node): boolean {
    const taint = untolerated(node.spec?.taints, pod.spec?.tolerations, ['NoSchedule', 'NoExecute']);
    return taint === undefined && matchesNode(pod.spec, node) && this.volumesReach(pod, node);
  }

  /** Whether every volume of the pod can be used on the node. */
  volumesReach(pod: Pod, node: Node): boolean {
    return boundVolumes(pod, this.#volumes).every(({ spec }) => {
      const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms;
      return terms === undefined || terms.some((term) => nodeTermMatches(term, node));
    });
  }
}

/** The volumes that a pod's claims are bound to. */
export function boundVolumes(pod: Pod, { claims, volumes }: Volumes): PersistentVolume[] {
  const names = (pod.spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim) return [persistentVolumeClaim.claimName];
    return ephemeral ? [`${pod.metadata?.name}-${name}`] : [];
  });
  return names.flatMap((name) => {
    const claim = claims.find(
      ({ metadata }) => metadata?.namespace === pod.metadata?.namespace && metadata?.name === name,
    );
    const volume = volumes.find(({ metadata }) => metadata?.name === claim?.spec?.volumeName);
    return volume ? [volume] : [];
  });
}

export const isReady = ({ status }: Node): boolean =>
  status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

export const isFinished = ({ status }: Pod): boolean => ['Succeeded', 'Failed'].includes(status?.phase ?? '');

export const requestsOf = (pod: Pod): Amounts => podRequests(pod, { fromStatus: true, overhead: true });

const fits = (wanted: Amounts, free: Amounts): boolean =>
  [...wanted].every(([resource, amount]) => {
    if (amount.nanos === 0n) return true;
    const left = free.get(resource);
    return left !== undefined && compareQuantities(amount, left) <= 0;
  });
