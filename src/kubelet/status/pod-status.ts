import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { initContainers, isHostNetwork, isSidecar, specOf } from '../pods/pod-spec.ts';
import { podQos } from '../pods/qos.ts';
import type { PodRuntimeStatus } from '../pods/runtime-status.ts';
import { KUBELET_CONDITIONS, podConditions } from './conditions.ts';
import { containerStatuses, type StartFailure } from './container-statuses.ts';
import { podPhase, type PodPhase } from './phase.ts';

/** What the prober says of a running container. */
export interface Readiness {
  /** Its startup probe, if any, has succeeded. */
  started(containerId: string, containerName: string): boolean;
  ready(containerId: string, containerName: string): boolean;
}

export interface PodStatusInput {
  pod: Pod;
  runtime: PodRuntimeStatus;
  runtimeName: string;
  /** The status reported last, or the API's where this kubelet has reported none yet. */
  old: PodStatus;
  /** No container will be started any more. */
  terminal: boolean;
  hostIps: string[];
  startFailure: (containerName: string) => StartFailure | undefined;
  readiness: Readiness;
  nowMs: number;
  /** The kubelet itself ends the pod: rejected, deadline exceeded, evicted. */
  failed?: { reason: string; message: string };
}

/** The whole status of a pod. Mirrors pkg/kubelet/kubelet_pods.go, generateAPIPodStatus. */
export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, runtime, old } = input;
  const statuses = containerStatuses({
    pod,
    runtime,
    runtimeName: input.runtimeName,
    startFailure: input.startFailure,
    old: {
      init: old.initContainerStatuses ?? [],
      regular: old.containerStatuses ?? [],
      ephemeral: old.ephemeralContainerStatuses ?? [],
    },
  });
  setReadiness(input, statuses);
  const phase = settledPhase(input, [...statuses.regular, ...statuses.init]);
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !KUBELET_CONDITIONS.has(type));
  const conditions = podConditions(pod, runtime, statuses.init, statuses.regular, phase, others);
  const status: PodStatus = {
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    ...reasonOf(input, phase),
    conditions: withTimes([...others, ...conditions], old.conditions ?? [], input.nowMs),
    startTime: old.startTime ?? rfc3339(input.nowMs),
    qosClass: podQos(pod),
    ...addresses(input),
    containerStatuses: statuses.regular,
  };
  if (statuses.init.length > 0) status.initContainerStatuses = statuses.init;
  if (statuses.ephemeral.length > 0) status.ephemeralContainerStatuses = statuses.ephemeral;
  if (pod.status?.nominatedNodeName) status.nominatedNodeName = pod.status.nominatedNodeName;
  if (pod.status?.resourceClaimStatuses) status.resourceClaimStatuses = pod.status.resourceClaimStatuses;
  return status;
}

/** A terminal phase is never left again, whoever set it. */
function settledPhase(input: PodStatusInput, statuses: ContainerStatus[]): PodPhase {
  const { pod, runtime, old } = input;
  const ended = [pod.status?.phase, old.phase].find((phase) => phase === 'Failed' || phase === 'Succeeded');
  if (ended === 'Failed' || ended === 'Succeeded') return ended;
  if (input.failed) return 'Failed';
  const newest = runtime.sandboxes[0]?.id;
  const initialized = specOf(pod).containers.some((container) =>
    runtime.containers.some((status) => status.name === container.name && status.sandboxId === newest),
  );
  return podPhase(pod, statuses, input.terminal, initialized);
}

function reasonOf(input: PodStatusInput, phase: PodPhase): Pick<PodStatus, 'reason' | 'message'> {
  if (input.failed && phase === 'Failed') return input.failed;
  if (phase !== input.old.phase) return {};
  const reason = input.old.reason ?? input.pod.status?.reason;
  const message = input.old.message ?? input.pod.status?.message;
  return { ...(reason ? { reason } : {}), ...(message ? { message } : {}) };
}

function setReadiness(input: PodStatusInput, statuses: ReturnType<typeof containerStatuses>): void {
  const idOf = (status: ContainerStatus) => (status.containerID ?? '').replace(/^.*:\/\//, '');
  const set = (status: ContainerStatus, long: boolean) => {
    const running = status.state?.running !== undefined;
    status.started = running && input.readiness.started(idOf(status), status.name);
    if (long) status.ready = status.started && input.readiness.ready(idOf(status), status.name);
    else status.ready = status.state?.terminated?.exitCode === 0;
  };
  for (const status of statuses.regular) set(status, true);
  for (const status of statuses.init) {
    const container = initContainers(input.pod).find(({ name }) => name === status.name);
    set(status, container !== undefined && isSidecar(container));
  }
}

function addresses(input: PodStatusInput): Partial<PodStatus> {
  const { hostIps, pod, runtime, old } = input;
  const result: Partial<PodStatus> = {};
  const hostIp = hostIps[0];
  if (hostIp) Object.assign(result, { hostIP: hostIp, hostIPs: hostIps.map((ip) => ({ ip })) });
  const known = (old.podIPs ?? []).map(({ ip }) => ip ?? '').filter((ip) => ip !== '');
  let ips = runtime.ips;
  if (isHostNetwork(pod)) ips = known.length > 0 ? known : hostIps;
  // A pod that has ended keeps the address that it had, as upstream's pod lifecycle event generator sees to.
  else if (ips.length === 0 && !runtime.sandboxes.some(({ ready }) => ready)) ips = known;
  if (ips.length > 0) Object.assign(result, { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) });
  return result;
}

/** Keeps lastTransitionTime where a condition's status stays as it was. */
export function withTimes(conditions: PodCondition[], old: PodCondition[], nowMs: number): PodCondition[] {
  return conditions.map((condition) => {
    const before = old.find(({ type }) => type === condition.type);
    const same = before?.status === condition.status && before.lastTransitionTime;
    const lastTransitionTime = same ? before.lastTransitionTime : rfc3339(nowMs);
    if (!KUBELET_CONDITIONS.has(condition.type)) return condition;
    return { ...condition, lastTransitionTime };
  });
}
