import { mkdir, readdir, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Container, Pod, Secret } from '../../api/gen/types/core-v1.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ContainerConfig, CriRuntime, Device, Image, PodSandboxConfig } from '../cri/runtime.ts';
import { containerEnvironment, type EnvironmentContext } from '../environment/environment.ts';
import type { PodEvents } from '../events.ts';
import type { ImagePuller } from '../images/image-puller.ts';
import type { KubeletPaths } from '../paths.ts';
import type { ContainerKiller } from '../pods/container-killer.ts';
import { ephemeralContainers } from '../pods/pod-spec.ts';
import { findStatus, type PodRuntimeStatus } from '../pods/runtime-status.ts';
import type { Mounter } from '../volumes/mounts.ts';
import type { ReadyVolume } from '../volumes/volume-manager.ts';
import { expandedCommand } from './commands.ts';
import { containerMounts } from './container-mounts.ts';
import type { HookRunner } from './hooks.ts';
import { containerAnnotations, containerLabels } from './labels.ts';
import { containerResources } from './resources.ts';
import { containerSecurityContext, verifyRunAsNonRoot } from './security-context.ts';
import { StartError, type StartReason } from './start-error.ts';

/** What starting a container needs of its pod. */
export interface StartContext {
  pod: Pod;
  runtime: PodRuntimeStatus;
  sandboxId: string;
  sandbox: PodSandboxConfig;
  podIps: string[];
  volumes: ReadonlyMap<string, ReadyVolume>;
  pullSecrets: readonly Secret[];
  signal: AbortSignal;
}

export interface StarterOptions {
  runtime: CriRuntime;
  images: ImagePuller;
  hooks: HookRunner;
  killer: ContainerKiller;
  events: PodEvents;
  paths: KubeletPaths;
  mounter: Mounter;
  clusterDomain: string;
  memoryCapacityBytes: number;
  /** Variables, services and node facts for a pod. */
  environment: (pod: Pod, podIps: string[]) => EnvironmentContext;
  log: Logger;
}

/** Starts one container: image, configuration, create, start, postStart. Mirrors startContainer of kuberuntime_container.go. */
export class ContainerStarter {
  readonly #options: StarterOptions;

  constructor(options: StarterOptions) {
    this.#options = options;
  }

