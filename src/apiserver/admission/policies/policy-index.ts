import type { KubeObject, ResourceInfo } from '../../../api/resource.ts';
import type { ObjectFeed } from '../../authz/object-feed.ts';

interface Binding extends KubeObject {
  spec?: { policyName?: string };
}

/** A policy with the bindings that make it count; it is compiled when it is first needed, once. */
export interface BoundPolicy<P, B, C> {
  readonly policy: P;
  readonly bindings: readonly B[];
  readonly compiled: C;
}

/** Policies and their bindings as they are by now, in order of their names. */
export class PolicyIndex<P extends KubeObject, B extends Binding, C> {
  readonly #compile: (policy: P) => C;
  readonly #policies = new Map<string, P>();
  readonly #bindings = new Map<string, B>();
  readonly #compiled = new WeakMap<P, C>();
  #bound: ReadonlyArray<BoundPolicy<P, B, C>> | undefined;

  constructor(compile: (policy: P) => C) {
    this.#compile = compile;
  }

  /** Keeps up with the store; returns the end of it. */
  follow(feed: ObjectFeed, policies: ResourceInfo<P>, bindings: ResourceInfo<B>): () => void {
    const ends = [
      feed.follow(policies, this.#keeper(this.#policies)),
      feed.follow(bindings, this.#keeper(this.#bindings)),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  #keeper<T extends KubeObject>(objects: Map<string, T>) {
    return {
      set: (object: T) => {
        objects.set(object.metadata?.name ?? '', object);
        this.#bound = undefined;
      },
      deleted: (object: T) => {
        objects.delete(object.metadata?.name ?? '');
        this.#bound = undefined;
      },
    };
  }

  /** Only policies that are bound: others are for nothing yet. */
  get bound(): ReadonlyArray<BoundPolicy<P, B, C>> {
    this.#bound ??= this.#bind();
    return this.#bound;
  }

  #bind(): Array<BoundPolicy<P, B, C>> {
    const byPolicy = new Map<string, B[]>();
    for (const binding of sortedByName(this.#bindings)) {
      const name = binding.spec?.policyName ?? '';
      byPolicy.set(name, [...(byPolicy.get(name) ?? []), binding]);
    }
    return sortedByName(this.#policies).flatMap((policy) => {
      const bindings = byPolicy.get(policy.metadata?.name ?? '');
      if (!bindings) return [];
      let compiled = this.#compiled.get(policy);
      if (compiled === undefined) {
        compiled = this.#compile(policy);
        this.#compiled.set(policy, compiled);
      }
      return [{ policy, bindings, compiled }];
    });
  }
}

function sortedByName<T extends KubeObject>(objects: ReadonlyMap<string, T>): T[] {
  return [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}
