import { PODS } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import { selectorMatches } from '../../client/selectors.ts';
import { BY_CONTROLLER, claim, controllerIndex } from '../shared/claim.ts';
import { isNamespaceGone, keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition, Loop } from '../shared/controller.ts';
import { Expectations } from '../shared/expectations.ts';
import type { KeyQueue } from '../shared/key-queue.ts';
import { controllerOf, keyOf, metaOf, nameOf, sameStatus, splitKey, uidOf } from '../shared/meta.ts';
import { availableInMs, deletionOrder, isPodActive, isPodReady } from '../shared/pod-status.ts';
import { slowStart } from '../shared/slow-start.ts';
import { REPLICASET_KIND, REPLICATIONCONTROLLER_KIND } from './kind.ts';
import type { ReplicaKind, ReplicaOwner } from './kind.ts';
import { podFromTemplate } from './pod-from-template.ts';
import { replicaStatus } from './status.ts';

/** Pods created or deleted in one sync; upstream's BurstReplicas. */
const BURST = 500;

export const replicaSetController = definition(REPLICASET_KIND);
export const replicationControllerController = definition(REPLICATIONCONTROLLER_KIND);

function definition(kind: ReplicaKind): ControllerDefinition {
  return {
    name: kind.controllerName,
    inputs: [kind.resource.resource, 'pods'],
    outputs: ['pods', `${kind.resource.resource}/status`, 'events'],
    start: (context) => new ReplicaController(context, kind).loops,
  };
}

/** Keeps the number of pods that its owner asks for. Mirrors pkg/controller/replicaset/replica_set.go. */
class ReplicaController {
  readonly loops: Loop[];
  readonly #context: ControllerContext;
  readonly #kind: ReplicaKind;
  readonly #owners: Informer<ReplicaOwner>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;
  readonly #recorder: EventRecorder;
  readonly #queue: KeyQueue;

