import type { Clock } from '../../base/clock.ts';
import type * as gen from './gen/types.ts';
import { toContainerConfig, toLinuxResources, toSandboxConfig } from './encode-config.ts';
import * as decode from './decode-status.ts';
import { GrpcChannel } from './grpc-channel.ts';
import { isRuntimeError } from './runtime-error.ts';
import type {
  AuthConfig,
  ContainerConfig,
  ContainerStats,
  ContainerStatusInfo,
  ContainerSummary,
  CriRuntime,
  Image,
  LinuxContainerResources,
  PodFilter,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxStatus,
  RuntimeCondition,
  RuntimeVersion,
  StreamChoice,
} from './runtime.ts';

const POD_UID = 'io.kubernetes.pod.uid';
const RUNTIME = 'RuntimeService';
const IMAGES = 'ImageService';
/** A sandbox waits for the network's plugins. */
const SANDBOX_TIMEOUT_MS = 240_000;

/** CRI over a unix socket: containerd 1.6 and later. */
export class GrpcRuntime implements CriRuntime {
  readonly #channel: GrpcChannel;

  /** @param endpoint '/run/containerd/containerd.sock', with or without 'unix://'. */
  constructor(endpoint: string, clock: Clock) {
    this.#channel = new GrpcChannel(endpoint, clock);
  }

