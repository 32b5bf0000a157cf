import type { Container, Pod } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { CriRuntime } from '../cri/runtime.ts';
import { isRuntimeError } from '../cri/runtime-error.ts';
import type { HookRunner } from '../containers/hooks.ts';
import type { PodEvents } from '../events.ts';
import type { ContainerToKill, KillReason } from './action-types.ts';
import { findContainer, initContainers, isSidecar } from './pod-spec.ts';
import { gracePeriodOf } from './pod-workers.ts';
import type { PodRuntimeStatus } from './runtime-status.ts';

/** Even a container without any grace left gets this long, so that a SIGKILL is the exception. */
const MINIMUM_GRACE_SECONDS = 2;

/** Stops containers: preStop hook, order of sidecars, stop signal, kill. Mirrors killContainer of kuberuntime_container.go. */
export class ContainerKiller {
  readonly #runtime: CriRuntime;
  readonly #hooks: HookRunner;
  readonly #events: PodEvents;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: {
    runtime: CriRuntime;
    hooks: HookRunner;
    events: PodEvents;
    clock: Clock;
    log: Logger;
  }) {
    this.#runtime = options.runtime;
    this.#hooks = options.hooks;
    this.#events = options.events;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /**
   * Stops one container and waits until it has ended.
   *
   * @param graceSeconds overrides the pod's grace period.
   */
  async kill(
    pod: Pod,
    target: ContainerToKill,
    options: {
      graceSeconds?: number;
      podIp?: string;
      signal?: AbortSignal;
      turn?: (graceSeconds: number) => Promise<void>;
    },
  ): Promise<void> {
    const container = findContainer(pod, target.name);
    let grace = gracePeriodFor(pod, container, target.reason);
    const message = target.message === '' ? `Stopping container ${target.name}` : target.message;
    this.#events.event(pod, 'Normal', 'Killing', message, target.name);
    if (options.graceSeconds !== undefined) grace = options.graceSeconds;
    const startMs = this.#clock.monotonicMs();
    const elapsed = () => Math.floor((this.#clock.monotonicMs() - startMs) / 1000);
    if (container?.lifecycle?.preStop && grace > 0) {
      await this.#preStop(pod, container, target.id, grace, options);
    }
    if (options.turn && grace - elapsed() > 0) await options.turn(grace - elapsed());
    options.signal?.throwIfAborted();
    const rest = Math.max(MINIMUM_GRACE_SECONDS, grace - elapsed());
    try {
      await this.#runtime.stopContainer(target.id, rest, options.signal);
    } catch (error) {
      if (!isRuntimeError(error, 'NotFound')) throw error;
    }
  }

  /** Stops every running container of the pod side by side, sidecars after those they serve, then its sandboxes. */
  async killPod(
    pod: Pod,
    status: PodRuntimeStatus,
    options: { graceSeconds?: number; signal?: AbortSignal } = {},
  ): Promise<void> {
    const running = status.containers.filter(({ state }) => state === 'Running' || state === 'Unknown');
    const order = new TerminationOrder(
      pod,
      running.map(({ name }) => name),
      this.#clock,
    );
    const results = await Promise.allSettled(
      running.map(async (container) => {
        await this.kill(
          pod,
          { id: container.id, name: container.name, message: '', reason: 'Unknown' },
          {
            ...options,
            podIp: status.ips[0],
            turn: (seconds) => order.waitForTurn(container.name, seconds, options.signal),
          },
        );
        order.ended(container.name);
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    await this.stopSandboxes(status);
  }

  async stopSandboxes(status: PodRuntimeStatus): Promise<void> {
    for (const sandbox of status.sandboxes) {
      try {
        await this.#runtime.stopPodSandbox(sandbox.id);
      } catch (error) {
        if (!isRuntimeError(error, 'NotFound')) throw error;
      }
    }
  }

  async #preStop(
    pod: Pod,
    container: Container,
    id: string,
    graceSeconds: number,
    options: { podIp?: string; signal?: AbortSignal },
  ): Promise<void> {
    const limit = new AbortController();
    const timer = this.#clock.after(graceSeconds * 1000, () => limit.abort());
    const signal = AbortSignal.any([limit.signal, ...(options.signal ? [options.signal] : [])]);
    try {
      const handler = container.lifecycle?.preStop;
      if (handler) await this.#hooks.run(pod, container, id, handler, options.podIp, signal);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (limit.signal.aborted) return;
      this.#log.warn({ container: container.name, error: messageOf(error) }, 'preStop hook failed');
      // The hook's own words may hold secrets: they stay in this log.
      this.#events.event(pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', container.name);
    } finally {
      timer.cancel();
    }
  }
}

function gracePeriodFor(pod: Pod, container: Container | undefined, reason: KillReason): number {
  const probe =
    reason === 'LivenessProbe'
      ? container?.livenessProbe
      : reason === 'StartupProbe'
        ? container?.startupProbe
        : undefined;
  if (pod.metadata?.deletionGracePeriodSeconds !== undefined) return pod.metadata.deletionGracePeriodSeconds;
  return probe?.terminationGracePeriodSeconds ?? gracePeriodOf(pod);
}

/** Sidecars end after all regular containers, in the reverse order of their start. Mirrors kuberuntime_termination_order.go. */
class TerminationOrder {
  readonly #clock: Clock;
  /** For each sidecar: those that must have ended before it. */
  readonly #before = new Map<string, Set<string>>();
  #wake: Array<() => void> = [];

  constructor(pod: Pod, running: string[], clock: Clock) {
    this.#clock = clock;
    const sidecars = initContainers(pod).filter(isSidecar);
    const names = new Set(running);
    const after = new Set(running.filter((name) => !sidecars.some((sidecar) => sidecar.name === name)));
    for (const sidecar of sidecars.toReversed()) {
      if (!names.has(sidecar.name)) continue;
      this.#before.set(sidecar.name, new Set(after));
      after.add(sidecar.name);
    }
  }

  ended(name: string): void {
    for (const waiting of this.#before.values()) waiting.delete(name);
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Resolves when all before it have ended, the time is over, or the signal aborts. */
  async waitForTurn(name: string, seconds: number, signal?: AbortSignal): Promise<void> {
    const over = new AbortController();
    const timer = this.#clock.after(seconds * 1000, () => over.abort());
    const stop = AbortSignal.any([over.signal, ...(signal ? [signal] : [])]);
    const wakeAll = () => {
      for (const wake of this.#wake.splice(0)) wake();
    };
    stop.addEventListener('abort', wakeAll, { once: true });
    const mayGo = () => stop.aborted || (this.#before.get(name)?.size ?? 0) === 0;
    while (!mayGo()) await new Promise<void>((resolve) => this.#wake.push(resolve));
    timer.cancel();
    stop.removeEventListener('abort', wakeAll);
  }
}
