import type {
  ContainerConfig,
  ContainerState,
  LinuxContainerResources,
  PodSandboxConfig,
} from './runtime.ts';

export interface FakeSandbox {
  id: string;
  config: PodSandboxConfig;
  ready: boolean;
  createdAtMs: number;
  ip: string;
}

export interface FakeContainer {
  id: string;
  sandboxId: string;
  config: ContainerConfig;
  state: ContainerState;
  createdAtMs: number;
  startedAtMs: number;
  finishedAtMs: number;
  exitCode: number;
  reason: string;
  logPath: string;
  stopped: Array<() => void>;
  resources: LinuxContainerResources;
}
