import type { Pod } from '../../api/gen/types/core-v1.ts';
import { uidOf } from '../pods/pod-spec.ts';
import { podQos, type QosClass } from '../pods/qos.ts';

export const CGROUP_ROOT = '/kubepods';

/** The cgroup of a class of pods; Guaranteed pods lie in the root itself. */
export function qosCgroup(qos: QosClass): string {
  return qos === 'Guaranteed' ? CGROUP_ROOT : `${CGROUP_ROOT}/${qos.toLowerCase()}`;
}

/** '/kubepods/burstable/pod<uid>': the parent of the pod's containers. Mirrors pkg/kubelet/cm/pod_container_manager_linux.go. */
export function podCgroup(pod: Pod): string {
  return `${qosCgroup(podQos(pod))}/pod${uidOf(pod)}`;
}
