import { CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS } from '../../api/gen/resources.ts';
import type { ControllerRevision, StatefulSet } from '../../api/gen/types/apps-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import { messageOf } from '../../base/errors.ts';
import { isAlreadyExists, isNotFound } from '../../client/errors.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import { selectorMatches } from '../../client/selectors.ts';
import { BY_CONTROLLER, claim, controllerIndex } from '../shared/claim.ts';
import { isNamespaceGone, keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition, Loop } from '../shared/controller.ts';
import { keepHistory, trimHistory } from '../shared/history.ts';
import type { KeyQueue } from '../shared/key-queue.ts';
import { controllerOf, keyOf, metaOf, nameOf, sameStatus, splitKey, uidOf } from '../shared/meta.ts';
import { availableInMs } from '../shared/pod-status.ts';
import { planStateful, statefulStatus } from './plan.ts';
import type { StatefulInput, StatefulPlan } from './plan.ts';
import { claimsFor, ordinalOf, revisionOf, statefulPod } from './stateful-pod.ts';

export const statefulSetController: ControllerDefinition = {
  name: 'statefulset',
  inputs: ['statefulsets', 'controllerrevisions', 'pods'],
  outputs: ['pods', 'persistentvolumeclaims', 'controllerrevisions', 'statefulsets/status', 'events'],
  start: (context) => new StatefulSetController(context).loops,
};

/**
 * Pods with names and claims of their own, in order. A name is never given twice: a pod is only made again when
 * the server has let go of the one before. Mirrors pkg/controller/statefulset.
 */
