import { DEPLOYMENTS, REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS } from '../../api/gen/resources.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { OwnerReference } from '../../api/gen/types/meta-v1.ts';
import { apiVersionOf } from '../../api/resource.ts';
import { isNotFound } from '../../client/errors.ts';
import type { ControllerContext } from '../shared/controller.ts';
import { controllerOf, metaOf, nameOf, uidOf } from '../shared/meta.ts';

interface Owner {
  uid: string;
  replicas: number;
}

/** How many pods the owners of pods want to have. Mirrors the finders of pkg/controller/disruption/disruption.go. */
export class Owners {
  readonly #context: ControllerContext;
  readonly #deployments;
  readonly #replicaSets;
  readonly #replicationControllers;
  readonly #statefulSets;

  constructor(context: ControllerContext) {
    this.#context = context;
    const { informers } = context;
    this.#deployments = informers.for(DEPLOYMENTS);
    this.#replicaSets = informers.for(REPLICASETS);
    this.#replicationControllers = informers.for(REPLICATIONCONTROLLERS);
    this.#statefulSets = informers.for(STATEFULSETS);
  }

  /** The sum over all owners, and the pods that have none. Throws where an owner has no size. */
  async scaleOf(pods: readonly Pod[]): Promise<{ scale: number; unmanaged: string[] }> {
    const sizes = new Map<string, number>();
    const seen = new Set<string>();
    const unmanaged: string[] = [];
    for (const pod of pods) {
      const ref = controllerOf(pod);
      if (!ref) {
        unmanaged.push(nameOf(pod));
      } else if (!seen.has(ref.uid)) {
        seen.add(ref.uid);
        const owner = await this.#find(ref, metaOf(pod).namespace ?? '');
        if (!owner) throw new Error(`found no controllers for pod ${JSON.stringify(nameOf(pod))}`);
        sizes.set(owner.uid, owner.replicas);
      }
    }
    let scale = 0;
    for (const size of sizes.values()) scale += size;
    return { scale, unmanaged };
  }

  async #find(ref: OwnerReference, namespace: string): Promise<Owner | undefined> {
    const group = ref.apiVersion.includes('/') ? ref.apiVersion.split('/')[0] : '';
    const kind = `${ref.kind}.${group}`;
    if (kind === 'ReplicaSet.apps' || kind === 'ReplicaSet.extensions')
      return this.#ofReplicaSet(ref, namespace);
    if (kind === 'ReplicationController.') {
      return sized(this.#replicationControllers.get(ref.name, namespace), ref.uid);
    }
    if (kind === 'StatefulSet.apps') return sized(this.#statefulSets.get(ref.name, namespace), ref.uid);
    return this.#byScale(ref, namespace);
  }

  #ofReplicaSet(ref: OwnerReference, namespace: string): Owner | undefined {
    const set = this.#replicaSets.get(ref.name, namespace);
    if (!set || uidOf(set) !== ref.uid) return undefined;
    const above = controllerOf(set);
    if (above?.kind !== 'Deployment') return sized(set, ref.uid);
    // A ReplicaSet whose Deployment is gone or another one has no size that anybody stands for.
    return sized(this.#deployments.get(above.name, namespace), above.uid);
  }

  /** Any other kind: by its subresource `scale`. */
  async #byScale(ref: OwnerReference, namespace: string): Promise<Owner | undefined> {
    const { client, discovery } = this.#context;
    const { resources } = await discovery.discover();
    const resource = resources.find((one) => one.kind === ref.kind && apiVersionOf(one) === ref.apiVersion);
    if (!resource) return undefined;
    try {
      const object = await client.get(resource, { name: ref.name, namespace }, { subresource: 'scale' });
      if (uidOf(object) !== ref.uid) return undefined;
      return { uid: ref.uid, replicas: (object as { spec?: { replicas?: number } }).spec?.replicas ?? 0 };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

function sized(
  object: { metadata?: { uid?: string }; spec?: { replicas?: number } } | undefined,
  uid: string,
): Owner | undefined {
  if (object?.metadata?.uid !== uid) return undefined;
  return { uid, replicas: object.spec?.replicas ?? 1 };
}
