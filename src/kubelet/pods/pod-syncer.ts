import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod, PodStatus, Secret } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { PodCgroups } from '../containers/cgroups.ts';
import { isRuntimeError } from '../cri/runtime-error.ts';
import type { CriRuntime } from '../cri/runtime.ts';
import type { ObjectReader } from '../environment/environment.ts';
import type { PodEvents } from '../events.ts';
import type { KubeletPaths } from '../paths.ts';
import type { ProbeManager } from '../probes/probe-manager.ts';
import { podStatus } from '../status/pod-status.ts';
import type { StatusManager } from '../status/status-manager.ts';
import { terminatedStatus } from '../status/terminated-status.ts';
import type { ReadyVolume, VolumeManager } from '../volumes/volume-manager.ts';
import type { PodActions } from './action-types.ts';
import { planPod } from './actions.ts';
import { admissionFailure, type Rejection } from './admission.ts';
import type { ContainerKiller } from './container-killer.ts';
import type { PodExecutor } from './pod-executor.ts';
import { isHostNetwork, nameOf, namespaceOf, specOf, uidOf } from './pod-spec.ts';
import type { PodSync } from './pod-workers.ts';
import { hasRunningContainers, type PodRuntimeStatus } from './runtime-status.ts';
import type { RuntimeReader } from './runtime-reader.ts';

export interface SyncerOptions {
  runtime: CriRuntime;
  runtimeName: string;
  reader: RuntimeReader;
  executor: PodExecutor;
  killer: ContainerKiller;
  volumes: VolumeManager;
  cgroups: PodCgroups;
  probes: ProbeManager;
  status: StatusManager;
  objects: ObjectReader;
  paths: KubeletPaths;
  events: PodEvents;
  clock: Clock;
  hostIps: () => string[];
  allocatable: () => Record<string, string>;
  activePods: () => Pod[];
  /** Why the runtime's network is not ready; undefined where it is. */
  networkProblem: () => string | undefined;
  /** Drops what other parts remember of a pod. */
  forget: (uid: string) => void;
  log: Logger;
}

const NETWORK_RETRY_MS = 1_000;

/** Brings one pod closer to its spec, ends it, cleans up after it. Mirrors SyncPod and its kin of pkg/kubelet/kubelet.go. */
export class PodSyncer implements PodSync {
  readonly #options: SyncerOptions;
  readonly #admitted = new Set<string>();
  readonly #failed = new Map<string, Rejection>();

  constructor(options: SyncerOptions) {
    this.#options = options;
  }

  async sync(pod: Pod, signal: AbortSignal): Promise<{ terminal: boolean; retryMs?: number }> {
    const { events, probes } = this.#options;
    const uid = uidOf(pod);
    const runtime = await this.#read(pod);
    this.#admit(pod, runtime);
    const deadlineMs = this.#checkDeadline(pod);
    const status = this.#report(pod, runtime, false);
    if (status.phase === 'Succeeded' || status.phase === 'Failed') return { terminal: true };
    const problem = isHostNetwork(pod) ? undefined : this.#options.networkProblem();
    if (problem !== undefined) {
      events.event(pod, 'Warning', 'NetworkNotReady', `network is not ready: ${problem}`);
      return { terminal: false, retryMs: NETWORK_RETRY_MS };
    }
    await this.#makeFolders(uid);
    await this.#options.cgroups.ensure(pod);
    const volumes = await this.#volumes(pod);
    const pullSecrets = await this.#pullSecrets(pod);
    signal.throwIfAborted();
    probes.add(pod);
    const actions = planPod(pod, runtime, probes);
    // Most looks find nothing to do: then the status above still holds.
    if (isQuiet(actions))
      return { terminal: false, ...(deadlineMs === undefined ? {} : { retryMs: deadlineMs }) };
    let retryMs: number | undefined;
    try {
      retryMs = await this.#options.executor.execute(pod, runtime, actions, { volumes, pullSecrets }, signal);
    } finally {
      // What was done shows at once, whatever the next look finds to do.
      if (!signal.aborted) this.#report(pod, await this.#read(pod), false);
    }
    return { terminal: false, retryMs: Math.min(retryMs ?? Infinity, deadlineMs ?? Infinity) };
  }

  async terminate(pod: Pod, gracePeriodSeconds: number | undefined, signal: AbortSignal): Promise<void> {
    const { killer, probes } = this.#options;
    probes.stopLivenessAndStartup(uidOf(pod));
    let runtime = await this.#read(pod);
    this.#report(pod, runtime, false);
    await killer.killPod(pod, runtime, { graceSeconds: gracePeriodSeconds, signal });
    runtime = await this.#read(pod);
    if (hasRunningContainers(runtime)) {
      throw new SlipwayError('E_POD_STILL_RUNS', 'containers still run after they were stopped');
    }
    probes.remove(uidOf(pod));
    this.#report(pod, runtime, true);
  }

