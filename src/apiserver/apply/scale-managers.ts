import { FieldManager } from '../../api/apply/field-manager.ts';
import { EMPTY_SET } from '../../api/apply/field-set.ts';
import { mergeTypeOf } from '../../api/apply/merge-type.ts';
import { managersOfScale, managersOfScaled } from '../../api/apply/scale.ts';
import type { ReplicasPaths } from '../../api/apply/scale.ts';
import type { KubeObject } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import { emptyMessage } from '../../api/zero.ts';
import { rfc3339 } from '../../base/clock.ts';
import type { RegistryEnv } from '../registry/registry-env.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import type { ScaleSubresource } from '../resource-definition.ts';

const API_VERSION = 'autoscaling/v1';
const SCHEMA = schemaForKind('autoscaling', 'v1', 'Scale')!;

/** Scales of all kinds are one kind of their own. */
const manager = new FieldManager({
  apiVersion: API_VERSION,
  kind: 'Scale',
  subresource: 'scale',
  isFixed: true,
  typeOf: (apiVersion) => (apiVersion === API_VERSION ? mergeTypeOf(SCHEMA) : undefined),
  convert: (object, apiVersion) => (apiVersion === API_VERSION ? object : undefined),
  resetFields: () => EMPTY_SET,
  empty: () => emptyMessage(SCHEMA),
});

/** Who owns the replicas of one object, while its Scale is written. */
export class ScaleManagers {
  readonly #env: RegistryEnv;
  readonly #served: ServedResource;
  readonly #object: KubeObject;
  readonly #paths: ReplicasPaths;

  constructor(
    env: RegistryEnv,
    served: ServedResource,
    scale: ScaleSubresource<KubeObject>,
    object: KubeObject,
  ) {
    this.#env = env;
    this.#served = served;
    this.#object = object;
    this.#paths = replicasPaths(env, served, scale);
  }

  /** Notes who changes the Scale; `wanted` is changed. */
  update(before: KubeObject, wanted: KubeObject, by: string): void {
    // Unlike at other endpoints the Scale that a client sends back carries no managers.
    delete wanted.metadata?.managedFields;
    manager.update(this.#withManagers(before), wanted, by, this.#now());
  }

  apply(before: KubeObject, config: KubeObject, by: string, force: boolean): KubeObject {
    return manager.apply(this.#withManagers(before), config, by, force, this.#now());
  }

  /** Puts the managers of the written Scale into the object's. */
  writeBack(target: KubeObject, scale: KubeObject): void {
    const metadata = (target.metadata ??= {});
    const own = this.#object.metadata?.managedFields ?? [];
    const entries = managersOfScaled(
      own,
      scale.metadata?.managedFields ?? [],
      this.#served.apiVersion,
      this.#paths,
    );
    if (entries) metadata.managedFields = entries;
    else delete metadata.managedFields;
  }

  #withManagers(scale: KubeObject): KubeObject {
    const entries = managersOfScale(this.#object.metadata?.managedFields ?? [], this.#paths);
    const { managedFields: _own, ...metadata } = scale.metadata ?? {};
    return { ...scale, metadata: entries ? { ...metadata, managedFields: entries } : metadata };
  }

  #now(): string {
    return rfc3339(this.#env.clock.now());
  }
}

function replicasPaths(
  env: RegistryEnv,
  served: ServedResource,
  scale: ScaleSubresource<KubeObject>,
): ReplicasPaths {
  const paths = new Map<string, readonly string[] | undefined>();
  for (const each of env.table.all()) {
    if (each.definition.virtual || each.cache !== served.cache) continue;
    const sub = each.subresource('scale');
    paths.set(each.apiVersion, sub?.type === 'scale' ? pathOf(sub) : undefined);
  }
  paths.set(served.apiVersion, pathOf(scale));
  return paths;
}

function pathOf(scale: ScaleSubresource<KubeObject>): readonly string[] {
  return scale.replicasPath ?? ['spec', 'replicas'];
}