  async version(signal?: AbortSignal): Promise<RuntimeVersion> {
    const answer = await this.#channel.call<gen.VersionResponse>(
      RUNTIME,
      'Version',
      { version: '0.1.0' },
      { timeoutMs: 10_000, signal },
    );
    return {
      runtimeName: answer.runtime_name,
      runtimeVersion: answer.runtime_version,
      runtimeApiVersion: answer.runtime_api_version,
    };
  }

  async status(): Promise<RuntimeCondition[]> {
    const answer = await this.#channel.call<gen.StatusResponse>(RUNTIME, 'Status', {}, { timeoutMs: 10_000 });
    return answer.status?.conditions ?? [];
  }

  async listPodSandbox(filter?: PodFilter): Promise<PodSandbox[]> {
    const answer = await this.#channel.call<gen.ListPodSandboxResponse>(RUNTIME, 'ListPodSandbox', {
      filter: { label_selector: selectorOf(filter) },
    });
    return answer.items.map(decode.toSandbox);
  }

  async podSandboxStatus(id: string): Promise<PodSandboxStatus> {
    const answer = await this.#channel.call<gen.PodSandboxStatusResponse>(RUNTIME, 'PodSandboxStatus', {
      pod_sandbox_id: id,
    });
    return decode.toSandboxStatus(decode.present(answer.status, `sandbox ${id}`));
  }

  async runPodSandbox(
    config: PodSandboxConfig,
    runtimeHandler: string,
    signal?: AbortSignal,
  ): Promise<string> {
    const answer = await this.#channel.call<gen.RunPodSandboxResponse>(
      RUNTIME,
      'RunPodSandbox',
      { config: toSandboxConfig(config), runtime_handler: runtimeHandler },
      { timeoutMs: SANDBOX_TIMEOUT_MS, signal },
    );
    return answer.pod_sandbox_id;
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.#unlessGone(
      RUNTIME,
      'StopPodSandbox',
      { pod_sandbox_id: id },
      { timeoutMs: SANDBOX_TIMEOUT_MS },
    );
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.#unlessGone(RUNTIME, 'RemovePodSandbox', { pod_sandbox_id: id });
  }

  async listContainers(filter?: PodFilter): Promise<ContainerSummary[]> {
    const answer = await this.#channel.call<gen.ListContainersResponse>(RUNTIME, 'ListContainers', {
      filter: { label_selector: selectorOf(filter) },
    });
    return answer.containers.map(decode.toContainer);
  }

  async containerStatus(id: string): Promise<ContainerStatusInfo> {
    const answer = await this.#channel.call<gen.ContainerStatusResponse>(RUNTIME, 'ContainerStatus', {
      container_id: id,
    });
    return decode.toContainerStatus(decode.present(answer.status, `container ${id}`));
  }

  async createContainer(
    sandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
  ): Promise<string> {
    const answer = await this.#channel.call<gen.CreateContainerResponse>(RUNTIME, 'CreateContainer', {
      pod_sandbox_id: sandboxId,
      config: toContainerConfig(config),
      sandbox_config: toSandboxConfig(sandboxConfig),
    });
    return answer.container_id;
  }

  async startContainer(id: string, signal?: AbortSignal): Promise<void> {
    await this.#channel.call(RUNTIME, 'StartContainer', { container_id: id }, { signal });
  }

  async stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void> {
    await this.#channel.call(
      RUNTIME,
      'StopContainer',
      { container_id: id, timeout: timeoutSeconds },
      { timeoutMs: timeoutSeconds * 1000 + 120_000, signal },
    );
  }

  async removeContainer(id: string): Promise<void> {
    await this.#unlessGone(RUNTIME, 'RemoveContainer', { container_id: id });
  }

  async updateContainerResources(id: string, resources: LinuxContainerResources): Promise<void> {
    await this.#channel.call(RUNTIME, 'UpdateContainerResources', {
      container_id: id,
      linux: toLinuxResources(resources),
    });
  }

  async reopenContainerLog(id: string): Promise<void> {
    await this.#channel.call(RUNTIME, 'ReopenContainerLog', { container_id: id });
  }

  async execSync(id: string, command: string[], timeoutSeconds: number, signal?: AbortSignal) {
    const timeoutMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + 5_000 : 0;
    const answer = await this.#channel.call<gen.ExecSyncResponse>(
      RUNTIME,
      'ExecSync',
      { container_id: id, cmd: command, timeout: timeoutSeconds },
      { timeoutMs, signal },
    );
    return {
      stdout: decode.bytes(answer.stdout),
      stderr: decode.bytes(answer.stderr),
      exitCode: answer.exit_code,
    };
  }

  async exec(id: string, command: string[], streams: StreamChoice): Promise<string> {
    const answer = await this.#channel.call<gen.ExecResponse>(RUNTIME, 'Exec', {
      container_id: id,
      cmd: command,
      ...streams,
    });
    return answer.url;
  }

  async attach(id: string, streams: StreamChoice): Promise<string> {
    const answer = await this.#channel.call<gen.AttachResponse>(RUNTIME, 'Attach', {
      container_id: id,
      ...streams,
    });
    return answer.url;
  }

  async portForward(sandboxId: string, ports: number[]): Promise<string> {
    const answer = await this.#channel.call<gen.PortForwardResponse>(RUNTIME, 'PortForward', {
      pod_sandbox_id: sandboxId,
      port: ports,
    });
    return answer.url;
  }

  async listContainerStats(): Promise<ContainerStats[]> {
    const answer = await this.#channel.call<gen.ListContainerStatsResponse>(
      RUNTIME,
      'ListContainerStats',
      {},
    );
    return answer.stats.map(decode.toStats);
  }

  async listImages(): Promise<Image[]> {
    const answer = await this.#channel.call<gen.ListImagesResponse>(IMAGES, 'ListImages', {});
    return answer.images.map(decode.toImage);
  }

  async imageStatus(image: string): Promise<Image | undefined> {
    const answer = await this.#channel.call<gen.ImageStatusResponse>(IMAGES, 'ImageStatus', {
      image: { image },
    });
    return answer.image ? decode.toImage(answer.image) : undefined;
  }

  async pullImage(image: string, auth?: AuthConfig, sandboxConfig?: PodSandboxConfig): Promise<string> {
    const answer = await this.#channel.call<gen.PullImageResponse>(
      IMAGES,
      'PullImage',
      {
        image: { image },
        ...(auth ? { auth: authOf(auth) } : {}),
        ...(sandboxConfig ? { sandbox_config: toSandboxConfig(sandboxConfig) } : {}),
      },
      // Large images on slow lines take long; the runtime itself gives up where nothing moves.
      { timeoutMs: 0 },
    );
    return answer.image_ref;
  }

  async removeImage(image: string): Promise<void> {
    await this.#channel.call(IMAGES, 'RemoveImage', { image: { image } });
  }

  async imageFsInfo() {
    const answer = await this.#channel.call<gen.ImageFsInfoResponse>(
      IMAGES,
      'ImageFsInfo',
      {},
      {},
      {
        request: 'ImageFsInfoRequest',
      },
    );
    const usage = answer.image_filesystems[0];
    if (!usage) return undefined;
    return {
      mountpoint: usage.fs_id?.mountpoint ?? '',
      usedBytes: decode.count(usage.used_bytes?.value),
      inodesUsed: decode.count(usage.inodes_used?.value),
    };
  }

  async containerEvents(signal: AbortSignal, onEvent: (podUid: string) => void): Promise<void> {
    try {
      await this.#channel.stream(
        'GetContainerEvents',
        { request: 'GetEventsRequest', response: 'ContainerEventResponse' },
        signal,
        (event) => {
          const uid = (event as gen.ContainerEventResponse).pod_sandbox_status?.metadata?.uid;
          if (uid) onEvent(uid);
        },
      );
    } catch (error) {
      if (!(signal.aborted && isRuntimeError(error, 'Cancelled'))) throw error;
    }
  }

  /** What is gone needs no stopping and no removing: runtimes differ in whether they call it an error. */
  async #unlessGone(...call: Parameters<GrpcChannel['call']>): Promise<void> {
    try {
      await this.#channel.call(...call);
    } catch (error) {
      if (!isRuntimeError(error, 'NotFound')) throw error;
    }
  }

  close(): void {
    this.#channel.close();
  }
}

const selectorOf = (filter: PodFilter | undefined): Record<string, string> =>
  filter?.podUid === undefined ? {} : { [POD_UID]: filter.podUid };

function authOf(auth: AuthConfig): object {
  return {
    username: auth.username ?? '',
    password: auth.password ?? '',
    auth: auth.auth ?? '',
    server_address: auth.serverAddress ?? '',
    identity_token: auth.identityToken ?? '',
    registry_token: auth.registryToken ?? '',
  };
}
