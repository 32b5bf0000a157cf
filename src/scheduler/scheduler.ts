import { nextTurn } from '../base/next-turn.ts';
import { NAMESPACES, NODES, PODS } from '../api/gen/resources.ts';
import type { Node, Pod } from '../api/gen/types/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { runTogether, untilAborted } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { isNotFound } from '../client/errors.ts';
import { EventRecorder } from '../client/events.ts';
import { InformerFactory } from '../client/informer-factory.ts';
import { runWhileLeader } from '../client/leader-election.ts';
import { SchedulerCache } from './cache.ts';
import { defaultPlugins } from './default-plugins.ts';
import { explain, explainPreemption } from './explain.ts';
import type { ClusterEvent, Plugin } from './framework.ts';
import { podInfo } from './node-info.ts';
import type { PodInfo } from './node-info.ts';
import { Outcomes } from './outcomes.ts';
import { findPreemption, mayPreempt } from './preemption.ts';
import { SchedulingQueue } from './queue.ts';
import { NodeSelector } from './select-node.ts';
import type { Refusal } from './select-node.ts';
import { trimNode, trimPod } from './trim.ts';

export interface SchedulerOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  /** Unique to this process; names the leader. */
  identity: string;
  /** Default true. */
  leaderElect?: boolean;
  /** Pods that name another scheduler are not ours. Default 'default-scheduler'. */
  schedulerName?: string;
  random?: () => number;
  leaseDurationMs?: number;
  renewMs?: number;
  retryMs?: number;
}

const LEASE = 'kube-scheduler';
/** A turn of the loop is given back after so long. */
const SLICE_MS = 10;
/** Bindings under way at once. */
const MAX_BINDING = 128;

/** Places pods on nodes while this process leads, until the signal aborts. */
export async function runScheduler(options: SchedulerOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, log, identity, leaseDurationMs, renewMs, retryMs } = options;
  const run = (leading: AbortSignal): Promise<void> => new Scheduler(options).run(leading);
  if (options.leaderElect === false) return run(signal);
  const timing = Object.fromEntries(
    Object.entries({ leaseDurationMs, renewMs, retryMs }).filter(([, ms]) => ms !== undefined),
  );
  await runWhileLeader({ client, clock, log, identity, leaseName: LEASE, ...timing }, run, signal);
}

