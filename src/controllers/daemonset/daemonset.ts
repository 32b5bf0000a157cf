import { CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS } from '../../api/gen/resources.ts';
import type { ControllerRevision, DaemonSet } from '../../api/gen/types/apps-v1.ts';
import type { Node, Pod } from '../../api/gen/types/core-v1.ts';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import { selectorMatches } from '../../client/selectors.ts';
import { BY_CONTROLLER, claim, controllerIndex } from '../shared/claim.ts';
import { isNamespaceGone, keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition, Loop } from '../shared/controller.ts';
import { Expectations } from '../shared/expectations.ts';
import { hashOf, keepHistory, trimHistory } from '../shared/history.ts';
import type { KeyQueue } from '../shared/key-queue.ts';
import {
  controllerOf,
  equalJson,
  keyOf,
  metaOf,
  nameOf,
  sameStatus,
  splitKey,
  uidOf,
} from '../shared/meta.ts';
import { availableInMs } from '../shared/pod-status.ts';
import { slowStart } from '../shared/slow-start.ts';
import { daemonPod, fitOf, nodeOf } from './placement.ts';
import { daemonStatus, planDaemons, planUpdate } from './plan.ts';
import type { DaemonInput } from './plan.ts';

const BURST = 250;
const FAILED_BACKOFF_MS = 1_000;
const FAILED_BACKOFF_MAX_MS = 900_000;

export const daemonSetController: ControllerDefinition = {
  name: 'daemonset',
  inputs: ['daemonsets', 'controllerrevisions', 'pods', 'nodes'],
  outputs: ['pods', 'controllerrevisions', 'daemonsets/status', 'events'],
  start: (context) => new DaemonSetController(context).loops,
};

