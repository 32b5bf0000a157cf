import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { FakeImages } from './fake-images.ts';
import type { FakeContainer, FakeSandbox } from './fake-state.ts';
import { RuntimeError } from './runtime-error.ts';
import type {
  ContainerConfig,
  ContainerStats,
  ContainerStatusInfo,
  ContainerSummary,
  CriRuntime,
  LinuxContainerResources,
  PodFilter,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxStatus,
  RuntimeCondition,
} from './runtime.ts';

export type ExecAnswer = { exitCode: number; stdout?: string; stderr?: string };

const POD_UID = 'io.kubernetes.pod.uid';
const notFound = (what: string, id: string) => new RuntimeError('NotFound', `${what} "${id}" not found`);

/**
 * A container runtime in memory: nothing runs, but everything has the states that it would have. Tests end
 * containers with `exit`, and say what commands answer. It passes the suite that containerd passes
 * (test/contract/cri-runtime.ts).
 */
export class FakeRuntime extends FakeImages implements CriRuntime {
  readonly sandboxes = new Map<string, FakeSandbox>();
  readonly containers = new Map<string, FakeContainer>();
  conditions: RuntimeCondition[] = [
    { type: 'RuntimeReady', status: true, reason: '', message: '' },
    { type: 'NetworkReady', status: true, reason: '', message: '' },
  ];
  /** What a command in a container answers. */
  onExec: (container: string, command: string[]) => ExecAnswer | Promise<ExecAnswer> = () => ({
    exitCode: 0,
  });
  /** Whether a container ends when it is told to; otherwise the timeout has to pass. */
  obedient = true;
  readonly #clock: Clock;
  #serial = 0;

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  /** The newest container of that name. */
  container(name: string): FakeContainer {
    const found = [...this.containers.values()].findLast(({ config }) => config.metadata.name === name);
    if (!found) throw notFound('container', name);
    return found;
  }

  /** The container's process ends by itself. */
  exit(name: string, exitCode: number): void {
    this.#end(this.container(name), exitCode);
  }

  /** As a reboot of the host: nothing runs any more, sandboxes are not ready. */
  reboot(): void {
    for (const sandbox of this.sandboxes.values()) sandbox.ready = false;
    for (const container of this.containers.values()) {
      if (container.state === 'Running') this.#end(container, 255);
    }
  }

  async version() {
    return { runtimeName: 'containerd', runtimeVersion: '1.6.20', runtimeApiVersion: 'v1' };
  }

  async status(): Promise<RuntimeCondition[]> {
    return this.conditions;
  }

