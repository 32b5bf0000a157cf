import { CUSTOMRESOURCEDEFINITIONS } from '../../api/gen/resources.ts';
import type { OwnerReference } from '../../api/gen/types/meta-v1.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import { KeyQueue } from '../shared/key-queue.ts';
import type { ControllerContext, ControllerDefinition, Loop } from '../shared/controller.ts';
import { metaOf, uidOf } from '../shared/meta.ts';
import { blockingDependents, FOREGROUND, graphNode, ORPHAN, OwnerGraph } from './graph.ts';
import type { GraphNode } from './graph.ts';
import { Monitors } from './monitors.ts';
import { dropFinalizer, live, ownPolicy, remove, setOwners } from './operations.ts';

const SETTLE_MS = 1_000;
const RETRY_MS = 10_000;

/**
 * Deletes what its owners have left behind, in the order that their deletion asks for. Mirrors
 * pkg/controller/garbagecollector. Nothing is deleted on the word of a cache: the object and every owner
 * that the graph does not hold are asked for at the server first.
 */
export const garbageCollectorController: ControllerDefinition = {
  name: 'garbage-collector',
  inputs: ['* (metadata)', 'customresourcedefinitions'],
  outputs: ['* (delete, ownerReferences, finalizers)'],
  start: (context) => [new GarbageCollector(context).loop],
};

type OwnerState = 'solid' | 'dangling' | 'waiting';

class GarbageCollector {
  readonly loop: Loop;
  readonly #context: ControllerContext;
  readonly #graph = new OwnerGraph();
  readonly #monitors: Monitors;
  readonly #queue: KeyQueue;
  #synced = false;

