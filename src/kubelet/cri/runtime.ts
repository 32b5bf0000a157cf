/**
 * What the kubelet uses of a container runtime: the Container Runtime Interface, thinned to what is read.
 * Names are CRI's own in lower camel case; times are milliseconds since the epoch, 0 where CRI has none.
 * grpc-runtime.ts speaks to containerd, fake-runtime.ts keeps everything in memory for tests.
 */
export interface CriRuntime {
  version(signal?: AbortSignal): Promise<RuntimeVersion>;
  status(): Promise<RuntimeCondition[]>;

  listPodSandbox(filter?: PodFilter): Promise<PodSandbox[]>;
  podSandboxStatus(id: string): Promise<PodSandboxStatus>;
  /** Resolves to the sandbox's id. Safe to abort: an aborted sandbox is found by the next relist. */
  runPodSandbox(config: PodSandboxConfig, runtimeHandler: string, signal?: AbortSignal): Promise<string>;
  stopPodSandbox(id: string): Promise<void>;
  removePodSandbox(id: string): Promise<void>;

  listContainers(filter?: PodFilter): Promise<ContainerSummary[]>;
  containerStatus(id: string): Promise<ContainerStatusInfo>;
  createContainer(sandboxId: string, config: ContainerConfig, sandbox: PodSandboxConfig): Promise<string>;
  startContainer(id: string, signal?: AbortSignal): Promise<void>;
  /** Sends the stop signal, then kills after `timeoutSeconds`. Resolves when the container has exited. */
  stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void>;
  removeContainer(id: string): Promise<void>;
  updateContainerResources(id: string, resources: LinuxContainerResources): Promise<void>;
  reopenContainerLog(id: string): Promise<void>;

  /** Rejects with a RuntimeError of code 'DeadlineExceeded' where the command outlives `timeoutSeconds`. */
  execSync(id: string, command: string[], timeoutSeconds: number, signal?: AbortSignal): Promise<ExecResult>;
  /** URLs of the runtime's own streaming server. */
  exec(id: string, command: string[], streams: StreamChoice): Promise<string>;
  attach(id: string, streams: StreamChoice): Promise<string>;
  portForward(sandboxId: string, ports: number[]): Promise<string>;

  listContainerStats(): Promise<ContainerStats[]>;

  listImages(): Promise<Image[]>;
  /** undefined where the image is not on the node. */
  imageStatus(image: string): Promise<Image | undefined>;
  /** Resolves to the image's reference. */
  pullImage(image: string, auth?: AuthConfig, sandbox?: PodSandboxConfig): Promise<string>;
  removeImage(image: string): Promise<void>;
  imageFsInfo(): Promise<{ mountpoint: string; usedBytes: number; inodesUsed: number } | undefined>;

  /** Container events until the signal aborts; rejects with code 'Unimplemented' on runtimes without them. */
  containerEvents(signal: AbortSignal, onEvent: (podUid: string) => void): Promise<void>;
  close(): void;
}

export interface ExecResult {
  stdout: Buffer;
  stderr: Buffer;
  exitCode: number;
}

export interface RuntimeVersion {
  runtimeName: string;
  runtimeVersion: string;
  runtimeApiVersion: string;
}

export interface RuntimeCondition {
  /** 'RuntimeReady' or 'NetworkReady'. */
  type: string;
  status: boolean;
  reason: string;
  message: string;
}

/** Lists only what belongs to one pod. */
export interface PodFilter {
  podUid?: string;
}

export interface SandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  attempt: number;
}

export interface PodSandbox {
  id: string;
  metadata: SandboxMetadata;
  ready: boolean;
  createdAtMs: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface PodSandboxStatus extends PodSandbox {
  ips: string[];
  networkMode: NamespaceMode;
}

export type ContainerState = 'Created' | 'Running' | 'Exited' | 'Unknown';

export interface ContainerSummary {
  id: string;
  podSandboxId: string;
  name: string;
  attempt: number;
  /** The image's id, as the runtime knows it. */
  imageRef: string;
  state: ContainerState;
  createdAtMs: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface ContainerStatusInfo {
  id: string;
  name: string;
  state: ContainerState;
  createdAtMs: number;
  startedAtMs: number;
  finishedAtMs: number;
  exitCode: number;
  image: string;
  imageRef: string;
  reason: string;
  message: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  mounts: Array<{ containerPath: string; hostPath: string }>;
  logPath: string;
}

export interface ContainerStats {
  id: string;
  labels: Record<string, string>;
  timestampMs: number;
  cpuNanoSeconds: number;
  memoryWorkingSetBytes: number;
  memoryUsageBytes: number;
  memoryRssBytes: number;
  writableLayerBytes: number;
  writableLayerInodes: number;
}

export interface Image {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  sizeBytes: number;
  /** The user of the image: a number, or a name (then `username`), or neither for root. */
  uid?: number;
  username: string;
  pinned: boolean;
}

export interface AuthConfig {
  username?: string;
  password?: string;
  auth?: string;
  serverAddress?: string;
  identityToken?: string;
  registryToken?: string;
}

export interface StreamChoice {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';

export interface NamespaceOption {
  network: NamespaceMode;
  pid: NamespaceMode;
  ipc: NamespaceMode;
  targetId?: string;
}

export interface SecurityProfile {
  profileType: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  localhostRef?: string;
}

export interface SeLinuxOption {
  user?: string;
  role?: string;
  type?: string;
  level?: string;
}

export interface LinuxSandboxSecurityContext {
  namespaceOptions: NamespaceOption;
  selinuxOptions?: SeLinuxOption;
  runAsUser?: number;
  runAsGroup?: number;
  readonlyRootfs?: boolean;
  supplementalGroups?: number[];
  privileged: boolean;
  seccomp?: SecurityProfile;
}

export interface LinuxContainerSecurityContext extends LinuxSandboxSecurityContext {
  capabilities?: { addCapabilities: string[]; dropCapabilities: string[] };
  runAsUsername?: string;
  noNewPrivs: boolean;
  maskedPaths: string[];
  readonlyPaths: string[];
}

export interface LinuxContainerResources {
  cpuPeriod?: number;
  cpuQuota?: number;
  cpuShares?: number;
  memoryLimitInBytes?: number;
  oomScoreAdj?: number;
}

export interface PortMapping {
  protocol: 'TCP' | 'UDP' | 'SCTP';
  containerPort: number;
  hostPort: number;
  hostIp: string;
}

export interface DnsConfig {
  servers: string[];
  searches: string[];
  options: string[];
}

export interface PodSandboxConfig {
  metadata: SandboxMetadata;
  hostname: string;
  logDirectory: string;
  dnsConfig?: DnsConfig;
  portMappings: PortMapping[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  linux: {
    cgroupParent: string;
    securityContext: LinuxSandboxSecurityContext;
    sysctls: Record<string, string>;
    resources?: LinuxContainerResources;
  };
}

export interface Mount {
  containerPath: string;
  hostPath: string;
  readonly: boolean;
  selinuxRelabel: boolean;
  propagation: 'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL';
}

export interface Device {
  containerPath: string;
  hostPath: string;
  permissions: string;
}

export interface ContainerConfig {
  metadata: { name: string; attempt: number };
  image: { image: string; userSpecifiedImage: string };
  command: string[];
  args: string[];
  workingDir: string;
  envs: Array<{ key: string; value: string }>;
  mounts: Mount[];
  devices: Device[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Relative to the sandbox's logDirectory. */
  logPath: string;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  linux: { resources: LinuxContainerResources; securityContext: LinuxContainerSecurityContext };
}