  async listPodSandbox(filter?: PodFilter): Promise<PodSandbox[]> {
    return [...this.sandboxes.values()]
      .filter(({ config }) => matches(config.labels, filter))
      .map((sandbox) => this.#toSandbox(sandbox));
  }

  async podSandboxStatus(id: string): Promise<PodSandboxStatus> {
    const sandbox = this.#sandbox(id);
    const networkMode = sandbox.config.linux.securityContext.namespaceOptions.network;
    return { ...this.#toSandbox(sandbox), networkMode, ips: networkMode === 'NODE' ? [] : [sandbox.ip] };
  }

  async runPodSandbox(config: PodSandboxConfig, _handler: string, signal?: AbortSignal): Promise<string> {
    this.record('runPodSandbox', config.metadata.name);
    signal?.throwIfAborted();
    const id = this.#id('sandbox');
    const ip = `10.244.0.${(this.#serial % 250) + 2}`;
    this.sandboxes.set(id, { id, config, ready: true, createdAtMs: this.#now(), ip });
    return id;
  }

  async stopPodSandbox(id: string): Promise<void> {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox) return;
    this.record('stopPodSandbox', sandbox.config.metadata.name);
    for (const container of this.containers.values()) {
      if (container.sandboxId === id && container.state === 'Running') this.#end(container, 137);
    }
    sandbox.ready = false;
  }

  async removePodSandbox(id: string): Promise<void> {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox) return;
    this.record('removePodSandbox', sandbox.config.metadata.name);
    for (const [key, { sandboxId }] of this.containers) if (sandboxId === id) this.containers.delete(key);
    this.sandboxes.delete(id);
  }

  async listContainers(filter?: PodFilter): Promise<ContainerSummary[]> {
    return [...this.containers.values()]
      .filter(({ config }) => matches(config.labels, filter))
      .map(({ config, createdAtMs, id, sandboxId, state }) => ({
        id,
        podSandboxId: sandboxId,
        name: config.metadata.name,
        attempt: config.metadata.attempt,
        imageRef: config.image.image,
        state,
        createdAtMs,
        labels: config.labels,
        annotations: config.annotations,
      }));
  }

  async containerStatus(id: string): Promise<ContainerStatusInfo> {
    const { config, ...rest } = this.#container(id);
    return {
      id,
      name: config.metadata.name,
      state: rest.state,
      createdAtMs: rest.createdAtMs,
      startedAtMs: rest.startedAtMs,
      finishedAtMs: rest.finishedAtMs,
      exitCode: rest.exitCode,
      image: config.image.userSpecifiedImage,
      imageRef: config.image.image,
      reason: rest.reason,
      message: '',
      labels: config.labels,
      annotations: config.annotations,
      mounts: config.mounts,
      logPath: rest.logPath,
    };
  }

  async createContainer(
    sandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
  ): Promise<string> {
    this.record('createContainer', config.metadata.name);
    if (!this.#sandbox(sandboxId).ready) throw new RuntimeError('Unknown', 'sandbox is not ready');
    const id = this.#id('container');
    this.containers.set(id, {
      id,
      sandboxId,
      config,
      state: 'Created',
      createdAtMs: this.#now(),
      startedAtMs: 0,
      finishedAtMs: 0,
      exitCode: 0,
      reason: '',
      logPath: join(sandboxConfig.logDirectory, config.logPath),
      stopped: [],
      resources: config.linux.resources,
    });
    return id;
  }

  async startContainer(id: string): Promise<void> {
    const container = this.#container(id);
    this.record('startContainer', container.config.metadata.name);
    if (container.state !== 'Created') throw new RuntimeError('Unknown', `container is ${container.state}`);
    await mkdir(dirname(container.logPath), { recursive: true });
    await writeFile(container.logPath, '');
    container.state = 'Running';
    container.startedAtMs = this.#now();
  }

  async stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void> {
    const container = this.#container(id);
    this.record('stopContainer', `${container.config.metadata.name} ${timeoutSeconds}`);
    if (container.state !== 'Running') return;
    if (!this.obedient) {
      const ended = new Promise<void>((resolve) => container.stopped.push(resolve));
      await Promise.race([ended, this.#clock.sleep(timeoutSeconds * 1000, signal)]);
    }
    if (container.state === 'Running') this.#end(container, this.obedient ? 0 : 137);
  }

  async removeContainer(id: string): Promise<void> {
    const container = this.containers.get(id);
    if (!container) return;
    this.record('removeContainer', container.config.metadata.name);
    this.containers.delete(id);
  }

  async updateContainerResources(id: string, resources: LinuxContainerResources): Promise<void> {
    this.#container(id).resources = resources;
  }

  async reopenContainerLog(id: string): Promise<void> {
    const container = this.#container(id);
    if (container.state !== 'Running') throw new RuntimeError('Unknown', 'container is not running');
    await writeFile(container.logPath, '', { flag: 'a' });
  }

  async execSync(id: string, command: string[], _timeoutSeconds: number, signal?: AbortSignal) {
    const container = this.#container(id);
    if (container.state !== 'Running') throw new RuntimeError('Unknown', 'container is not running');
    const answer = await this.onExec(container.config.metadata.name, command);
    signal?.throwIfAborted();
    return {
      exitCode: answer.exitCode,
      stdout: Buffer.from(answer.stdout ?? ''),
      stderr: Buffer.from(answer.stderr ?? ''),
    };
  }

  async exec(id: string): Promise<string> {
    return `http://127.0.0.1:1/exec/${this.#container(id).id}`;
  }

  async attach(id: string): Promise<string> {
    return `http://127.0.0.1:1/attach/${this.#container(id).id}`;
  }

  async portForward(sandboxId: string): Promise<string> {
    return `http://127.0.0.1:1/portforward/${this.#sandbox(sandboxId).id}`;
  }

  async listContainerStats(): Promise<ContainerStats[]> {
    return [...this.containers.values()].map(({ config, id }) => ({
      id,
      labels: config.labels,
      timestampMs: this.#now(),
      cpuNanoSeconds: 0,
      memoryWorkingSetBytes: 0,
      memoryUsageBytes: 0,
      memoryRssBytes: 0,
      writableLayerBytes: 0,
      writableLayerInodes: 0,
    }));
  }

  async imageFsInfo() {
    return { mountpoint: '/', usedBytes: 0, inodesUsed: 0 };
  }

  async containerEvents(): Promise<void> {
    throw new RuntimeError('Unimplemented', 'unknown method GetContainerEvents');
  }

  close(): void {
    // Nothing is open.
  }

  #end(container: FakeContainer, exitCode: number): void {
    container.state = 'Exited';
    container.exitCode = exitCode;
    container.reason = exitCode === 0 ? 'Completed' : 'Error';
    container.finishedAtMs = this.#now();
    for (const resolve of container.stopped.splice(0)) resolve();
  }

  #toSandbox({ config, createdAtMs, id, ready }: FakeSandbox): PodSandbox {
    const { annotations, labels, metadata } = config;
    return { id, metadata, ready, createdAtMs, labels, annotations };
  }

  #sandbox(id: string): FakeSandbox {
    const found = this.sandboxes.get(id);
    if (!found) throw notFound('sandbox', id);
    return found;
  }

  #container(id: string): FakeContainer {
    const found = this.containers.get(id);
    if (!found) throw notFound('container', id);
    return found;
  }

  #id(kind: string): string {
    this.#serial += 1;
    return `${kind}${String(this.#serial).padStart(4, '0')}`;
  }

  /** Two things never happen in the same millisecond: order by time is order of events. */
  #now(): number {
    return this.#clock.now() + this.#serial / 1000;
  }
}

const matches = (labels: Record<string, string>, filter: PodFilter | undefined): boolean =>
  filter?.podUid === undefined || labels[POD_UID] === filter.podUid;