class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #informers: InformerFactory;
  readonly #cache = new SchedulerCache();
  readonly #queue: SchedulingQueue;
  readonly #outcomes: Outcomes;
  readonly #plugins: Plugin[];
  readonly #selector: NodeSelector;
  /** Pods that pushed others out, by the node that they wait for. */
  readonly #nominated = new Map<string, Map<string, PodInfo>>();
  readonly #binding = new Set<Promise<void>>();
  #wake = Promise.withResolvers<void>();

  constructor(options: SchedulerOptions) {
    const { client, clock, log } = options;
    this.#options = options;
    const recorder = new EventRecorder({
      client,
      clock,
      log,
      component: options.schedulerName ?? 'default-scheduler',
    });
    this.#outcomes = new Outcomes(client, clock, recorder);
    this.#queue = new SchedulingQueue(clock, () => this.#wake.resolve());
    this.#informers = new InformerFactory(client, clock, log);
    const namespaces = this.#informers.for(NAMESPACES, { metadataOnly: true });
    this.#plugins = defaultPlugins((name) => namespaces.get(name)?.metadata?.labels);
    const nominated = (node: string): PodInfo[] => [...(this.#nominated.get(node)?.values() ?? [])];
    this.#selector = new NodeSelector(this.#plugins, this.#cache, nominated, options.random ?? Math.random);
    this.#subscribe();
  }

  async run(signal: AbortSignal): Promise<void> {
    await runTogether([(all) => this.#informers.run(all), (all) => this.#schedule(all)], signal);
    await Promise.allSettled(this.#binding);
  }

  #subscribe(): void {
    this.#informers.for(NODES, { trim: trimNode }).subscribe({
      added: (node) => this.#nodeChanged({ kind: 'NodeAdded', node }),
      updated: (old, node) =>
        sameForScheduling(old, node) || this.#nodeChanged({ kind: 'NodeUpdated', old, node }),
      deleted: (node) => this.#cache.removeNode(node.metadata?.name ?? ''),
    });
    // Finished pods hold nothing: to us they are gone.
    this.#informers
      .for(PODS, { trim: trimPod, fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' })
      .subscribe({
        added: (pod) => this.#podChanged(undefined, pod),
        updated: (old, pod) => this.#podChanged(old, pod),
        deleted: (pod) => this.#podGone(pod),
      });
  }

  #nodeChanged(event: ClusterEvent & { node: Node }): void {
    this.#cache.setNode(event.node);
    this.#queue.react(event);
  }

  #podChanged(old: Pod | undefined, pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    if (pod.spec?.nodeName) {
      const isNews = !old?.spec?.nodeName;
      this.#cache.setPod(pod);
      this.#queue.remove(uid);
      this.#unnominate(uid);
      if (isNews) this.#queue.react({ kind: 'PodBound', pod });
      else if (old && !sameForScheduling(old, pod)) this.#queue.react({ kind: 'PodUpdated', old, pod });
      return;
    }
    if (!this.#isOurs(pod) || this.#cache.isAssumed(uid)) return;
    if (pod.metadata?.deletionTimestamp) {
      this.#queue.remove(uid);
      return;
    }
    if (pod.spec?.schedulingGates?.length) {
      void this.#outcomes.gated(pod).catch((error: unknown) => this.#failed(pod, error));
      return;
    }
    // What an earlier scheduler made room for is still promised.
    if (!old && pod.status?.nominatedNodeName) this.#nominate(podInfo(pod), pod.status.nominatedNodeName);
    // Our own condition comes back as an update: that is no reason to try again.
    if (old && this.#queue.has(uid) && sameForScheduling(old, pod)) this.#queue.refresh(podInfo(pod));
    else this.#queue.add(podInfo(pod));
  }

  #podGone(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    this.#queue.remove(uid);
    this.#unnominate(uid);
    this.#cache.removePod(pod);
    this.#queue.react({ kind: 'PodDeleted', pod });
  }

  #isOurs(pod: Pod): boolean {
    return (
      (pod.spec?.schedulerName || 'default-scheduler') ===
      (this.#options.schedulerName ?? 'default-scheduler')
    );
  }

  async #schedule(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    await this.#informers.whenSynced(signal).catch(() => {});
    let sliceMs = clock.monotonicMs();
    while (!signal.aborted) {
      const info = this.#binding.size < MAX_BINDING ? this.#queue.pop() : undefined;
      if (!info) {
        await Promise.race([this.#wake.promise, untilAborted(signal)]);
        this.#wake = Promise.withResolvers<void>();
        sliceMs = clock.monotonicMs();
        continue;
      }
      this.#place(info);
      if (clock.monotonicMs() - sliceMs < SLICE_MS) continue;
      await nextTurn();
      sliceMs = clock.monotonicMs();
    }
  }

  /** One pod, without interruption: what is decided holds for the state that it was decided on. */
  #place(info: PodInfo): void {
    const choice = this.#selector.choose(info);
    if (choice.refusal) {
      this.#refused(info, choice.refusal);
      return;
    }
    const { name } = choice.node;
    this.#cache.assume(info, name);
    const binding = this.#bind(info, name).finally(() => {
      this.#binding.delete(binding);
      this.#wake.resolve();
    });
    this.#binding.add(binding);
  }

  async #bind(info: PodInfo, node: string): Promise<void> {
    try {
      await this.#outcomes.bind(info, node);
      this.#queue.remove(info.uid);
      this.#unnominate(info.uid);
    } catch (error) {
      this.#cache.forget(info.uid);
      this.#queue.react({ kind: 'PodDeleted', pod: info.pod });
      if (isNotFound(error)) {
        this.#queue.remove(info.uid);
        return;
      }
      this.#failed(info.pod, error);
      this.#queue.failed(info.uid, new Set());
    }
  }

  #refused(info: PodInfo, refusal: Refusal): void {
    const { preemption, node } = this.#preempt(info, refusal);
    this.#queue.failed(info.uid, refusal.refusedBy);
    const message = explain(refusal, preemption);
    void this.#outcomes
      .unschedulable(info.pod, message, node)
      .catch((error: unknown) => this.#failed(info.pod, error));
  }

  /** Makes room for a pod that is more important than others; tells what came of it. */
  #preempt(info: PodInfo, refusal: Refusal): { preemption?: string; node?: string } {
    if (refusal.nodes === 0) return {};
    const before = info.pod.status?.nominatedNodeName;
    const no = mayPreempt(info, before ? this.#cache.node(before) : undefined);
    if (no !== undefined) return { preemption: no };
    const found = findPreemption(info, refusal);
    if (!found) return { preemption: explainPreemption(refusal) };
    const node = found.node.name;
    this.#nominate(info, node);
    this.#options.log.info(
      { pod: info.key, node, victims: found.victims.map(({ key }) => key) },
      'preempting',
    );
    void this.#outcomes
      .evict(found.victims, info, node)
      .catch((error: unknown) => this.#failed(info.pod, error));
    return { node };
  }

  #nominate(info: PodInfo, node: string): void {
    this.#unnominate(info.uid);
    const waiting = this.#nominated.get(node) ?? new Map<string, PodInfo>();
    this.#nominated.set(node, waiting.set(info.uid, info));
  }

  #unnominate(uid: string): void {
    for (const [node, waiting] of this.#nominated)
      if (waiting.delete(uid) && waiting.size === 0) this.#nominated.delete(node);
  }

  #failed(pod: Pod, error: unknown): void {
    const { namespace, name } = pod.metadata ?? {};
    this.#options.log.warn(
      { pod: `${namespace}/${name}`, err: messageOf(error) },
      'a decision could not be written',
    );
  }
}

/** Whether nothing changed that a decision depends on. */
function sameForScheduling(old: Pod | Node, now: Pod | Node): boolean {
  const aspects = ({ metadata, spec, status }: Pod | Node): string => {
    const { allocatable, images } = (status ?? {}) as NonNullable<Node['status']>;
    const { containerStatuses } = (status ?? {}) as NonNullable<Pod['status']>;
    return JSON.stringify([
      metadata?.labels,
      metadata?.deletionTimestamp,
      spec,
      allocatable,
      images,
      containerStatuses,
    ]);
  };
  return aspects(old) === aspects(now);
}
