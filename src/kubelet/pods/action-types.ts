import type { Container, Pod } from '../../api/gen/types/core-v1.ts';
import { containerShouldRestart } from './pod-spec.ts';
import { findStatus, type PodRuntimeStatus, type RuntimeContainerStatus } from './runtime-status.ts';

/** Why a container is killed: chooses the grace period. */
export type KillReason = 'Unknown' | 'StartupProbe' | 'LivenessProbe' | 'FailedPostStartHook' | 'Changed';

export interface ContainerToKill {
  id: string;
  name: string;
  message: string;
  reason: KillReason;
}

/** What one sync of a pod does, in this order. Mirrors pkg/kubelet/kuberuntime/kuberuntime_manager.go, podActions. */
export interface PodActions {
  /** Kill every container and sandbox first. */
  killPod: boolean;
  createSandbox: boolean;
  sandboxId: string;
  attempt: number;
  containersToKill: ContainerToKill[];
  /** Names, in the order of starting. */
  ephemeralToStart: string[];
  initToStart: string[];
  containersToStart: string[];
}

export type ProbeVerdict = 'Success' | 'Failure' | 'Unknown' | undefined;

/** The probes' current verdicts by container id. */
export interface ProbeVerdicts {
  liveness(containerId: string): ProbeVerdict;
  startup(containerId: string): ProbeVerdict;
}

export function kill(status: RuntimeContainerStatus, message: string, reason: KillReason): ContainerToKill {
  return { id: status.id, name: status.name, message, reason };
}

/** Mirrors pkg/kubelet/container/helpers.go, ShouldContainerBeRestarted. */
export function shouldContainerBeRestarted(
  container: Container,
  pod: Pod,
  status: PodRuntimeStatus,
): boolean {
  if (pod.metadata?.deletionTimestamp) return false;
  const current = findStatus(status, container.name);
  if (!current) return true;
  if (current.state === 'Running') return false;
  if (current.state === 'Unknown' || current.state === 'Created') return true;
  return containerShouldRestart(container, pod, current.exitCode);
}
