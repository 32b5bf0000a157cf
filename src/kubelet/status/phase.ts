import type { Container, ContainerStatus, Pod } from '../../api/gen/types/core-v1.ts';
import { containerShouldRestart, initContainers, isSidecar, isStaticPod, specOf } from '../pods/pod-spec.ts';

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/**
 * The pod's phase from its containers' statuses. Mirrors pkg/kubelet/kubelet_pods.go, getPhase.
 *
 * @param terminal no container will be restarted any more: the pod is being ended.
 * @param initialized a regular container has started before.
 */
export function podPhase(
  pod: Pod,
  statuses: ContainerStatus[],
  terminal: boolean,
  initialized: boolean,
): PodPhase {
  const byName = new Map(statuses.map((status) => [status.name, status]));
  const init = countInit(pod, byName);
  const main = countRunning(pod, byName);
  if (init.failedForGood) return 'Failed';
  if (init.pending > 0 || (main.pendingSidecars > 0 && !initialized)) return 'Pending';
  if (main.waiting > 0) return 'Pending';
  if (main.unknown > 0) return 'Pending';
  if (main.running > 0) return 'Running';
  if (main.stopped === 0) return 'Pending';
  if (!(terminal && !isStaticPod(pod)) && main.stopped !== main.stoppedForGood) return 'Running';
  return main.stopped === main.succeeded ? 'Succeeded' : 'Failed';
}

function countInit(pod: Pod, byName: Map<string, ContainerStatus>) {
  let pending = 0;
  let failedForGood = false;
  for (const container of initContainers(pod)) {
    if (isSidecar(container)) continue;
    const status = byName.get(container.name);
    const ended =
      status?.state?.terminated ?? (status?.state?.waiting ? status.lastState?.terminated : undefined);
    if (!ended || status?.state?.running) {
      pending += 1;
    } else if (ended.exitCode !== 0 && !containerShouldRestart(container, pod, ended.exitCode ?? 0)) {
      failedForGood = true;
    }
  }
  return { pending, failedForGood };
}

function countRunning(pod: Pod, byName: Map<string, ContainerStatus>) {
  const count = {
    pendingSidecars: 0,
    unknown: 0,
    running: 0,
    waiting: 0,
    stopped: 0,
    stoppedForGood: 0,
    succeeded: 0,
  };
  for (const container of initContainers(pod)) {
    if (isSidecar(container)) countSidecar(byName.get(container.name), count);
  }
  for (const container of specOf(pod).containers) countRegular(container, pod, byName, count);
  return count;
}

type Count = ReturnType<typeof countRunning>;

function countSidecar(status: ContainerStatus | undefined, count: Count): void {
  if (!status) {
    count.unknown += 1;
  } else if (status.state?.running) {
    if (!status.started) count.pendingSidecars += 1;
    count.running += 1;
  } else if (status.state?.terminated) {
    // A sidecar that ended says nothing about the pod.
  } else if (status.state?.waiting) {
    if (status.lastState?.terminated) return;
    count.pendingSidecars += 1;
    count.waiting += 1;
  } else {
    count.pendingSidecars += 1;
    count.unknown += 1;
  }
}

function countRegular(container: Container, pod: Pod, byName: Map<string, ContainerStatus>, count: Count) {
  const state = byName.get(container.name)?.state;
  const ended =
    state?.terminated ?? (state?.waiting ? byName.get(container.name)?.lastState?.terminated : undefined);
  if (state?.running) {
    count.running += 1;
  } else if (ended) {
    count.stopped += 1;
    if (!containerShouldRestart(container, pod, ended.exitCode ?? 0)) count.stoppedForGood += 1;
    if (state?.terminated && ended.exitCode === 0) count.succeeded += 1;
  } else if (state?.waiting) {
    count.waiting += 1;
  } else {
    count.unknown += 1;
  }
}
