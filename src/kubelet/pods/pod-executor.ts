import { mkdir } from 'node:fs/promises';
import type { Container, Pod, Secret } from '../../api/gen/types/core-v1.ts';
import { isAbort, messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { sandboxConfig } from '../containers/sandbox-config.ts';
import type { ContainerStarter, StartContext } from '../containers/container-starter.ts';
import { containerHash } from '../containers/labels.ts';
import { StartError } from '../containers/start-error.ts';
import type { CriRuntime, PodSandboxConfig } from '../cri/runtime.ts';
import type { DnsSettings } from '../environment/resolv-conf.ts';
import type { PodEvents } from '../events.ts';
import type { KubeletPaths } from '../paths.ts';
import type { StartFailure } from '../status/container-statuses.ts';
import type { ReadyVolume } from '../volumes/volume-manager.ts';
import type { PodActions } from './action-types.ts';
import type { ContainerKiller } from './container-killer.ts';
import type { CrashBackoff } from './crash-backoff.ts';
import { findContainer, formatPod, isHostNetwork, isSidecar, uidOf } from './pod-spec.ts';
import type { PodRuntimeStatus } from './runtime-status.ts';

export interface ExecutorOptions {
  runtime: CriRuntime;
  starter: ContainerStarter;
  killer: ContainerKiller;
  backoff: CrashBackoff;
  paths: KubeletPaths;
  events: PodEvents;
  clock: Clock;
  dns: () => Promise<DnsSettings>;
  /** The runtime's handler for a RuntimeClass; '' for the default. */
  runtimeHandler: (pod: Pod) => Promise<string>;
  log: Logger;
}

/** Errors without a time of their own are tried again after this, as upstream's backOffPeriod. */
const RETRY_MS = 10_000;

/** Carries out a plan of actions.ts and remembers why starts failed. */
export class PodExecutor {
  readonly #options: ExecutorOptions;
  /** By pod and container: the reason that its waiting state shows. */
  readonly #failures = new Map<string, StartFailure>();

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  startFailure(uid: string, container: string): StartFailure | undefined {
    return this.#failures.get(`${uid}/${container}`);
  }

  forget(uid: string): void {
    for (const key of this.#failures.keys()) if (key.startsWith(`${uid}/`)) this.#failures.delete(key);
  }

  /** @returns when to look again: 0 for at once, undefined where nothing was to do. */
  async execute(
    pod: Pod,
    runtime: PodRuntimeStatus,
    actions: PodActions,
    prepared: { volumes: ReadonlyMap<string, ReadyVolume>; pullSecrets: readonly Secret[] },
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const killed = await this.#kill(pod, runtime, actions, signal);
    if (actions.killPod && !actions.createSandbox) return killed ? 0 : undefined;
    signal.throwIfAborted();
    const config = sandboxConfig(pod, actions.attempt, this.#options.paths, await this.#options.dns());
    let { sandboxId } = actions;
    let podIps = runtime.ips;
    if (actions.createSandbox) {
      if (actions.sandboxId !== '') {
        const message = 'Pod sandbox changed, it will be killed and re-created.';
        this.#options.events.event(pod, 'Normal', 'SandboxChanged', message);
      }
      sandboxId = await this.#createSandbox(pod, config, signal);
      if (!isHostNetwork(pod)) podIps = (await this.#options.runtime.podSandboxStatus(sandboxId)).ips;
    }
    signal.throwIfAborted();
    const context: StartContext = {
      pod,
      runtime,
      sandboxId,
      sandbox: config,
      podIps,
      ...prepared,
      signal,
    };
    return this.#start(actions, context, killed);
  }

  async #kill(
    pod: Pod,
    runtime: PodRuntimeStatus,
    actions: PodActions,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { killer } = this.#options;
    if (actions.killPod) {
      const left = runtime.containers.some(({ state }) => state === 'Running' || state === 'Unknown');
      const sandboxes = runtime.sandboxes.filter(({ ready }) => ready);
      if (!left && sandboxes.length === 0 && !actions.createSandbox) return false;
      await killer.killPod(pod, runtime, { signal });
      return left || sandboxes.length > 0;
    }
    const results = await Promise.allSettled(
      actions.containersToKill.map((target) => killer.kill(pod, target, { podIp: runtime.ips[0], signal })),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return actions.containersToKill.length > 0;
  }

  async #createSandbox(pod: Pod, config: PodSandboxConfig, signal: AbortSignal): Promise<string> {
    const { events, runtime } = this.#options;
    try {
      await mkdir(config.logDirectory, { recursive: true, mode: 0o755 });
      const handler = await this.#options.runtimeHandler(pod);
      return await runtime.runPodSandbox(config, handler, signal);
    } catch (error) {
      if (!signal.aborted && !isAbort(error)) {
        const message = `Failed to create pod sandbox: ${messageOf(error)}`;
        events.event(pod, 'Warning', 'FailedCreatePodSandBox', message);
      }
      throw error;
    }
  }

  async #start(actions: PodActions, context: StartContext, killed: boolean): Promise<number | undefined> {
    const result: StartResult = { started: killed || actions.createSandbox, retryMs: undefined };
    for (const name of actions.ephemeralToStart) await this.#startOne(name, context, result);
    for (const name of actions.initToStart) {
      const ok = await this.#startOne(name, context, result);
      const container = findContainer(context.pod, name);
      // Without this init container those behind it must not start.
      if (!ok && container && !isSidecar(container)) return result.retryMs;
    }
    for (const name of actions.containersToStart) await this.#startOne(name, context, result);
    if (result.retryMs !== undefined) return result.retryMs;
    return result.started ? 0 : undefined;
  }

  /** @returns whether it was started. */
  async #startOne(name: string, context: StartContext, result: StartResult): Promise<boolean> {
    const container = findContainer(context.pod, name);
    if (!container) return true;
    context.signal.throwIfAborted();
    const key = `${uidOf(context.pod)}/${name}`;
    try {
      this.#checkBackoff(container, context);
      await this.#options.starter.start(container, context);
      this.#failures.delete(key);
      result.started = true;
      return true;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#failures.set(key, { reason: error.reason, message: error.message });
      if (error.reason !== 'CrashLoopBackOff' && error.reason !== 'ImagePullBackOff') {
        const fields = { pod: formatPod(context.pod), container: name, reason: error.reason };
        this.#options.log.warn({ ...fields, error: error.message }, 'container not started');
      }
      result.retryMs = Math.min(result.retryMs ?? Infinity, error.retryMs ?? RETRY_MS);
      return false;
    }
  }

  /** Mirrors doBackOff of kuberuntime_manager.go: counted from the end of the last run. */
  #checkBackoff(container: Container, { pod, runtime }: StartContext): void {
    const { backoff, events } = this.#options;
    const exited = runtime.containers.find(
      ({ name, state }) => name === container.name && state === 'Exited',
    );
    if (!exited) return;
    const key = `${uidOf(pod)}/${container.name}/${containerHash(container)}`;
    const waitMs = backoff.remainingMs(key, exited.finishedAtMs);
    if (waitMs === 0) {
      backoff.next(key, exited.finishedAtMs);
      return;
    }
    const what = `restarting failed container`;
    events.event(
      pod,
      'Warning',
      'BackOff',
      `Back-off ${what} ${container.name} in pod ${formatPod(pod)}`,
      container.name,
    );
    throw new StartError(
      'CrashLoopBackOff',
      `back-off ${goDuration(backoff.delayMs(key))} ${what}=${container.name} pod=${formatPod(pod)}`,
      { retryMs: waitMs },
    );
  }
}

interface StartResult {
  started: boolean;
  retryMs: number | undefined;
}

/** '1m20s', as Go prints it. */
export function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}