  async cleanUp(pod: Pod, orphan: boolean): Promise<void> {
    const { cgroups, volumes } = this.#options;
    const uid = uidOf(pod);
    const leaving = orphan || pod.metadata?.deletionTimestamp !== undefined;
    if (!leaving) {
      // Its logs and the ends of its containers can still be asked for: only what costs goes.
      await volumes.release(uid);
    } else {
      await this.#removeFromRuntime(pod);
      await volumes.tearDown(uid);
      await rm(this.#options.paths.podLogDir(pod), { recursive: true, force: true });
    }
    await cgroups.remove(uid);
    if (!orphan) {
      const status = this.#options.status.get(uid);
      if (status) this.#options.status.set(pod, terminatedStatus(pod, status));
    }
  }

  finished(pod: Pod, orphan: boolean): void {
    const uid = uidOf(pod);
    this.#admitted.delete(uid);
    this.#failed.delete(uid);
    this.#options.executor.forget(uid);
    this.#options.forget(uid);
    if (!orphan) this.#options.status.finish(pod);
  }

  /** Ends a pod from outside, as node pressure does; the caller then evicts it from its worker. */
  fail(uid: string, rejection: Rejection): void {
    this.#failed.set(uid, rejection);
  }

  #read(pod: Pod): Promise<PodRuntimeStatus> {
    return this.#options.reader.read(uidOf(pod), nameOf(pod), namespaceOf(pod));
  }

  #report(pod: Pod, runtime: PodRuntimeStatus, terminal: boolean): PodStatus {
    const { clock, executor, probes, runtimeName, hostIps } = this.#options;
    const uid = uidOf(pod);
    const status = podStatus({
      pod,
      runtime,
      runtimeName,
      old: this.#options.status.get(uid) ?? pod.status ?? {},
      terminal,
      hostIps: hostIps(),
      startFailure: (container) => executor.startFailure(uid, container),
      readiness: probes.readinessOf(pod),
      nowMs: clock.now(),
      failed: this.#failed.get(uid),
    });
    this.#options.status.set(pod, status);
    return status;
  }

  /** Once, before anything of the pod runs here. */
  #admit(pod: Pod, runtime: PodRuntimeStatus): void {
    const uid = uidOf(pod);
    if (this.#admitted.has(uid) || this.#failed.has(uid)) return;
    const runs = runtime.sandboxes.length > 0 || runtime.containers.length > 0;
    const others = this.#options.activePods().filter((other) => this.#admitted.has(uidOf(other)));
    const failure = runs ? undefined : admissionFailure(pod, others, this.#options.allocatable());
    if (!failure) {
      this.#admitted.add(uid);
      return;
    }
    const message = `Pod was rejected: ${failure.message}`;
    this.#failed.set(uid, { reason: failure.reason, message });
    this.#options.events.event(pod, 'Warning', failure.reason, failure.message);
  }

  /** @returns how long the pod may still be active, where it has a deadline. */
  #checkDeadline(pod: Pod): number | undefined {
    const seconds = specOf(pod).activeDeadlineSeconds;
    const started = this.#options.status.get(uidOf(pod))?.startTime ?? pod.status?.startTime;
    if (seconds === undefined) return undefined;
    if (started === undefined) return seconds * 1000;
    const leftMs = Date.parse(started) + seconds * 1000 - this.#options.clock.now();
    if (leftMs > 0 || this.#failed.has(uidOf(pod))) return leftMs > 0 ? leftMs : undefined;
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#failed.set(uidOf(pod), { reason: 'DeadlineExceeded', message });
    this.#options.events.event(pod, 'Normal', 'DeadlineExceeded', message);
    return undefined;
  }

  async #makeFolders(uid: string): Promise<void> {
    const { paths } = this.#options;
    for (const folder of [paths.pod(uid), paths.volumes(uid), join(paths.pod(uid), 'plugins')]) {
      const made = await mkdir(folder, { recursive: true, mode: 0o750 });
      if (made !== undefined) await chmod(folder, 0o750);
    }
  }

  async #volumes(pod: Pod): Promise<Map<string, ReadyVolume>> {
    try {
      return await this.#options.volumes.setUp(pod);
    } catch (error) {
      this.#options.events.event(pod, 'Warning', 'FailedMount', messageOf(error));
      throw error;
    }
  }

  async #pullSecrets(pod: Pod): Promise<Secret[]> {
    const secrets: Secret[] = [];
    for (const { name } of specOf(pod).imagePullSecrets ?? []) {
      try {
        if (name) secrets.push(await this.#options.objects.secret(namespaceOf(pod), name));
      } catch (error) {
        const message = `Unable to retrieve some image pull secrets (${name ?? ''}); attempting to pull the image may not succeed.`;
        this.#options.events.event(pod, 'Warning', 'FailedToRetrieveImagePullSecret', message);
        this.#options.log.debug({ secret: name, error: messageOf(error) }, 'pull secret not read');
      }
    }
    return secrets;
  }

  async #removeFromRuntime(pod: Pod): Promise<void> {
    const { paths, runtime } = this.#options;
    const status = await this.#read(pod);
    for (const { id, name } of status.containers) {
      await ignoreGone(runtime.removeContainer(id));
      await rm(paths.containerLogLink(pod, name, id), { force: true });
    }
    for (const { id } of status.sandboxes) {
      await ignoreGone(runtime.stopPodSandbox(id));
      await ignoreGone(runtime.removePodSandbox(id));
    }
  }
}

function isQuiet(actions: PodActions): boolean {
  const starts = [actions.ephemeralToStart, actions.initToStart, actions.containersToStart];
  return (
    !actions.killPod && actions.containersToKill.length === 0 && starts.every(({ length }) => length === 0)
  );
}

async function ignoreGone(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isRuntimeError(error, 'NotFound')) throw error;
  }
}