/** One pod on every node that fits. Mirrors pkg/controller/daemon. */
class DaemonSetController {
  readonly loops: Loop[];
  readonly #context: ControllerContext;
  readonly #sets: Informer<DaemonSet>;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #expectations: Expectations;
  readonly #recorder: EventRecorder;
  readonly #queue: KeyQueue;
  /** When a node's failed pod may be replaced, and how long the next wait is; by 'uid/node'. */
  readonly #failures = new Map<string, { atMs: number; waitMs: number }>();

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#expectations = new Expectations(context.clock);
    this.#recorder = recorderFor(context, 'daemonset-controller');
    this.#sets = context.informers.for(DAEMONSETS);
    this.#revisions = context.informers.for(CONTROLLERREVISIONS, {
      indexes: { [BY_CONTROLLER]: controllerIndex },
    });
    this.#pods = context.informers.for(PODS, { indexes: { [BY_CONTROLLER]: controllerIndex } });
    this.#nodes = context.informers.for(NODES);
    const { queue, loop } = keyedLoop(context, {
      name: 'daemonset',
      workers: 4,
      sync: (key) => this.#sync(key),
    });
    this.#queue = queue;
    this.loops = [loop];
    const enqueue = (set: DaemonSet): void => queue.add(keyOf(set));
    this.#sets.subscribe({
      added: enqueue,
      updated: (_, set) => enqueue(set),
      deleted: (set) => this.#expectations.forget(keyOf(set)),
    });
    this.#pods.subscribe({
      added: (pod) => this.#podSeen(pod, true),
      updated: (_, pod) => this.#podSeen(pod, false),
      deleted: (pod) => this.#podGone(pod),
    });
    this.#revisions.subscribe({ deleted: (revision) => this.#enqueueOwner(revision) });
    this.#nodes.subscribe({
      added: (node) => this.#nodeChanged(undefined, node),
      updated: (old, node) => this.#nodeChanged(old, node),
      deleted: () => this.#sets.list().forEach(enqueue),
    });
  }

  #podSeen(pod: Pod, isNew: boolean): void {
    if (metaOf(pod).deletionTimestamp) this.#podGone(pod);
    const owner = this.#ownerOf(pod);
    if (owner && isNew) this.#expectations.created(keyOf(owner));
    if (owner) this.#queue.add(keyOf(owner));
    else if (!controllerOf(pod))
      for (const set of this.#sets.list(metaOf(pod).namespace))
        if (selects(set, pod)) this.#queue.add(keyOf(set));
  }

  #podGone(pod: Pod): void {
    const owner = this.#ownerOf(pod);
    if (!owner) return;
    this.#expectations.deleted(keyOf(owner), uidOf(pod));
    this.#queue.add(keyOf(owner));
  }

  #enqueueOwner(object: ControllerRevision): void {
    const owner = this.#ownerOf(object);
    if (owner) this.#queue.add(keyOf(owner));
  }

  /** Heartbeats change no set; labels and taints may. */
  #nodeChanged(old: Node | undefined, node: Node): void {
    const aspects = (state: Node): unknown => [metaOf(state).labels, state.spec?.taints];
    if (old && equalJson(aspects(old), aspects(node))) return;
    for (const set of this.#sets.list())
      if (!old || !equalJson(fitOf(set, old), fitOf(set, node))) this.#queue.add(keyOf(set));
  }

  #ownerOf(object: Pod | ControllerRevision): DaemonSet | undefined {
    const ref = controllerOf(object);
    if (ref?.kind !== 'DaemonSet') return undefined;
    const owner = this.#sets.get(ref.name, metaOf(object).namespace);
    return owner && uidOf(owner) === ref.uid ? owner : undefined;
  }

  async #sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const set = this.#sets.get(name, namespace);
    if (!set || metaOf(set).deletionTimestamp) return;
    const { client, clock } = this.#context;
    const history = await keepHistory(
      client,
      set,
      set.spec?.template,
      this.#revisions.byIndex(BY_CONTROLLER, uidOf(set)),
    );
    if (!history) {
      const status = { ...daemonStatusOf(set), collisionCount: (set.status?.collisionCount ?? 0) + 1 };
      await client.update(DAEMONSETS, { ...set, status }, { subresource: 'status' });
      return;
    }
    const pods = await this.#claimed(set);
    const input: DaemonInput = {
      daemonSet: set,
      nodes: this.#nodes.list(),
      podsByNode: groupByNode(pods),
      hash: hashOf(history.current),
      nowMs: clock.now(),
    };
    let failure: unknown;
    if (this.#expectations.satisfied(key)) failure = await this.#manage(key, input);
    await trimHistory(client, history.old, set.spec?.revisionHistoryLimit ?? 10, new Set(pods.map(hashOf)));
    const status = daemonStatus(input);
    if (!sameStatus(status, set.status))
      await client.update(DAEMONSETS, { ...set, status }, { subresource: 'status' });
    this.#wakeForAvailability(key, set, pods);
    if (failure !== undefined) throw failure;
  }

  #claimed(set: DaemonSet): Promise<Pod[]> {
    const orphans = this.#pods.byIndex(BY_CONTROLLER, `/${metaOf(set).namespace ?? ''}`);
    const candidates = [...this.#pods.byIndex(BY_CONTROLLER, uidOf(set)), ...orphans];
    const matches = (pod: Pod): boolean => selects(set, pod);
    return claim(candidates, {
      client: this.#context.client,
      resource: PODS,
      owner: set,
      ownerResource: DAEMONSETS,
      matches,
    });
  }

  async #manage(key: string, input: DaemonInput): Promise<unknown> {
    const plan = planDaemons(input);
    const due = plan.failed.filter((pod) => this.#mayReplace(key, input.daemonSet, pod));
    for (const pod of due)
      this.#recorder.event(
        input.daemonSet,
        'Warning',
        'FailedDaemonPod',
        `Found failed daemon pod ${keyOf(pod)} on node ${nodeOf(pod) ?? ''}, will try to kill it`,
      );
    const settled = plan.create.length + plan.delete.length + due.length === 0;
    // Replacing goes on when each node has what it should have of the old.
    const step = settled ? planUpdate(input) : plan;
    return this.#carryOut(key, input, step.create.slice(0, BURST), [...step.delete, ...due].slice(0, BURST));
  }

  #mayReplace(key: string, set: DaemonSet, pod: Pod): boolean {
    const id = `${uidOf(set)}/${nodeOf(pod) ?? ''}`;
    const nowMs = this.#context.clock.monotonicMs();
    const known = this.#failures.get(id);
    if (known && known.atMs > nowMs) {
      this.#queue.addAfter(key, known.atMs - nowMs);
      return false;
    }
    const waitMs = Math.min((known?.waitMs ?? FAILED_BACKOFF_MS / 2) * 2, FAILED_BACKOFF_MAX_MS);
    this.#failures.set(id, { atMs: nowMs + waitMs, waitMs });
    return true;
  }

  async #carryOut(
    key: string,
    { daemonSet, hash }: DaemonInput,
    create: readonly string[],
    remove: readonly Pod[],
  ): Promise<unknown> {
    if (create.length + remove.length === 0) return undefined;
    this.#expectations.expect(key, create.length, remove.map(uidOf));
    const nodes = [...create];
    const { successes, error } = await slowStart(create.length, () =>
      this.#create(daemonSet, daemonPod(daemonSet, nodes.shift() ?? '', hash)),
    );
    if (successes < create.length) this.#expectations.created(key, create.length - successes);
    const results = await Promise.allSettled(remove.map((pod) => this.#delete(key, daemonSet, pod)));
    return error ?? (results.find((result) => result.status === 'rejected')?.reason as unknown);
  }

  async #create(set: DaemonSet, pod: Pod): Promise<void> {
    try {
      const created = await this.#context.client.create(PODS, pod);
      this.#recorder.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${nameOf(created)}`);
    } catch (error) {
      if (isNamespaceGone(error)) return;
      this.#recorder.event(set, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
      throw error;
    }
  }

  async #delete(key: string, set: DaemonSet, pod: Pod): Promise<void> {
    const ref = { namespace: metaOf(pod).namespace, name: nameOf(pod) };
    try {
      await this.#context.client.delete(PODS, ref, { preconditions: { uid: uidOf(pod) } });
      this.#recorder.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${ref.name}`);
    } catch (error) {
      this.#expectations.deleted(key, uidOf(pod));
      if (isNotFound(error)) return;
      this.#recorder.event(set, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
      throw error;
    }
  }

  #wakeForAvailability(key: string, set: DaemonSet, pods: readonly Pod[]): void {
    const minReadySeconds = set.spec?.minReadySeconds ?? 0;
    const nowMs = this.#context.clock.now();
    const waits = pods.map((pod) => availableInMs(pod, minReadySeconds, nowMs) ?? 0).filter((ms) => ms > 0);
    if (waits.length > 0) this.#queue.addAfter(key, Math.min(...waits) + 1);
  }
}

function selects(set: DaemonSet, pod: Pod): boolean {
  return selectorMatches(set.spec?.selector, metaOf(pod).labels);
}

function daemonStatusOf(set: DaemonSet): NonNullable<DaemonSet['status']> {
  return (
    set.status ?? {
      currentNumberScheduled: 0,
      desiredNumberScheduled: 0,
      numberMisscheduled: 0,
      numberReady: 0,
    }
  );
}

function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const groups = new Map<string, Pod[]>();
  for (const pod of pods) {
    const node = nodeOf(pod);
    if (node !== undefined) groups.set(node, [...(groups.get(node) ?? []), pod]);
  }
  return groups;
}