  /** Rejects with StartError, after an event told of it. */
  async start(container: Container, context: StartContext): Promise<void> {
    const { events, images, runtime } = this.#options;
    const { pod, signal } = context;
    const image = await this.#reported(pod, container, () =>
      images.ensure(pod, container, context.pullSecrets, context.sandbox, signal),
    );
    const restartCount = await this.#restartCount(pod, container, context.runtime);
    const config = await this.#step(pod, container, 'CreateContainerConfigError', () =>
      this.#config(container, image, restartCount, context),
    );
    const id = await this.#step(pod, container, 'CreateContainerError', () =>
      runtime.createContainer(context.sandboxId, config, context.sandbox),
    );
    events.event(pod, 'Normal', 'Created', 'Container created', container.name);
    await this.#step(pod, container, 'RunContainerError', () => runtime.startContainer(id));
    events.event(pod, 'Normal', 'Started', 'Container started', container.name);
    await this.#linkLog(pod, container, id, config, context.sandbox);
    await this.#postStart(container, id, context);
  }

  async #step<T>(pod: Pod, container: Container, reason: StartReason, run: () => Promise<T>): Promise<T> {
    return this.#reported(pod, container, async () => {
      try {
        return await run();
      } catch (error) {
        throw new StartError(reason, messageOf(error), { cause: error });
      }
    });
  }

  async #reported<T>(pod: Pod, container: Container, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof StartError) {
        // Image errors are named by their reason, the others by the runtime's own words.
        const image = /^(Err?Image|ImagePull|ImageInspect|InvalidImage)/.test(error.reason);
        const text = image ? error.reason : error.message;
        this.#options.events.event(pod, 'Warning', 'Failed', `Error: ${text}`, container.name);
      }
      throw error;
    }
  }

  /** One more than the last; from the logs on disk where the runtime has forgotten, as after a reboot. */
  async #restartCount(pod: Pod, container: Container, runtime: PodRuntimeStatus): Promise<number> {
    const known = findStatus(runtime, container.name);
    if (known) return known.restartCount + 1;
    const names = await readdir(this.#options.paths.containerLogDir(pod, container.name)).catch(() => []);
    const counts = names.map((name) => /^(\d+)\.log/.exec(name)?.[1]).filter((count) => count !== undefined);
    return counts.length === 0 ? 0 : Math.max(...counts.map(Number)) + 1;
  }

  async #config(
    container: Container,
    image: Image,
    restartCount: number,
    context: StartContext,
  ): Promise<ContainerConfig> {
    const { log, mounter, paths, clusterDomain, memoryCapacityBytes } = this.#options;
    const { pod, podIps, volumes } = context;
    const environment = await containerEnvironment(container, this.#options.environment(pod, podIps));
    // An image without a user runs as root.
    const uid = image.uid ?? (image.username === '' ? 0 : undefined);
    const user = { uid, username: image.username };
    verifyRunAsNonRoot(pod, container, user);
    await mkdir(paths.containerLogDir(pod, container.name), { recursive: true, mode: 0o755 });
    return {
      metadata: { name: container.name, attempt: restartCount },
      image: { image: image.id, userSpecifiedImage: container.image ?? '' },
      ...expandedCommand(container, environment),
      workingDir: container.workingDir ?? '',
      envs: [...environment].map(([key, value]) => ({ key, value })),
      mounts: await containerMounts(pod, container, restartCount, {
        paths,
        mounter,
        clusterDomain,
        volumes,
        environment,
        podIps,
        log,
      }),
      devices: [] as Device[],
      labels: containerLabels(container, pod),
      annotations: containerAnnotations(container, pod, restartCount),
      logPath: join(container.name, `${restartCount}.log`),
      stdin: container.stdin ?? false,
      stdinOnce: container.stdinOnce ?? false,
      tty: container.tty ?? false,
      linux: {
        resources: containerResources(pod, container, memoryCapacityBytes),
        securityContext: containerSecurityContext(pod, container, user, this.#target(container, context)),
      },
    };
  }

  /** The container whose processes an ephemeral one sees. */
  #target(container: Container, { pod, runtime }: StartContext): string | undefined {
    const name = ephemeralContainers(pod).find((one) => one.name === container.name)?.targetContainerName;
    if (!name) return undefined;
    const target = findStatus(runtime, name);
    if (target) return target.id;
    throw new StartError('CreateContainerConfigError', `unable to find target container ${name}`);
  }

  async #linkLog(
    pod: Pod,
    container: Container,
    id: string,
    config: ContainerConfig,
    sandbox: PodSandboxConfig,
  ): Promise<void> {
    const file = join(sandbox.logDirectory, config.logPath);
    const link = this.#options.paths.containerLogLink(pod, container.name, id);
    try {
      await stat(file);
      await mkdir(dirname(link), { recursive: true, mode: 0o755 });
      await rm(link, { force: true });
      await symlink(file, link);
    } catch (error) {
      this.#options.log.debug({ link, error: messageOf(error) }, 'log link not made');
    }
  }

  async #postStart(container: Container, id: string, context: StartContext): Promise<void> {
    const handler = container.lifecycle?.postStart;
    if (!handler) return;
    const { events, hooks, killer, log } = this.#options;
    const { pod, podIps, signal } = context;
    try {
      await hooks.run(pod, container, id, handler, podIps[0], signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ container: container.name, error: messageOf(error) }, 'postStart hook failed');
      // The hook's own words may hold secrets.
      events.event(pod, 'Warning', 'FailedPostStartHook', 'PostStartHook failed', container.name);
      const target = {
        id,
        name: container.name,
        message: 'FailedPostStartHook',
        reason: 'FailedPostStartHook',
      } as const;
      await killer.kill(pod, target, { podIp: podIps[0], signal });
      throw new StartError('PostStartHookError', messageOf(error), { cause: error });
    }
  }
}
