import { readTail } from '../logs/tail.ts';
import { readContainerAnnotations } from '../containers/labels.ts';
import { isRuntimeError } from '../cri/runtime-error.ts';
import type { ContainerStatusInfo, CriRuntime, PodSandboxStatus } from '../cri/runtime.ts';
import type { PodRuntimeStatus, RuntimeContainerStatus, SandboxStatus } from './runtime-status.ts';
import { terminationMessage } from './termination-message.ts';

/** Upstream's limits of pkg/kubelet/container/runtime.go. */
const MAX_LOG_LINES = 80;
const MAX_LOG_BYTES = 2048;

/** Exited containers do not change any more: their statuses are read once. */
export class RuntimeReader {
  readonly #runtime: CriRuntime;
  readonly #exited = new Map<string, RuntimeContainerStatus>();

  constructor(runtime: CriRuntime) {
    this.#runtime = runtime;
  }

  /** Reads the pod afresh from the runtime: never from a cache that an action may have outdated. */
  async read(uid: string, name: string, namespace: string): Promise<PodRuntimeStatus> {
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandbox({ podUid: uid }),
      this.#runtime.listContainers({ podUid: uid }),
    ]);
    const sandboxStatuses = await Promise.all(
      sandboxes.map(({ id }) => orGone(this.#runtime.podSandboxStatus(id))),
    );
    const containerStatuses = await Promise.all(
      containers.map(({ id, podSandboxId }) => this.#container(id, podSandboxId)),
    );
    const newestFirst = (a: { createdAtMs: number }, b: { createdAtMs: number }) =>
      b.createdAtMs - a.createdAtMs;
    const known = sandboxStatuses.filter((status) => status !== undefined).map(toSandbox);
    const sorted = known.sort((a, b) => newestFirst(a, b) || b.attempt - a.attempt);
    const newest = sorted[0];
    return {
      uid,
      name,
      namespace,
      sandboxes: sorted,
      containers: containerStatuses
        .filter((status) => status !== undefined)
        .sort((a, b) => newestFirst(a, b) || b.restartCount - a.restartCount),
      ips: newest?.ready ? newest.ips : [],
    };
  }

  /** Forgets exited containers that are not among these. */
  retain(containerIds: ReadonlySet<string>): void {
    for (const id of this.#exited.keys()) if (!containerIds.has(id)) this.#exited.delete(id);
  }

  async #container(id: string, sandboxId: string): Promise<RuntimeContainerStatus | undefined> {
    const known = this.#exited.get(id);
    if (known) return known;
    const info = await orGone(this.#runtime.containerStatus(id));
    if (!info) return undefined;
    const status = await toContainer(info, sandboxId);
    if (status.state === 'Exited') this.#exited.set(id, status);
    return status;
  }
}

async function orGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    // Removed between the list and this call.
    if (isRuntimeError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function toSandbox(status: PodSandboxStatus): SandboxStatus {
  return {
    id: status.id,
    ready: status.ready,
    attempt: status.metadata.attempt,
    createdAtMs: status.createdAtMs,
    networkMode: status.networkMode,
    ips: status.networkMode === 'NODE' ? [] : status.ips,
  };
}

/** Mirrors pkg/kubelet/kuberuntime/kuberuntime_container.go, convertToKubeContainerStatus. */
async function toContainer(info: ContainerStatusInfo, sandboxId: string): Promise<RuntimeContainerStatus> {
  const annotations = readContainerAnnotations(info.annotations);
  const exited = info.state === 'Exited';
  const status: RuntimeContainerStatus = {
    id: info.id,
    name: info.name,
    sandboxId,
    state: info.state,
    hash: annotations.hash,
    restartCount: annotations.restartCount,
    image: info.image,
    imageRef: info.imageRef,
    createdAtMs: info.createdAtMs,
    startedAtMs: info.state === 'Created' ? 0 : info.startedAtMs,
    finishedAtMs: exited ? info.finishedAtMs : 0,
    exitCode: exited ? info.exitCode : 0,
    reason: exited ? info.reason : '',
    message: exited ? info.message : '',
    logPath: info.logPath,
  };
  if (!exited) return status;
  const path = info.mounts.find(
    (mount) => mount.containerPath === annotations.terminationMessagePath,
  )?.hostPath;
  const fallback =
    annotations.terminationMessagePolicy === 'FallbackToLogsOnError' &&
    info.exitCode !== 0 &&
    info.reason !== 'ContainerCannotRun';
  const message = await terminationMessage(path, fallback, () =>
    readTail(info.logPath, MAX_LOG_LINES, MAX_LOG_BYTES),
  );
  if (message !== '') status.message = status.message === '' ? message : `${status.message}: ${message}`;
  return status;
}
