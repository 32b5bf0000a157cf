import type { OwnerReference } from '../../api/gen/types/meta-v1.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { metaOf } from '../shared/meta.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

/** An object as the graph knows it: who it is, whom it belongs to, and whether it is on its way out. */
export interface GraphNode {
  uid: string;
  resource: ResourceInfo;
  namespace: string;
  name: string;
  owners: readonly OwnerReference[];
  deleting: boolean;
  /** Its deletion waits for its dependents. */
  foreground: boolean;
  /** Its dependents are to be set free first. */
  orphaning: boolean;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Who owns whom, in both directions, by uid. An owner need not be known for its dependents to be: edges are
 * kept by uid alone, so events may come in any order.
 */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get size(): number {
    return this.#nodes.size;
  }

  node(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  nodes(): IterableIterator<GraphNode> {
    return this.#nodes.values();
  }

  dependents(uid: string): GraphNode[] {
    const found: GraphNode[] = [];
    for (const dependent of this.#dependents.get(uid) ?? NONE) {
      const node = this.#nodes.get(dependent);
      if (node) found.push(node);
    }
    return found;
  }

  hasDependents(uid: string): boolean {
    return (this.#dependents.get(uid)?.size ?? 0) > 0;
  }

  /** Takes in an object's present state; returns what was known before. */
  set(node: GraphNode): GraphNode | undefined {
    const old = this.#nodes.get(node.uid);
    this.#nodes.set(node.uid, node);
    const now = new Set(node.owners.map(({ uid }) => uid));
    for (const { uid } of old?.owners ?? []) if (!now.has(uid)) this.#unlink(uid, node.uid);
    for (const uid of now) {
      const known = this.#dependents.get(uid);
      if (known) known.add(node.uid);
      else this.#dependents.set(uid, new Set([node.uid]));
    }
    return old;
  }

  delete(uid: string): GraphNode | undefined {
    const old = this.#nodes.get(uid);
    this.#nodes.delete(uid);
    for (const owner of old?.owners ?? []) this.#unlink(owner.uid, uid);
    return old;
  }

  #unlink(owner: string, dependent: string): void {
    const known = this.#dependents.get(owner);
    known?.delete(dependent);
    if (known?.size === 0) this.#dependents.delete(owner);
  }
}

export function graphNode(resource: ResourceInfo, object: KubeObject): GraphNode {
  const {
    uid = '',
    namespace = '',
    name = '',
    ownerReferences = [],
    finalizers = [],
    deletionTimestamp,
  } = metaOf(object);
  const deleting = Boolean(deletionTimestamp);
  return {
    uid,
    resource,
    namespace,
    name,
    owners: ownerReferences,
    deleting,
    foreground: deleting && finalizers.includes(FOREGROUND),
    orphaning: deleting && finalizers.includes(ORPHAN),
  };
}

/** The dependents whose end the owner's foreground deletion waits for. */
export function blockingDependents(graph: OwnerGraph, owner: string): GraphNode[] {
  return graph
    .dependents(owner)
    .filter((node) =>
      node.owners.some(({ uid, blockOwnerDeletion }) => uid === owner && blockOwnerDeletion === true),
    );
}

/** What is kept of each object: the graph reads no more, and there are very many objects. */
export function trimForGraph<T extends KubeObject>(object: T): T {
  const { uid, namespace, name, resourceVersion, ownerReferences, finalizers, deletionTimestamp } =
    metaOf(object);
  const metadata = { uid, namespace, name, resourceVersion, ownerReferences, finalizers, deletionTimestamp };
  for (const key of Object.keys(metadata) as Array<keyof typeof metadata>)
    if (metadata[key] === undefined) delete metadata[key];
  return { metadata } as T;
}