class StatefulSetController {
  readonly loops: Loop[];
  readonly #context: ControllerContext;
  readonly #sets: Informer<StatefulSet>;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #pods: Informer<Pod>;
  readonly #recorder: EventRecorder;
  readonly #queue: KeyQueue;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#recorder = recorderFor(context, 'statefulset-controller');
    this.#sets = context.informers.for(STATEFULSETS);
    this.#revisions = context.informers.for(CONTROLLERREVISIONS, {
      indexes: { [BY_CONTROLLER]: controllerIndex },
    });
    this.#pods = context.informers.for(PODS, { indexes: { [BY_CONTROLLER]: controllerIndex } });
    const { queue, loop } = keyedLoop(context, {
      name: 'statefulset',
      workers: 5,
      sync: (key) => this.#sync(key),
    });
    this.#queue = queue;
    this.loops = [loop];
    this.#sets.subscribe({
      added: (set) => queue.add(keyOf(set)),
      updated: (_, set) => queue.add(keyOf(set)),
    });
    const enqueue = (pod: Pod): void => this.#enqueueOwners(pod);
    this.#pods.subscribe({ added: enqueue, updated: (_, pod) => enqueue(pod), deleted: enqueue });
  }

  #enqueueOwners(pod: Pod): void {
    const ref = controllerOf(pod);
    const { namespace } = metaOf(pod);
    if (ref) {
      const owner = ref.kind === 'StatefulSet' ? this.#sets.get(ref.name, namespace) : undefined;
      if (owner && uidOf(owner) === ref.uid) this.#queue.add(keyOf(owner));
    } else for (const set of this.#sets.list(namespace)) if (selects(set, pod)) this.#queue.add(keyOf(set));
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
      const status = {
        ...set.status,
        replicas: set.status?.replicas ?? 0,
        collisionCount: (set.status?.collisionCount ?? 0) + 1,
      };
      await client.update(STATEFULSETS, { ...set, status }, { subresource: 'status' });
      return;
    }
    const pods = await this.#claimed(set);
    const update = history.current;
    const current =
      history.old.find((revision) => nameOf(revision) === set.status?.currentRevision) ?? update;
    const input: StatefulInput = { set, pods, current, update, nowMs: clock.now() };
    await this.#carryOut(set, planStateful(input));
    const live = new Set([...pods.map(revisionOf), nameOf(current)]);
    const hashes = new Set(history.old.filter((revision) => live.has(nameOf(revision))).map(hashLabel));
    await trimHistory(client, history.old, set.spec?.revisionHistoryLimit ?? 10, hashes);
    const status = statefulStatus(input);
    if (!sameStatus(status, set.status))
      await client.update(STATEFULSETS, { ...set, status }, { subresource: 'status' });
    const waits = pods
      .map((pod) => availableInMs(pod, set.spec?.minReadySeconds ?? 0, clock.now()) ?? 0)
      .filter((ms) => ms > 0);
    if (waits.length > 0) this.#queue.addAfter(key, Math.min(...waits) + 1);
  }

  async #claimed(set: StatefulSet): Promise<Pod[]> {
    const orphans = this.#pods.byIndex(BY_CONTROLLER, `/${metaOf(set).namespace ?? ''}`);
    const candidates = [...this.#pods.byIndex(BY_CONTROLLER, uidOf(set)), ...orphans];
    // Only a pod with one of the set's own names can be the set's.
    const matches = (pod: Pod): boolean => selects(set, pod) && ordinalOf(set, pod) !== undefined;
    return claim(candidates, {
      client: this.#context.client,
      resource: PODS,
      owner: set,
      ownerResource: STATEFULSETS,
      matches,
    });
  }

  async #carryOut(set: StatefulSet, plan: StatefulPlan): Promise<void> {
    for (const { ordinal, revision } of plan.create) await this.#create(set, ordinal, revision);
    for (const pod of plan.delete) await this.#delete(set, pod);
  }

  async #create(set: StatefulSet, ordinal: number, revision: ControllerRevision): Promise<void> {
    const { client } = this.#context;
    const pod = statefulPod(set, revision, ordinal);
    try {
      for (const volume of claimsFor(set, ordinal))
        await client.create(PERSISTENTVOLUMECLAIMS, volume).then(
          () =>
            this.#recorder.event(
              set,
              'Normal',
              'SuccessfulCreate',
              `create Claim ${nameOf(volume)} Pod ${nameOf(pod)} in StatefulSet ${nameOf(set)} success`,
            ),
          (error: unknown) => {
            if (!isAlreadyExists(error)) throw error;
          },
        );
      await client.create(PODS, pod);
      this.#recorder.event(
        set,
        'Normal',
        'SuccessfulCreate',
        `create Pod ${nameOf(pod)} in StatefulSet ${nameOf(set)} successful`,
      );
    } catch (error) {
      // There already: the cache is behind and will show it.
      if (isNamespaceGone(error) || isAlreadyExists(error)) return;
      this.#recorder.event(
        set,
        'Warning',
        'FailedCreate',
        `create Pod ${nameOf(pod)} in StatefulSet ${nameOf(set)} failed error: ${messageOf(error)}`,
      );
      throw error;
    }
  }

  async #delete(set: StatefulSet, pod: Pod): Promise<void> {
    const ref = { namespace: metaOf(pod).namespace, name: nameOf(pod) };
    try {
      await this.#context.client.delete(PODS, ref, { preconditions: { uid: uidOf(pod) } });
      this.#recorder.event(
        set,
        'Normal',
        'SuccessfulDelete',
        `delete Pod ${ref.name} in StatefulSet ${nameOf(set)} successful`,
      );
    } catch (error) {
      if (isNotFound(error)) return;
      this.#recorder.event(
        set,
        'Warning',
        'FailedDelete',
        `delete Pod ${ref.name} in StatefulSet ${nameOf(set)} failed error: ${messageOf(error)}`,
      );
      throw error;
    }
  }
}

function selects(set: StatefulSet, pod: Pod): boolean {
  return selectorMatches(set.spec?.selector, metaOf(pod).labels);
}

function hashLabel(revision: ControllerRevision): string {
  return metaOf(revision).labels?.['controller-revision-hash'] ?? '';
}
