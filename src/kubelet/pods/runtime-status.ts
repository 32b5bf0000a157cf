import type { ContainerState } from '../cri/runtime.ts';

/** What the runtime knows of one pod, read freshly at the start of each sync. */
export interface PodRuntimeStatus {
  uid: string;
  name: string;
  namespace: string;
  /** Newest first. */
  sandboxes: SandboxStatus[];
  /** Newest first; exited containers of earlier attempts and sandboxes included. */
  containers: RuntimeContainerStatus[];
  /** Of the newest sandbox when it is ready; empty for pods on the host's network. */
  ips: string[];
}

export interface SandboxStatus {
  id: string;
  ready: boolean;
  attempt: number;
  createdAtMs: number;
  networkMode: string;
  ips: string[];
}

export interface RuntimeContainerStatus {
  id: string;
  name: string;
  sandboxId: string;
  state: ContainerState;
  hash: string;
  restartCount: number;
  image: string;
  imageRef: string;
  createdAtMs: number;
  startedAtMs: number;
  finishedAtMs: number;
  exitCode: number;
  reason: string;
  message: string;
  logPath: string;
}

/** The newest container of that name. */
export function findStatus(status: PodRuntimeStatus, name: string): RuntimeContainerStatus | undefined {
  return status.containers.find((container) => container.name === name);
}

export function hasRunningContainers(status: PodRuntimeStatus): boolean {
  return status.containers.some((container) => container.state === 'Running');
}
