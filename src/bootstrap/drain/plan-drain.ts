import type { Pod } from '../../api/gen/types/core-v1.ts';

export interface DrainRules {
  /** Pods that nobody would make again may be deleted. */
  force: boolean;
  /** Pods whose emptyDir volumes are lost with them may be evicted. */
  deleteEmptyDirData: boolean;
}

export interface DrainPlan {
  evict: Pod[];
  /** Pods that stay: of daemon sets, and those that the node itself runs from files. */
  stay: Pod[];
  /** Why it must not begin: sentences, each with the pods it is about. */
  refusals: string[];
}

export const podName = ({ metadata }: Pod): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

const isFinished = ({ status }: Pod): boolean => ['Succeeded', 'Failed'].includes(status?.phase ?? '');
const controllerOf = ({ metadata }: Pod) => metadata?.ownerReferences?.find(({ controller }) => controller);
const isMirror = ({ metadata }: Pod): boolean =>
  metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined;
const hasLocalData = ({ spec }: Pod): boolean => (spec?.volumes ?? []).some(({ emptyDir }) => emptyDir);

/** What draining a node means for its pods. Mirrors k8s.io/kubectl/pkg/drain/filters.go. */
export function planDrain(pods: readonly Pod[], rules: DrainRules): DrainPlan {
  const plan: DrainPlan = { evict: [], stay: [], refusals: [] };
  const unmanaged: Pod[] = [];
  const local: Pod[] = [];
  for (const pod of pods) {
    const controller = controllerOf(pod);
    if (isMirror(pod)) plan.stay.push(pod);
    else if (isFinished(pod) || pod.metadata?.deletionTimestamp) plan.evict.push(pod);
    else if (controller?.kind === 'DaemonSet') plan.stay.push(pod);
    else {
      if (controller === undefined && !rules.force) unmanaged.push(pod);
      if (hasLocalData(pod) && !rules.deleteEmptyDirData) local.push(pod);
      plan.evict.push(pod);
    }
  }
  const names = (list: readonly Pod[]): string => list.map(podName).join(', ');
  if (unmanaged.length > 0) {
    plan.refusals.push(
      `no controller would make these pods again: ${names(unmanaged)} (--force deletes them)`,
    );
  }
  if (local.length > 0) {
    plan.refusals.push(
      `these pods would lose the data of their emptyDir volumes: ${names(local)} (--delete-emptydir-data lets them)`,
    );
  }
  return plan;
}
