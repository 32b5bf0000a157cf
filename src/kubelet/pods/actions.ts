import type { Container, Pod } from '../../api/gen/types/core-v1.ts';
import { containerHash } from '../containers/labels.ts';
import {
  kill,
  shouldContainerBeRestarted,
  type KillReason,
  type PodActions,
  type ProbeVerdicts,
} from './action-types.ts';
import { planInitContainers } from './init-actions.ts';
import { ephemeralContainers, initContainers, specOf } from './pod-spec.ts';
import { findStatus, type PodRuntimeStatus, type RuntimeContainerStatus } from './runtime-status.ts';
import { sandboxChanged } from './sandbox-changed.ts';

/** A pure function of the pod and what runs: the same answer after a restart of the kubelet as before. */
export function planPod(pod: Pod, status: PodRuntimeStatus, probes: ProbeVerdicts): PodActions {
  const verdict = sandboxChanged(pod, status);
  const actions: PodActions = {
    killPod: verdict.changed,
    createSandbox: verdict.changed,
    sandboxId: verdict.sandboxId,
    attempt: verdict.attempt,
    containersToKill: [],
    ephemeralToStart: [],
    initToStart: [],
    containersToStart: [],
  };
  if (verdict.changed) return planNewSandbox(pod, status, actions);
  for (const container of ephemeralContainers(pod)) {
    if (!findStatus(status, container.name)) actions.ephemeralToStart.push(container.name);
  }
  const initialized = planInitContainers(pod, status, probes, actions);
  if (actions.killPod || !initialized) return actions;
  planRegularContainers(pod, status, probes, actions);
  return actions;
}

function planNewSandbox(pod: Pod, status: PodRuntimeStatus, actions: PodActions): PodActions {
  const spec = specOf(pod);
  const mayRestart = spec.restartPolicy !== 'Never';
  if (!mayRestart && actions.attempt !== 0 && status.containers.length > 0) {
    return { ...actions, createSandbox: false };
  }
  const toStart = spec.containers.filter((container) => {
    const policy = container.restartPolicy ?? spec.restartPolicy;
    return !(policy === 'OnFailure' && succeeded(findStatus(status, container.name)));
  });
  if (toStart.length === 0 && hasRegularContainer(pod, status)) return { ...actions, createSandbox: false };
  const first = initContainers(pod)[0];
  if (first) return { ...actions, initToStart: [first.name] };
  return { ...actions, containersToStart: toStart.map((container) => container.name) };
}

function planRegularContainers(
  pod: Pod,
  status: PodRuntimeStatus,
  probes: ProbeVerdicts,
  actions: PodActions,
): void {
  let kept = 0;
  for (const container of specOf(pod).containers) {
    const current = findStatus(status, container.name);
    if (current?.state !== 'Running') {
      if (!shouldContainerBeRestarted(container, pod, status)) continue;
      actions.containersToStart.push(container.name);
      if (current?.state === 'Unknown') {
        actions.containersToKill.push(
          kill(current, 'Container is in "unknown" state, try killing it before restart', 'Unknown'),
        );
      }
      continue;
    }
    const reason = killReasonOf(container, current, probes);
    if (!reason) {
      kept += 1;
      continue;
    }
    const mayRestart = reason.restart ?? (container.restartPolicy ?? specOf(pod).restartPolicy) !== 'Never';
    if (mayRestart) actions.containersToStart.push(container.name);
    const message = mayRestart ? `${reason.message}, will be restarted` : reason.message;
    actions.containersToKill.push(kill(current, message, reason.reason));
  }
  if (kept === 0 && actions.containersToStart.length === 0) {
    // Nothing is left to run: sidecars must not keep the pod alive.
    actions.killPod = true;
    actions.initToStart = [];
  }
}

function killReasonOf(
  container: Container,
  current: RuntimeContainerStatus,
  probes: ProbeVerdicts,
): { message: string; reason: KillReason; restart?: boolean } | undefined {
  if (current.hash !== containerHash(container)) {
    return { message: `Container ${container.name} definition changed`, reason: 'Changed', restart: true };
  }
  if (probes.liveness(current.id) === 'Failure') {
    return { message: `Container ${container.name} failed liveness probe`, reason: 'LivenessProbe' };
  }
  if (probes.startup(current.id) === 'Failure') {
    return { message: `Container ${container.name} failed startup probe`, reason: 'StartupProbe' };
  }
  return undefined;
}

/** Whether any regular container has ever been made: then all init containers have run. */
export function hasRegularContainer(pod: Pod, status: PodRuntimeStatus): boolean {
  return specOf(pod).containers.some((container) => {
    const state = findStatus(status, container.name)?.state;
    return state === 'Created' || state === 'Running' || state === 'Exited';
  });
}

export function succeeded(status: RuntimeContainerStatus | undefined): boolean {
  return status?.state === 'Exited' && status.exitCode === 0;
}
