import type { DaemonSet } from '../../api/gen/types/apps-v1.ts';
import type { Node, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../../api/gen/types/core-v1.ts';
import { matchesNode } from '../../api/node-selector.ts';
import { tolerates, untolerated } from '../../api/taints.ts';
import { podFromTemplate } from '../replicaset/pod-from-template.ts';
import { REVISION_HASH } from '../shared/history.ts';

const NODE = 'node.kubernetes.io';

/** Daemons stay on nodes in trouble. Mirrors AddOrUpdateDaemonPodTolerations of daemon/util. */
function daemonTolerations(spec: PodSpec | undefined): Toleration[] {
  const added: Toleration[] = [
    { key: `${NODE}/not-ready`, operator: 'Exists', effect: 'NoExecute' },
    { key: `${NODE}/unreachable`, operator: 'Exists', effect: 'NoExecute' },
    { key: `${NODE}/disk-pressure`, operator: 'Exists', effect: 'NoSchedule' },
    { key: `${NODE}/memory-pressure`, operator: 'Exists', effect: 'NoSchedule' },
    { key: `${NODE}/pid-pressure`, operator: 'Exists', effect: 'NoSchedule' },
    { key: `${NODE}/unschedulable`, operator: 'Exists', effect: 'NoSchedule' },
  ];
  if (spec?.hostNetwork)
    added.push({ key: `${NODE}/network-unavailable`, operator: 'Exists', effect: 'NoSchedule' });
  return [...(spec?.tolerations ?? []), ...added];
}

export interface Fit {
  /** A pod belongs here. */
  run: boolean;
  /** One that is here may stay. */
  stay: boolean;
}

/** Mirrors NodeShouldRunDaemonPod of pkg/controller/daemon/daemon_controller.go. */
export function fitOf(daemonSet: DaemonSet, node: Node): Fit {
  const spec = daemonSet.spec?.template.spec;
  if (spec?.nodeName && spec.nodeName !== node.metadata?.name) return { run: false, stay: false };
  if (!matchesNode(spec, node)) return { run: false, stay: false };
  const tolerations = daemonTolerations(spec);
  if (!untolerated(node.spec?.taints, tolerations, ['NoSchedule', 'NoExecute']))
    return { run: true, stay: true };
  const driven = node.spec?.taints?.some(
    (taint) =>
      taint.effect === 'NoExecute' && !tolerations.some((toleration) => tolerates(toleration, taint)),
  );
  return { run: false, stay: !driven };
}

/** The pod for one node: the scheduler binds it, and can bind it nowhere else. */
export function daemonPod(daemonSet: DaemonSet, node: string, hash: string): Pod {
  const template = daemonSet.spec?.template;
  const pod = podFromTemplate(template, daemonSet);
  const only = [{ key: 'metadata.name', operator: 'In', values: [node] }];
  const required = template?.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  // What the template requires was checked already; the terms get the node's name instead of their fields.
  const terms: NodeSelectorTerm[] = required?.nodeSelectorTerms.map((term) => ({
    ...term,
    matchFields: only,
  })) ?? [{ matchFields: only }];
  const affinity = {
    ...template?.spec?.affinity,
    nodeAffinity: {
      ...template?.spec?.affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
    },
  };
  const spec = { ...template?.spec, affinity, tolerations: daemonTolerations(template?.spec) } as PodSpec;
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: { ...pod.metadata?.labels, [REVISION_HASH]: hash } },
    spec,
  };
}

/** The node that a pod is on, or is meant for. */
export function nodeOf(pod: Pod): string | undefined {
  if (pod.spec?.nodeName) return pod.spec.nodeName;
  const terms =
    pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return terms.flatMap(({ matchFields = [] }) => matchFields).find(({ key }) => key === 'metadata.name')
    ?.values?.[0];
}
