import { DEPLOYMENTS, REPLICASETS } from '../../api/gen/resources.ts';
import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../../api/gen/types/apps-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Client } from '../../client/client.ts';
import { isAlreadyExists, isNotFound } from '../../client/errors.ts';
import type { EventRecorder } from '../../client/events.ts';
import {
  controllerOf,
  controllerRefTo,
  equalJson,
  metaOf,
  nameOf,
  sameStatus,
  uidOf,
} from '../shared/meta.ts';
import { newestAnnotations, REVISION, revisionOf, sizeAnnotations } from './annotations.ts';
import { allOf, isAlive, replaceSet, sizeOf } from './replica-sets.ts';
import type { Generations } from './replica-sets.ts';
import { hasProgressDeadline, newCondition, withCondition } from './status.ts';
import { newestSize } from './strategy.ts';
import type { Resize } from './strategy.ts';
import { HASH_LABEL, sameTemplate, templateHash } from './template-hash.ts';

const MAX_NAME = 253;

/** One sync of one Deployment: what it has seen so far, and the writes that carry out a plan. */
export class Rollout {
  /** As it is on the server after our writes. */
  deployment: Deployment;
  generations: Generations;
  /** Those of the status, with what this sync adds. */
  conditions: DeploymentCondition[];
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #recorder: EventRecorder;

  constructor(
    deps: { client: Client; clock: Clock; recorder: EventRecorder },
    deployment: Deployment,
    generations: Generations,
  ) {
    this.#client = deps.client;
    this.#clock = deps.clock;
    this.#recorder = deps.recorder;
    this.deployment = deployment;
    this.generations = generations;
    this.conditions = [...(deployment.status?.conditions ?? [])];
  }

  setProgress(status: string, reason: string, message: string): void {
    this.conditions = withCondition(
      this.conditions,
      newCondition('Progressing', status, reason, message, this.#clock.now()),
    );
  }

  /** Brings annotations and revision of the newest set up to date, and makes the set if `create` says so. */
  async ensureNewest(create: boolean): Promise<void> {
    const { newest, old } = this.generations;
    const revision = Math.max(0, ...old.map(revisionOf)) + 1;
    if (newest) await this.#refreshNewest(newest, revision);
    else if (create) await this.#createNewest(revision);
  }

  async #refreshNewest(newest: ReplicaSet, revision: number): Promise<void> {
    const annotations = newestAnnotations(this.deployment, newest, revision);
    const minReadySeconds = this.deployment.spec?.minReadySeconds ?? 0;
    let current = newest;
    if (
      !equalJson(annotations, metaOf(newest).annotations ?? {}) ||
      (newest.spec?.minReadySeconds ?? 0) !== minReadySeconds
    ) {
      const changed = { ...newest, metadata: { ...newest.metadata, annotations } } as ReplicaSet;
      changed.spec = { ...newest.spec, minReadySeconds } as ReplicaSet['spec'];
      current = await this.#client.update(REPLICASETS, changed);
      this.#know(current);
    }
    await this.#setRevision(metaOf(current).annotations?.[REVISION]);
    if (hasProgressDeadline(this.deployment) && !this.conditions.some(({ type }) => type === 'Progressing'))
      this.setProgress('True', 'FoundNewReplicaSet', `Found new replica set "${nameOf(current)}"`);
  }

