import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { Client } from '../../client/client.ts';
import { ApiError, isNotFound } from '../../client/errors.ts';
import { controllerOf, controllerRefTo, metaOf, nameOf, uidOf } from './meta.ts';

export interface ClaimOptions<T extends KubeObject> {
  client: Client;
  resource: ResourceInfo<T>;
  owner: KubeObject;
  ownerResource: ResourceInfo;
  /** Whether the owner's selector selects the object. */
  matches: (object: T) => boolean;
}

/**
 * Of the objects that the owner controls or that nobody does, returns those that are the owner's: adopts
 * matching orphans, releases what no longer matches. Mirrors pkg/controller/controller_ref_manager.go.
 */
export async function claim<T extends KubeObject>(
  candidates: readonly T[],
  options: ClaimOptions<T>,
): Promise<T[]> {
  const claimed: T[] = [];
  let mayAdopt: Promise<boolean> | undefined;
  for (const object of candidates) {
    const ref = controllerOf(object);
    if (ref !== undefined) {
      if (ref.uid !== uidOf(options.owner)) continue;
      if (options.matches(object)) claimed.push(object);
      else if (!metaOf(options.owner).deletionTimestamp) await release(object, options);
      continue;
    }
    if (
      metaOf(options.owner).deletionTimestamp ||
      metaOf(object).deletionTimestamp ||
      !options.matches(object)
    )
      continue;
    mayAdopt ??= ownerStands(options);
    if (await mayAdopt) if (await adopt(object, options)) claimed.push(object);
  }
  return claimed;
}

/** Asks the server itself: a cached owner may be gone, and what a dead one adopts would be collected. */
async function ownerStands(
  options: Pick<ClaimOptions<KubeObject>, 'client' | 'owner' | 'ownerResource'>,
): Promise<boolean> {
  const { client, owner, ownerResource } = options;
  const ref = { namespace: metaOf(owner).namespace, name: nameOf(owner) };
  const fresh = await client.get(ownerResource, ref).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  return fresh !== undefined && uidOf(fresh) === uidOf(owner) && !metaOf(fresh).deletionTimestamp;
}

async function adopt<T extends KubeObject>(object: T, options: ClaimOptions<T>): Promise<boolean> {
  const { client, resource, owner } = options;
  const { namespace, name = '', uid } = metaOf(object);
  const patch = { metadata: { ownerReferences: [controllerRefTo(owner)], uid } };
  try {
    await client.patch(resource, { namespace, name }, patch, { type: 'strategic' });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function release<T extends KubeObject>(object: T, options: ClaimOptions<T>): Promise<void> {
  const { client, resource, owner } = options;
  const { namespace, name = '', uid } = metaOf(object);
  const patch = { metadata: { ownerReferences: [{ $patch: 'delete', uid: uidOf(owner) }], uid } };
  try {
    await client.patch(resource, { namespace, name }, patch, { type: 'strategic' });
  } catch (error) {
    // Gone, or another object under its name (the uid in the patch is the guard): nothing to release.
    if (isNotFound(error) || (error instanceof ApiError && error.status.code === 422)) return;
    throw error;
  }
}

/** The index that `claim` takes its candidates from. */
export const BY_CONTROLLER = 'controller';

/** Objects by the uid of their controller; those without one by '/namespace'. */
export function controllerIndex(object: KubeObject): string[] {
  return [controllerOf(object)?.uid ?? `/${metaOf(object).namespace ?? ''}`];
}
