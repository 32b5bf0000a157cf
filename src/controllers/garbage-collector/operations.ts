import type { OwnerReference } from '../../api/gen/types/meta-v1.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { Client, DeleteOptions } from '../../client/client.ts';
import { isNotFound } from '../../client/errors.ts';
import { metaOf, uidOf } from '../shared/meta.ts';
import { FOREGROUND, ORPHAN } from './graph.ts';
import type { GraphNode } from './graph.ts';

/** The object itself, by name and uid; undefined where it is gone or another one has its name. */
export async function live(client: Client, node: GraphNode): Promise<KubeObject | undefined> {
  try {
    const object = await client.get(node.resource, refOf(node), { metadataOnly: true });
    return uidOf(object) === node.uid ? object : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Writes the owner references as a whole; the version guards against a change in between. */
export async function setOwners(
  client: Client,
  node: GraphNode,
  object: KubeObject,
  owners: readonly OwnerReference[],
): Promise<void> {
  const { resourceVersion, uid } = metaOf(object);
  const patch = { metadata: { resourceVersion, uid, ownerReferences: owners.length > 0 ? owners : null } };
  await ignoreGone(client.patch(node.resource, refOf(node), patch, { type: 'merge' }));
}

export async function dropFinalizer(
  client: Client,
  node: GraphNode,
  object: KubeObject,
  finalizer: string,
): Promise<void> {
  const { resourceVersion, uid, finalizers = [] } = metaOf(object);
  if (!finalizers.includes(finalizer)) return;
  const left = finalizers.filter((item) => item !== finalizer);
  const patch = { metadata: { resourceVersion, uid, finalizers: left.length > 0 ? left : null } };
  await ignoreGone(client.patch(node.resource, refOf(node), patch, { type: 'merge' }));
}

/** Deletes exactly this object, and only in the state that the decision was made on. */
export async function remove(
  client: Client,
  node: GraphNode,
  object: KubeObject,
  policy: DeleteOptions['propagationPolicy'],
): Promise<void> {
  const { uid, resourceVersion } = metaOf(object);
  await ignoreGone(
    client.delete(node.resource, refOf(node), {
      propagationPolicy: policy,
      preconditions: { uid, resourceVersion },
    }),
  );
}

/** The policy that the object asks for itself by its finalizers. */
export function ownPolicy(object: KubeObject): DeleteOptions['propagationPolicy'] {
  const { finalizers = [] } = metaOf(object);
  if (finalizers.includes(ORPHAN)) return 'Orphan';
  return finalizers.includes(FOREGROUND) ? 'Foreground' : 'Background';
}

function refOf(node: GraphNode): { namespace?: string; name: string } {
  return node.namespace ? { namespace: node.namespace, name: node.name } : { name: node.name };
}

async function ignoreGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
