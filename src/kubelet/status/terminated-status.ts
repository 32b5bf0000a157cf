import type { ContainerStatus, Pod, PodStatus } from '../../api/gen/types/core-v1.ts';
import { initContainers, isStaticPod } from '../pods/pod-spec.ts';

const LOST = {
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
  exitCode: 137,
};

/**
 * The last status of a pod of which nothing runs any more: containers without a known end count as failed,
 * and the phase is a terminal one. Mirrors TerminatePod of pkg/kubelet/status/status_manager.go.
 */
export function terminatedStatus(pod: Pod, status: PodStatus): PodStatus {
  const result: PodStatus = { ...status };
  if (hasInitialized(pod, status)) result.containerStatuses = status.containerStatuses?.map(ended);
  const init = status.initContainerStatuses ?? [];
  // Init containers that never started stay waiting; the first is always taken to have been tried.
  const tried = init.findLastIndex(({ state, lastState }) => !state?.waiting || lastState?.terminated);
  if (init.length > 0) {
    result.initContainerStatuses = init.map((one, index) => (index <= Math.max(0, tried) ? ended(one) : one));
  }
  const terminal = status.phase === 'Succeeded' || status.phase === 'Failed';
  if (!terminal && !isStaticPod(pod)) result.phase = 'Failed';
  return result;
}

function ended(status: ContainerStatus): ContainerStatus {
  if (status.state?.terminated) return status;
  return { ...status, ready: false, started: false, state: { terminated: LOST } };
}

function hasInitialized(pod: Pod, status: PodStatus): boolean {
  if (initContainers(pod).length === 0) return true;
  const left = (one: ContainerStatus) => one.lastState?.terminated !== undefined || !one.state?.waiting;
  if ((status.containerStatuses ?? []).some(left)) return true;
  const last = status.initContainerStatuses?.at(-1);
  return (last?.state?.terminated ?? last?.lastState?.terminated)?.exitCode === 0 || last?.started === true;
}