  constructor(context: ControllerContext) {
    this.#context = context;
    const { clock, log } = context;
    this.#monitors = new Monitors(context, {
      changed: (resource, object) => this.#changed(resource, object),
      gone: (_, object) => this.#gone(uidOf(object)),
    });
    this.#queue = new KeyQueue({
      name: 'garbage-collector',
      clock,
      log,
      workers: 20,
      sync: (uid) => this.#sync(uid),
    });
    this.loop = (signal) => this.#run(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const ready = Promise.withResolvers<void>();
    const working = this.#queue.run(ready.promise, signal);
    const watching = this.#watchServed(signal, () => {
      if (this.#synced) return;
      this.#synced = true;
      for (const node of this.#graph.nodes()) this.#consider(node);
      ready.resolve();
    });
    await Promise.all([working, watching]);
    await this.#monitors.stopped();
  }

  /** Follows what the server serves: at the start, when a definition changes, and until discovery is whole. */
  async #watchServed(signal: AbortSignal, synced: () => void): Promise<void> {
    const { informers, discovery, clock, log } = this.#context;
    let wake = Promise.withResolvers<void>();
    const changed = (): void => {
      discovery.forget();
      wake.resolve();
    };
    const unsubscribe = informers
      .for(CUSTOMRESOURCEDEFINITIONS, { metadataOnly: true })
      .subscribe({ added: changed, updated: changed, deleted: changed });
    while (!signal.aborted) {
      wake = Promise.withResolvers<void>();
      let whole = false;
      try {
        whole = await this.#monitors.update(signal);
        if (!signal.aborted) synced();
      } catch (error) {
        if (!signal.aborted) log.warn({ err: messageOf(error) }, 'discovery failed, trying again');
      }
      const retry = clock.sleep(RETRY_MS, signal).catch(() => {});
      await Promise.race(whole ? [wake.promise, aborted(signal)] : [wake.promise, retry]);
      // Definitions come in bunches, and are served a moment after they are written.
      await clock.sleep(SETTLE_MS, signal).catch(() => {});
    }
    unsubscribe();
  }

  #changed(resource: ResourceInfo, object: KubeObject): void {
    const node = graphNode(resource, object);
    const old = this.#graph.set(node);
    if (!this.#synced) return;
    this.#consider(node);
    const starts = node.foreground && !old?.foreground;
    if (starts) for (const dependent of this.#graph.dependents(node.uid)) this.#queue.add(dependent.uid);
    // An owner that waited for this one to let go may go on.
    for (const owner of old?.owners ?? []) {
      const now = node.owners.find(({ uid }) => uid === owner.uid);
      if (owner.blockOwnerDeletion && !now?.blockOwnerDeletion) this.#wakeOwner(owner.uid);
    }
  }

  /** Whether there is anything to do about the object itself. */
  #consider(node: GraphNode): void {
    if (node.foreground || node.orphaning) this.#queue.add(node.uid);
    else if (node.owners.some((owner) => this.#needsLook(owner, node))) this.#queue.add(node.uid);
  }

  #needsLook(owner: OwnerReference, dependent: GraphNode): boolean {
    const known = this.#owner(owner, dependent);
    return known === undefined || known.foreground;
  }

  /** The owner in the graph, if it is where a reference of this dependent can point. */
  #owner(owner: OwnerReference, dependent: GraphNode): GraphNode | undefined {
    const known = this.#graph.node(owner.uid);
    const reachable = known && (known.namespace === '' || known.namespace === dependent.namespace);
    return reachable && known.resource.kind === owner.kind ? known : undefined;
  }

  #gone(uid: string): void {
    const dependents = this.#graph.dependents(uid);
    const old = this.#graph.delete(uid);
    for (const dependent of dependents) this.#queue.add(dependent.uid);
    for (const owner of old?.owners ?? []) this.#wakeOwner(owner.uid);
  }

  #wakeOwner(uid: string): void {
    if (this.#graph.node(uid)?.foreground) this.#queue.add(uid);
  }

  async #sync(uid: string): Promise<void> {
    const node = this.#graph.node(uid);
    if (!node) return;
    if (node.orphaning) return this.#orphanDependents(node);
    if (node.deleting && !node.foreground) return;
    const { client, log } = this.#context;
    const object = await live(client, node);
    if (!object) {
      // Its event is on its way, or was lost: either way it is gone.
      this.#gone(uid);
      return;
    }
    if (node.foreground) return this.#finishForeground(node, object);
    const owners = metaOf(object).ownerReferences ?? [];
    if (owners.length === 0) return;
    const states = await Promise.all(owners.map((owner) => this.#stateOf(owner, node)));
    const of = (state: OwnerState): OwnerReference[] => owners.filter((_, index) => states[index] === state);
    if (of('solid').length > 0) {
      if (of('solid').length < owners.length) await setOwners(client, node, object, of('solid'));
      return;
    }
    const what = { resource: node.resource.resource, namespace: node.namespace, name: node.name };
    if (of('waiting').length > 0 && this.#graph.hasDependents(uid)) {
      await this.#deleteForeground(node, object, owners);
      log.info({ ...what, policy: 'Foreground' }, 'garbage collected');
      return;
    }
    const policy = ownPolicy(object);
    await remove(client, node, object, policy);
    log.info({ ...what, policy }, 'garbage collected');
  }

  /** The owner waits for this object, and this object for its own dependents. */
  async #deleteForeground(
    node: GraphNode,
    object: KubeObject,
    owners: readonly OwnerReference[],
  ): Promise<void> {
    const { client } = this.#context;
    const cycle = this.#graph.dependents(node.uid).some(({ foreground }) => foreground);
    if (cycle) {
      // Each waits for the other: somebody has to stop waiting.
      await setOwners(
        client,
        node,
        object,
        owners.map((owner) => ({ ...owner, blockOwnerDeletion: false })),
      );
      const fresh = await live(client, node);
      if (fresh) await remove(client, node, fresh, 'Foreground');
      return;
    }
    await remove(client, node, object, 'Foreground');
  }

  /** Lets the object go when nothing blocks it any more, else sees to what does. */
  async #finishForeground(node: GraphNode, object: KubeObject): Promise<void> {
    const blocking = blockingDependents(this.#graph, node.uid);
    if (blocking.length === 0) {
      await dropFinalizer(this.#context.client, node, object, FOREGROUND);
      return;
    }
    for (const dependent of blocking) if (!dependent.foreground) this.#queue.add(dependent.uid);
  }

  async #orphanDependents(node: GraphNode): Promise<void> {
    const { client } = this.#context;
    await Promise.all(
      this.#graph.dependents(node.uid).map(async (dependent) => {
        const object = await live(client, dependent);
        const owners = object && metaOf(object).ownerReferences;
        if (!object || !owners?.some(({ uid }) => uid === node.uid)) return;
        await setOwners(
          client,
          dependent,
          object,
          owners.filter(({ uid }) => uid !== node.uid),
        );
      }),
    );
    const object = await live(client, node);
    if (object) await dropFinalizer(client, node, object, ORPHAN);
  }

  /** What an owner reference is worth. Rejects where that cannot be known now: then nothing is deleted. */
  async #stateOf(owner: OwnerReference, dependent: GraphNode): Promise<OwnerState> {
    const known = this.#owner(owner, dependent);
    if (known) return known.foreground ? 'waiting' : 'solid';
    const resource = this.#monitors.resourceOf(owner.apiVersion, owner.kind);
    if (!resource) {
      this.#context.discovery.forget();
      throw new Error(`the owner's kind ${owner.kind} in ${owner.apiVersion} is not served`);
    }
    // A cluster-wide object cannot be owned by one in a namespace: the reference means nothing, and proves nothing.
    if (resource.namespaced && dependent.namespace === '') return 'solid';
    const ref = resource.namespaced
      ? { namespace: dependent.namespace, name: owner.name }
      : { name: owner.name };
    try {
      const found = await this.#context.client.get(resource, ref, { metadataOnly: true });
      if (uidOf(found) !== owner.uid) return 'dangling';
      return graphNode(resource, found).foreground ? 'waiting' : 'solid';
    } catch (error) {
      if (isNotFound(error)) return 'dangling';
      throw error;
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
