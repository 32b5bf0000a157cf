import type { Container, Pod } from '../../api/gen/types/core-v1.ts';
import { containerHash } from '../containers/labels.ts';
import { kill, shouldContainerBeRestarted, type PodActions, type ProbeVerdicts } from './action-types.ts';
import { initContainers, isSidecar, specOf } from './pod-spec.ts';
import { findStatus, type PodRuntimeStatus, type RuntimeContainerStatus } from './runtime-status.ts';

/**
 * Plans init containers and sidecars, from the last to the first: completed ones may have been removed, so
 * the last that left a trace tells how far initialization went.
 * Mirrors pkg/kubelet/kuberuntime/kuberuntime_container.go, computeInitContainerActions.
 *
 * @returns whether the pod is initialized, so that regular containers are looked at.
 */
export function planInitContainers(
  pod: Pod,
  status: PodRuntimeStatus,
  probes: ProbeVerdicts,
  actions: PodActions,
): boolean {
  const containers = initContainers(pod);
  if (containers.length === 0) return true;
  const walk: Walk = { pod, status, probes, actions, containers, initialized: regularRuns(pod, status) };
  let previouslyInitialized = walk.initialized;
  for (let index = containers.length - 1; index >= 0; index -= 1) {
    const container = containers[index] as Container;
    const current = findStatus(status, container.name);
    if (!current) {
      if (previouslyInitialized && isSidecar(container)) actions.initToStart.push(container.name);
      continue;
    }
    if (previouslyInitialized && !isSidecar(container)) continue;
    const failed = planOne(walk, index, current, previouslyInitialized);
    if (failed) return false;
    previouslyInitialized = true;
  }
  const first = containers[0];
  if (!previouslyInitialized && first) actions.initToStart.push(first.name);
  actions.initToStart.reverse();
  return walk.initialized;
}

interface Walk {
  pod: Pod;
  status: PodRuntimeStatus;
  probes: ProbeVerdicts;
  actions: PodActions;
  containers: Container[];
  initialized: boolean;
}

/** @returns true where the pod has failed for good. */
function planOne(walk: Walk, index: number, current: RuntimeContainerStatus, previously: boolean): boolean {
  const container = walk.containers[index] as Container;
  const { actions } = walk;
  switch (current.state) {
    case 'Created':
      // It was made and never started: the runtime failed in between.
      actions.initToStart.push(container.name);
      return false;
    case 'Running':
      if (isSidecar(container)) planRunningSidecar(walk, index, current, previously);
      return false;
    case 'Exited':
      if (isSidecar(container)) {
        actions.initToStart.push(container.name);
        return false;
      }
      if (current.exitCode === 0) {
        next(walk, index, false);
        return false;
      }
      if (!shouldContainerBeRestarted(container, walk.pod, walk.status)) return fail(actions);
      actions.initToStart.push(container.name);
      return false;
    default: {
      const policy = container.restartPolicy ?? specOf(walk.pod).restartPolicy;
      if (!isSidecar(container) && policy === 'Never') return fail(actions);
      const message = 'Init container is in "unknown" state, try killing it before restart';
      actions.containersToKill.push(kill(current, message, 'Unknown'));
      actions.initToStart.push(container.name);
      return false;
    }
  }
}

function planRunningSidecar(
  walk: Walk,
  index: number,
  current: RuntimeContainerStatus,
  previously: boolean,
): void {
  const container = walk.containers[index] as Container;
  const { actions, probes } = walk;
  const restart = (message: string, reason: 'StartupProbe' | 'LivenessProbe' | 'Changed') => {
    actions.containersToKill.push(kill(current, `Init container ${container.name} ${message}`, reason));
    actions.initToStart.push(container.name);
  };
  if (container.startupProbe) {
    const startup = probes.startup(current.id);
    if (startup !== 'Success') {
      if (startup === 'Failure') restart('failed startup probe', 'StartupProbe');
      return;
    }
  }
  next(walk, index, previously);
  if (current.hash !== containerHash(container)) return restart('definition changed', 'Changed');
  if (container.livenessProbe && probes.liveness(current.id) === 'Failure') {
    restart('failed liveness probe', 'LivenessProbe');
  }
}

function next(walk: Walk, index: number, previously: boolean): void {
  const following = walk.containers[index + 1];
  if (!following) walk.initialized = true;
  else if (!previously) walk.actions.initToStart.push(following.name);
}

function fail(actions: PodActions): true {
  actions.killPod = true;
  actions.initToStart = [];
  return true;
}

/**
 * A regular container that runs or was made proves initialization. An exited one does not: after a reboot
 * all containers are exited, and the new sandbox has to be initialized again.
 */
function regularRuns(pod: Pod, status: PodRuntimeStatus): boolean {
  return specOf(pod).containers.some((container) => {
    const state = findStatus(status, container.name)?.state;
    return state === 'Created' || state === 'Running';
  });
}
