import type { Container, ContainerState, ContainerStatus, Pod } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { shouldContainerBeRestarted } from '../pods/action-types.ts';
import { hasRegularContainer } from '../pods/actions.ts';
import { ephemeralContainers, initContainers, isSidecar, specOf } from '../pods/pod-spec.ts';
import { findStatus, type PodRuntimeStatus, type RuntimeContainerStatus } from '../pods/runtime-status.ts';

/** Why the last start of a container failed: 'CrashLoopBackOff', 'ErrImagePull' and so on. */
export interface StartFailure {
  reason: string;
  message: string;
}

export interface ContainerStatusInput {
  pod: Pod;
  runtime: PodRuntimeStatus;
  /** 'containerd': the scheme of container ids. */
  runtimeName: string;
  /** The statuses that were reported last, by kind of container. */
  old: { init: ContainerStatus[]; regular: ContainerStatus[]; ephemeral: ContainerStatus[] };
  startFailure: (containerName: string) => StartFailure | undefined;
}

/** Mirrors pkg/kubelet/kubelet_pods.go, convertToAPIContainerStatuses; `ready` and `started` are set later. */
export function containerStatuses(input: ContainerStatusInput) {
  const { pod, old } = input;
  return {
    init: convert(input, initContainers(pod), old.init, true),
    regular: convert(input, specOf(pod).containers, old.regular, false).sort(byName),
    ephemeral: convert(input, ephemeralContainers(pod), old.ephemeral, false).sort(byName),
  };
}

const byName = (a: ContainerStatus, b: ContainerStatus): number => (a.name < b.name ? -1 : 1);

function convert(
  input: ContainerStatusInput,
  containers: Container[],
  old: ContainerStatus[],
  init: boolean,
): ContainerStatus[] {
  return containers.map((container) => {
    const before = old.find((status) => status.name === container.name);
    const seen = input.runtime.containers.filter((status) => status.name === container.name);
    const status = seen[0]
      ? fromRuntime(input, container, seen[0], seen[1], before)
      : neverSeen(input, container, before);
    return waitingWhereRestarting(input, container, status, init);
  });
}

/** The runtime knows nothing of the container: it waits to be made, or it has been removed since. */
function neverSeen(
  input: ContainerStatusInput,
  container: Container,
  before: ContainerStatus | undefined,
): ContainerStatus {
  const { pod } = input;
  if (before?.state?.terminated) return structuredCopy(before);
  const reason = initContainers(pod).length > 0 ? 'PodInitializing' : 'ContainerCreating';
  const status: ContainerStatus = {
    name: container.name,
    state: { waiting: { reason } },
    lastState: before?.lastState ?? {},
    ready: false,
    restartCount: before?.restartCount ?? 0,
    image: container.image ?? '',
    imageID: '',
    ...volumeMountsOf(container, before),
  };
  if (before?.state?.running && !status.lastState?.terminated) {
    // It ran and left no trace: it must not look as if it had never run.
    status.lastState = {
      terminated: {
        reason: 'ContainerStatusUnknown',
        message:
          'The container could not be located when the pod was deleted.  The container used to be Running',
        exitCode: 137,
      },
    };
    if (!pod.metadata?.deletionTimestamp) status.restartCount += 1;
  }
  return status;
}

function fromRuntime(
  input: ContainerStatusInput,
  container: Container,
  current: RuntimeContainerStatus,
  previous: RuntimeContainerStatus | undefined,
  before: ContainerStatus | undefined,
): ContainerStatus {
  const id = `${input.runtimeName}://${current.id}`;
  const status: ContainerStatus = {
    name: container.name,
    state: stateOf(current, id, before),
    lastState: lastStateOf(input, previous, before, id),
    ready: false,
    restartCount: Math.max(current.restartCount, before?.restartCount ?? 0),
    image: current.image,
    imageID: current.imageRef,
    containerID: id,
    ...volumeMountsOf(container, before),
  };
  if (current.state === 'Unknown' && status.state?.terminated && before) {
    status.restartCount = (before.restartCount ?? 0) + 1;
  }
  if (current.state === 'Running') {
    status.resources = container.resources ?? {};
    if (container.resources?.requests) status.allocatedResources = container.resources.requests;
  }
  return status;
}

function stateOf(
  current: RuntimeContainerStatus,
  id: string,
  before: ContainerStatus | undefined,
): ContainerState {
  switch (current.state) {
    case 'Running':
      return { running: { startedAt: rfc3339(current.startedAtMs) } };
    case 'Exited':
      return { terminated: terminated(current, id) };
    case 'Unknown':
      if (!before?.state?.running) return { waiting: {} };
      return {
        terminated: {
          reason: 'ContainerStatusUnknown',
          message: 'The container could not be located when the pod was terminated',
          exitCode: 137,
        },
      };
    default:
      return { waiting: {} };
  }
}

function terminated(status: RuntimeContainerStatus, id: string): NonNullable<ContainerState['terminated']> {
  return {
    exitCode: status.exitCode,
    ...(status.reason === '' ? {} : { reason: status.reason }),
    ...(status.message === '' ? {} : { message: status.message }),
    ...(status.startedAtMs > 0 ? { startedAt: rfc3339(status.startedAtMs) } : {}),
    ...(status.finishedAtMs > 0 ? { finishedAt: rfc3339(status.finishedAtMs) } : {}),
    containerID: id,
  };
}

function lastStateOf(
  input: ContainerStatusInput,
  previous: RuntimeContainerStatus | undefined,
  before: ContainerStatus | undefined,
  id: string,
): ContainerState {
  if (previous?.state === 'Exited') {
    return { terminated: terminated(previous, `${input.runtimeName}://${previous.id}`) };
  }
  if (before?.containerID !== id && before?.state?.terminated) return { terminated: before.state.terminated };
  return before?.lastState?.terminated ? { terminated: before.lastState.terminated } : {};
}

/** A container that the next sync starts is Waiting, with the reason why the last start failed. */
function waitingWhereRestarting(
  input: ContainerStatusInput,
  container: Container,
  status: ContainerStatus,
  init: boolean,
): ContainerStatus {
  const { pod, runtime } = input;
  if (init) {
    const current = findStatus(runtime, container.name);
    if (current?.state === 'Exited' && current.exitCode === 0 && !isSidecar(container)) return status;
    const lost =
      !current && !isSidecar(container) && status.state?.waiting && hasRegularContainer(pod, runtime);
    if (lost) return { ...status, state: { terminated: COMPLETED } };
  }
  if (!shouldContainerBeRestarted(container, pod, runtime)) return status;
  const failure = input.startFailure(container.name);
  if (!failure) return status;
  const lastState = status.state?.terminated ? status.state : status.lastState;
  const waiting = { reason: failure.reason, ...(failure.message ? { message: failure.message } : {}) };
  return { ...status, lastState, state: { waiting } };
}

const COMPLETED = {
  reason: 'Completed',
  message:
    'Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally',
  exitCode: 0,
};

function volumeMountsOf(
  container: Container,
  before: ContainerStatus | undefined,
): Pick<ContainerStatus, 'volumeMounts'> {
  if (before?.volumeMounts) return { volumeMounts: before.volumeMounts };
  if (!container.volumeMounts?.length) return {};
  return {
    volumeMounts: container.volumeMounts.map((mount) => ({
      name: mount.name,
      mountPath: mount.mountPath,
      ...(mount.readOnly ? { readOnly: true, recursiveReadOnly: 'Disabled' } : {}),
    })),
  };
}

const structuredCopy = (status: ContainerStatus): ContainerStatus => ({ ...status });