  async #createNewest(revision: number): Promise<void> {
    const { deployment } = this;
    const wanted = this.#newReplicaSet(revision);
    let created: ReplicaSet;
    let existed = false;
    try {
      created = await this.#client.create(REPLICASETS, wanted);
    } catch (error) {
      if (!isAlreadyExists(error)) return this.#creationFailed(nameOf(wanted), error);
      created = await this.#sameOrCollision(wanted, error);
      existed = true;
    }
    const replicas = sizeOf(created);
    if (!existed && replicas > 0)
      this.#recorder.event(
        deployment,
        'Normal',
        'ScalingReplicaSet',
        `Scaled up replica set ${nameOf(created)} from 0 to ${replicas}`,
      );
    this.generations = { ...this.generations, newest: created };
    await this.#setRevision(String(revision));
    if (!existed && hasProgressDeadline(deployment))
      this.setProgress('True', 'NewReplicaSetCreated', `Created new replica set "${nameOf(created)}"`);
  }

  #newReplicaSet(revision: number): ReplicaSet {
    const { deployment } = this;
    const { template, selector, minReadySeconds } = deployment.spec ?? {};
    const hash = templateHash(template, deployment.status?.collisionCount);
    const labels = { ...template?.metadata?.labels, [HASH_LABEL]: hash };
    return {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${nameOf(deployment).slice(0, MAX_NAME - 1 - hash.length)}-${hash}`,
        namespace: metaOf(deployment).namespace,
        labels,
        annotations: newestAnnotations(deployment, undefined, revision),
        ownerReferences: [controllerRefTo(deployment)],
      },
      spec: {
        replicas: newestSize(deployment, this.generations.old, 0),
        minReadySeconds,
        selector: { ...selector, matchLabels: { ...selector?.matchLabels, [HASH_LABEL]: hash } },
        template: { ...template, metadata: { ...template?.metadata, labels } },
      },
    };
  }

  /** The set that has the name already is ours (the cache is behind), or another template got the same hash. */
  async #sameOrCollision(wanted: ReplicaSet, conflict: unknown): Promise<ReplicaSet> {
    const ref = { namespace: metaOf(wanted).namespace, name: nameOf(wanted) };
    const found = await this.#client.get(REPLICASETS, ref);
    const ours = controllerOf(found)?.uid === uidOf(this.deployment);
    if (ours && sameTemplate(found.spec?.template, this.deployment.spec?.template)) return found;
    const collisionCount = (this.deployment.status?.collisionCount ?? 0) + 1;
    await this.writeStatus({ ...this.deployment.status, collisionCount });
    throw conflict;
  }

  async #creationFailed(name: string, error: unknown): Promise<never> {
    const message = `Failed to create new replica set "${name}": ${messageOf(error)}`;
    if (hasProgressDeadline(this.deployment)) {
      this.setProgress('False', 'ReplicaSetCreateError', message);
      await this.writeStatus({ ...this.deployment.status, conditions: this.conditions }).catch(() => {});
    }
    this.#recorder.event(this.deployment, 'Warning', 'ReplicaSetCreateError', message);
    throw error;
  }

  /** The Deployment carries the revision of its newest set. */
  async #setRevision(revision: string | undefined): Promise<void> {
    const { namespace, name = '', annotations } = metaOf(this.deployment);
    if (revision === undefined || annotations?.[REVISION] === revision) return;
    const patch = { metadata: { annotations: { [REVISION]: revision } } };
    const { generation } = metaOf(this.deployment);
    const patched = await this.#client.patch(DEPLOYMENTS, { namespace, name }, patch, { type: 'merge' });
    // Someone changed the spec in between: what we decide here is still about the spec that we have seen.
    const metadata = { ...patched.metadata, generation };
    this.deployment = { ...this.deployment, metadata };
  }

  /** Gives sets their sizes; tells whether any size changed. */
  async resize(plan: readonly Resize[]): Promise<boolean> {
    let changed = false;
    for (const { set, replicas } of plan) if (await this.#scale(set, replicas)) changed = true;
    return changed;
  }

  async #scale(set: ReplicaSet, replicas: number): Promise<boolean> {
    const from = sizeOf(set);
    const annotations = { ...metaOf(set).annotations, ...sizeAnnotations(this.deployment) };
    if (from === replicas && equalJson(annotations, metaOf(set).annotations ?? {})) return false;
    const next = {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...set.spec, replicas },
    } as ReplicaSet;
    this.#know(await this.#client.update(REPLICASETS, next));
    if (from === replicas) return false;
    const message = `Scaled ${from < replicas ? 'up' : 'down'} replica set ${nameOf(set)} from ${from} to ${replicas}`;
    this.#recorder.event(this.deployment, 'Normal', 'ScalingReplicaSet', message);
    return true;
  }

  /** Deletes the oldest empty sets beyond spec.revisionHistoryLimit. */
  async cleanUp(): Promise<void> {
    const limit = this.deployment.spec?.revisionHistoryLimit;
    if (limit === undefined || limit === 2 ** 31 - 1) return;
    const old = this.generations.old.filter(isAlive).sort((a, b) => revisionOf(a) - revisionOf(b));
    for (const set of old.slice(0, Math.max(0, old.length - limit))) {
      const unseen = (metaOf(set).generation ?? 0) > (set.status?.observedGeneration ?? 0);
      if (sizeOf(set) !== 0 || (set.status?.replicas ?? 0) !== 0 || unseen) continue;
      const ref = { namespace: metaOf(set).namespace, name: nameOf(set) };
      await this.#client
        .delete(REPLICASETS, ref, { preconditions: { uid: uidOf(set) }, propagationPolicy: 'Background' })
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
    }
  }

  async writeStatus(status: DeploymentStatus): Promise<void> {
    if (sameStatus(this.deployment.status, status, ['terminatingReplicas'])) return;
    this.deployment = await this.#client.update(
      DEPLOYMENTS,
      { ...this.deployment, status },
      { subresource: 'status' },
    );
  }

  get sets(): ReplicaSet[] {
    return allOf(this.generations);
  }

  #know(set: ReplicaSet): void {
    const { newest, old } = this.generations;
    const isNewest = newest !== undefined && uidOf(newest) === uidOf(set);
    this.generations = isNewest ? { newest: set, old } : { newest, old: replaceSet(old, set) };
  }
}
