import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { isAbort, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { WorkQueue } from '../../base/work-queue.ts';
import { KUBELET_CONDITIONS } from '../status/conditions.ts';
import { formatPod, specOf, uidOf } from './pod-spec.ts';

/** What a worker does with its pod. The syncer (pod-syncer.ts) does it for real. */
export interface PodSync {
  /** One step towards the pod's spec. `terminal` ends the pod; `retryMs` asks for another look. */
  sync(pod: Pod, signal: AbortSignal): Promise<{ terminal: boolean; retryMs?: number }>;
  /** Stops every container; resolves when none runs. */
  terminate(pod: Pod, gracePeriodSeconds: number | undefined, signal: AbortSignal): Promise<void>;
  /** Releases volumes, sandboxes and cgroups of a pod that no longer runs. */
  cleanUp(pod: Pod, orphan: boolean): Promise<void>;
  /** The last word: nothing of the pod is left on this node. */
  finished(pod: Pod, orphan: boolean): void;
}

type Stage = 'syncing' | 'terminating' | 'cleaning' | 'finished';

interface WorkerState {
  pod: Pod;
  stage: Stage;
  /** Stops what the worker is doing now, when the stage or the grace period changes. */
  abort: AbortController;
  gracePeriodSeconds: number | undefined;
  /** Found in the runtime without an object in the API. */
  orphan: boolean;
  /** The API's object is gone: forget the worker once it is finished. */
  removed: boolean;
}

/** Pods are looked at again after this, spread over half of it more: volumes are refreshed then. */
const RESYNC_MS = 60_000;

/**
 * One worker for each pod, by uid: a pod is synced, terminated, cleaned up, in this order and never by two
 * at a time. Mirrors pkg/kubelet/pod_workers.go.
 */
export class PodWorkers {
  readonly #states = new Map<string, WorkerState>();
  readonly #queue: WorkQueue;
  readonly #sync: PodSync;
  readonly #log: Logger;
  readonly #random: () => number;

  constructor(options: { sync: PodSync; clock: Clock; log: Logger; random?: () => number }) {
    this.#sync = options.sync;
    this.#log = options.log;
    this.#random = options.random ?? Math.random;
    this.#queue = new WorkQueue({
      clock: options.clock,
      // A worker waits for pulls, hooks and grace periods: they must not wait for each other.
      workers: Number.POSITIVE_INFINITY,
      initialMs: 1_000,
      maxMs: 10_000,
      process: (uid) => this.#process(uid),
      onError: (uid, error) => this.#report(uid, error),
    });
  }

  /** The pod's newest form, from the API or a manifest. */
  update(pod: Pod): void {
    const uid = uidOf(pod);
    const state = this.#states.get(uid);
    if (!state) {
      const stage: Stage = isTerminal(pod) || pod.metadata?.deletionTimestamp ? 'terminating' : 'syncing';
      this.#states.set(uid, newState(pod, stage));
    } else {
      const before = state.pod;
      state.pod = pod;
      state.orphan = false;
      if (state.stage === 'finished') {
        this.#sync.finished(pod, false);
        return;
      }
      if (pod.metadata?.deletionTimestamp) this.#terminate(state, pod.metadata.deletionGracePeriodSeconds);
      // The echo of our own status is no reason to look again.
      else if (!concernsUs(before, pod)) return;
    }
    this.#queue.add(uid);
  }

  /** The object is gone from the API (or the manifest from its directory). */
  remove(uid: string): void {
    const state = this.#states.get(uid);
    if (!state) return;
    state.removed = true;
    if (state.stage === 'finished') {
      this.#states.delete(uid);
      return;
    }
    this.#terminate(state, undefined);
    this.#queue.add(uid);
  }

  /** A pod that runs here and that no source knows: it is ended. */
  adoptOrphan(pod: Pod): void {
    const uid = uidOf(pod);
    if (this.#states.has(uid)) return;
    this.#states.set(uid, { ...newState(pod, 'terminating'), orphan: true, removed: true });
    this.#queue.add(uid);
  }

  /** Ends a pod for a reason of this node; its status has been set before. */
  evict(uid: string, gracePeriodSeconds: number | undefined): void {
    const state = this.#states.get(uid);
    if (!state) return;
    this.#terminate(state, gracePeriodSeconds);
    this.#queue.add(uid);
  }

  /** Something about the pod may have changed: look at it. */
  poke(uid: string): void {
    const state = this.#states.get(uid);
    if (state && state.stage !== 'finished') this.#queue.add(uid);
  }

  has(uid: string): boolean {
    return this.#states.has(uid);
  }

  pod(uid: string): Pod | undefined {
    return this.#states.get(uid)?.pod;
  }

  /** Pods that run or may still run. */
  active(): Pod[] {
    return [...this.#states.values()].filter((state) => state.stage === 'syncing').map((state) => state.pod);
  }

  pods(): Pod[] {
    return [...this.#states.values()].filter((state) => !state.orphan).map((state) => state.pod);
  }

  /** Uids whose containers, volumes and directories must not be collected as left-overs. */
  unfinished(): Set<string> {
    const uids = [...this.#states].filter(([, state]) => state.stage !== 'finished').map(([uid]) => uid);
    return new Set(uids);
  }

  whenIdle(): Promise<void> {
    return this.#queue.whenIdle();
  }

  /** Stops looking after pods; what runs goes on running. */
  async stop(): Promise<void> {
    for (const state of this.#states.values()) state.abort.abort();
    await this.#queue.stop();
  }

  #terminate(state: WorkerState, gracePeriodSeconds: number | undefined): void {
    const shorter =
      gracePeriodSeconds !== undefined &&
      gracePeriodSeconds < (state.gracePeriodSeconds ?? Number.POSITIVE_INFINITY);
    if (state.stage === 'syncing') {
      state.stage = 'terminating';
      state.gracePeriodSeconds = gracePeriodSeconds;
      state.abort.abort();
    } else if (state.stage === 'terminating' && shorter) {
      state.gracePeriodSeconds = gracePeriodSeconds;
      state.abort.abort();
    }
  }

  async #process(uid: string): Promise<void> {
    const state = this.#states.get(uid);
    if (!state || state.stage === 'finished') return;
    if (state.abort.signal.aborted) state.abort = new AbortController();
    const { signal } = state.abort;
    try {
      await this.#step(uid, state, signal);
    } catch (error) {
      // Interrupted on purpose: the next look does what the new stage asks.
      if (!(signal.aborted || isAbort(error))) throw error;
      this.#queue.add(uid);
    }
  }

  async #step(uid: string, state: WorkerState, signal: AbortSignal): Promise<void> {
    if (state.stage === 'syncing') {
      const { terminal, retryMs } = await this.#sync.sync(state.pod, signal);
      if (terminal && state.stage === 'syncing') state.stage = 'terminating';
      if (terminal || signal.aborted) this.#queue.add(uid);
      else this.#queue.addAfter(uid, Math.min(retryMs ?? Infinity, RESYNC_MS * (1 + this.#random() / 2)));
      return;
    }
    if (state.stage === 'terminating') {
      await this.#sync.terminate(state.pod, state.gracePeriodSeconds, signal);
      state.stage = 'cleaning';
    }
    await this.#sync.cleanUp(state.pod, state.orphan);
    state.stage = 'finished';
    this.#sync.finished(state.pod, state.orphan);
    if (state.removed) this.#states.delete(uid);
  }

  #report(uid: string, error: unknown): void {
    const pod = this.#states.get(uid)?.pod;
    this.#log.warn(
      { pod: pod ? formatPod(pod) : uid, error: messageOf(error) },
      'pod not synced, will be tried again',
    );
  }
}

function newState(pod: Pod, stage: Stage): WorkerState {
  return {
    pod,
    stage,
    abort: new AbortController(),
    gracePeriodSeconds: pod.metadata?.deletionGracePeriodSeconds,
    orphan: false,
    removed: false,
  };
}

/** Whether anything but the kubelet's own part of the status is new. */
function concernsUs(before: Pod, after: Pod): boolean {
  const part = ({ metadata, spec, status }: Pod) =>
    JSON.stringify([
      metadata?.generation ?? spec,
      metadata?.labels,
      metadata?.annotations,
      (status?.conditions ?? []).filter(({ type }) => !KUBELET_CONDITIONS.has(type)),
      status?.phase === 'Failed' || status?.phase === 'Succeeded',
    ]);
  return part(before) !== part(after);
}

export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** The grace period of a pod's containers when nothing else is said. */
export function gracePeriodOf(pod: Pod): number {
  return pod.metadata?.deletionGracePeriodSeconds ?? specOf(pod).terminationGracePeriodSeconds ?? 30;
}