  constructor(context: ControllerContext, kind: ReplicaKind) {
    this.#context = context;
    this.#kind = kind;
    this.#expectations = new Expectations(context.clock);
    this.#recorder = recorderFor(context, kind.component);
    this.#owners = context.informers.for(kind.resource, { indexes: { [BY_CONTROLLER]: controllerIndex } });
    this.#pods = context.informers.for(PODS, { indexes: { [BY_CONTROLLER]: controllerIndex } });
    const { queue, loop } = keyedLoop(context, {
      name: kind.controllerName,
      workers: 8,
      sync: (key) => this.#sync(key),
    });
    this.#queue = queue;
    this.loops = [loop];
    this.#owners.subscribe({
      added: (owner) => queue.add(keyOf(owner)),
      updated: (_, owner) => queue.add(keyOf(owner)),
      deleted: (owner) => {
        this.#expectations.forget(keyOf(owner));
        queue.add(keyOf(owner));
      },
    });
    this.#pods.subscribe({
      added: (pod) => this.#podAdded(pod),
      updated: (old, pod) => this.#podUpdated(old, pod),
      deleted: (pod) => this.#podGone(pod),
    });
  }

  #podAdded(pod: Pod): void {
    if (metaOf(pod).deletionTimestamp) {
      this.#podGone(pod);
      return;
    }
    const owner = this.#ownerOf(pod);
    if (owner) {
      this.#expectations.created(keyOf(owner));
      this.#queue.add(keyOf(owner));
    } else if (!controllerOf(pod)) this.#orphan(pod);
  }

  #podUpdated(old: Pod, pod: Pod): void {
    // A pod counts as deleted as soon as it is on its way: its replacement need not wait for the kubelet.
    if (metaOf(pod).deletionTimestamp) this.#podGone(pod);
    const before = this.#ownerOf(old);
    const owner = this.#ownerOf(pod);
    if (before && uidOf(before) !== (owner && uidOf(owner))) this.#queue.add(keyOf(before));
    if (!owner) {
      if (!controllerOf(pod)) this.#orphan(pod);
      return;
    }
    this.#queue.add(keyOf(owner));
    const minReadySeconds = owner.spec?.minReadySeconds ?? 0;
    // Nothing else will wake us when the pod has been ready long enough.
    if (minReadySeconds > 0 && isPodReady(pod) && !isPodReady(old))
      this.#queue.addAfter(keyOf(owner), minReadySeconds * 1000 + 1000);
  }

  #podGone(pod: Pod): void {
    const owner = this.#ownerOf(pod);
    if (!owner) return;
    this.#expectations.deleted(keyOf(owner), uidOf(pod));
    this.#queue.add(keyOf(owner));
  }

  /** A pod without a controller may be one that somebody wants. */
  #orphan(pod: Pod): void {
    for (const owner of this.#owners.list(metaOf(pod).namespace))
      if (this.#selects(owner, pod)) this.#queue.add(keyOf(owner));
  }

  #selects(owner: ReplicaOwner, pod: Pod): boolean {
    return selectorMatches(this.#kind.selectorOf(owner), metaOf(pod).labels);
  }

  #ownerOf(pod: Pod): ReplicaOwner | undefined {
    const ref = controllerOf(pod);
    if (ref?.kind !== this.#kind.resource.kind) return undefined;
    const owner = this.#owners.get(ref.name, metaOf(pod).namespace);
    return owner && uidOf(owner) === ref.uid ? owner : undefined;
  }

  async #sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const owner = this.#owners.get(name, namespace);
    if (!owner) {
      this.#expectations.forget(key);
      return;
    }
    const ready = this.#expectations.satisfied(key);
    const pods = await this.#claimed(owner);
    const active = pods.filter(isPodActive);
    const terminating = pods.filter((pod) => metaOf(pod).deletionTimestamp);
    let failure: unknown;
    if (ready && !metaOf(owner).deletionTimestamp) failure = await this.#manage(key, owner, active);
    await this.#writeStatus(owner, active, terminating, failure);
    this.#wakeForAvailability(key, owner, active);
    if (failure !== undefined) throw failure;
  }

  #claimed(owner: ReplicaOwner): Promise<Pod[]> {
    const { client } = this.#context;
    const orphans = this.#pods.byIndex(BY_CONTROLLER, `/${metaOf(owner).namespace ?? ''}`);
    const candidates = [...this.#pods.byIndex(BY_CONTROLLER, uidOf(owner)), ...orphans.filter(isPodActive)];
    const matches = (pod: Pod): boolean => this.#selects(owner, pod);
    return claim(candidates, { client, resource: PODS, owner, ownerResource: this.#kind.resource, matches });
  }

  /** Creates or deletes the difference; returns what that failed with. */
  async #manage(key: string, owner: ReplicaOwner, active: readonly Pod[]): Promise<unknown> {
    const missing = (owner.spec?.replicas ?? 1) - active.length;
    if (missing > 0) return this.#create(key, owner, Math.min(missing, BURST));
    if (missing < 0) return this.#delete(key, owner, this.#choose(owner, active, Math.min(-missing, BURST)));
    return undefined;
  }

  async #create(key: string, owner: ReplicaOwner, count: number): Promise<unknown> {
    const { client } = this.#context;
    this.#expectations.expectCreations(key, count);
    const { successes, error } = await slowStart(count, async () => {
      try {
        const pod = await client.create(PODS, podFromTemplate(owner.spec?.template, owner));
        this.#recorder.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${nameOf(pod)}`);
      } catch (failure) {
        // The owner itself is on its way out with its namespace: nobody needs to be told.
        if (isNamespaceGone(failure)) return;
        this.#recorder.event(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(failure)}`);
        throw failure;
      }
    });
    if (successes < count) this.#expectations.created(key, count - successes);
    return error;
  }

  async #delete(key: string, owner: ReplicaOwner, pods: readonly Pod[]): Promise<unknown> {
    const { client } = this.#context;
    this.#expectations.expectDeletions(key, pods.map(uidOf));
    const results = await Promise.allSettled(
      pods.map(async (pod) => {
        const ref = { namespace: metaOf(pod).namespace, name: nameOf(pod) };
        try {
          await client.delete(PODS, ref, { preconditions: { uid: uidOf(pod) } });
          this.#recorder.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${ref.name}`);
        } catch (failure) {
          this.#expectations.deleted(key, uidOf(pod));
          if (isNotFound(failure)) return;
          this.#recorder.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(failure)}`);
          throw failure;
        }
      }),
    );
    return results.find((result) => result.status === 'rejected')?.reason as unknown;
  }

  /** The pods to give up: of those on nodes with more pods of the same family first. */
  #choose(owner: ReplicaOwner, active: readonly Pod[], count: number): readonly Pod[] {
    if (count >= active.length) return active;
    const perNode = new Map<string, number>();
    for (const pod of this.#family(owner)) {
      const node = pod.spec?.nodeName ?? '';
      perNode.set(node, (perNode.get(node) ?? 0) + 1);
    }
    const ranks = new Map(active.map((pod) => [uidOf(pod), perNode.get(pod.spec?.nodeName ?? '') ?? 0]));
    return [...active].sort(deletionOrder(ranks, this.#context.clock.now())).slice(0, count);
  }

  /** Active pods of all owners that belong to the same Deployment. */
  #family(owner: ReplicaOwner): Pod[] {
    const parent = controllerOf(owner);
    const relatives = parent ? this.#owners.byIndex(BY_CONTROLLER, parent.uid) : [owner];
    return relatives.flatMap((relative) =>
      this.#pods.byIndex(BY_CONTROLLER, uidOf(relative)).filter(isPodActive),
    );
  }

  async #writeStatus(
    owner: ReplicaOwner,
    active: Pod[],
    terminating: Pod[],
    failure: unknown,
  ): Promise<void> {
    const { client, clock } = this.#context;
    const countTerminating = this.#kind === REPLICASET_KIND;
    const status = replicaStatus({
      owner,
      active,
      terminating,
      failure,
      countTerminating,
      nowMs: clock.now(),
    });
    if (sameStatus(owner.status, status, ['terminatingReplicas'])) return;
    await client.update(this.#kind.resource, { ...owner, status }, { subresource: 'status' });
  }

  #wakeForAvailability(key: string, owner: ReplicaOwner, active: readonly Pod[]): void {
    const minReadySeconds = owner.spec?.minReadySeconds ?? 0;
    if (minReadySeconds <= 0) return;
    const nowMs = this.#context.clock.now();
    const waits = active.map((pod) => availableInMs(pod, minReadySeconds, nowMs) ?? 0).filter((ms) => ms > 0);
    if (waits.length > 0) this.#queue.addAfter(key, Math.min(...waits) + 1);
  }
}
