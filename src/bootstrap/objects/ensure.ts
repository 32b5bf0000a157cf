import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { Client } from '../../client/client.ts';
import { isAlreadyExists, isNotFound } from '../../client/errors.ts';

/** An object that the cluster must have, and where it is served. */
export interface Wanted<T extends KubeObject = KubeObject> {
  resource: ResourceInfo<T>;
  object: T & { metadata: { name: string; namespace?: string } };
}

/**
 * Whether `found` says everything that `wanted` says. Fields that only `found` has do not matter: the server
 * fills in defaults. Lists must be equal item by item.
 */
function says(found: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((item, index) => says(found[index], item))
    );
  }
  if (typeof wanted !== 'object' || wanted === null) return found === wanted;
  if (typeof found !== 'object' || found === null) return false;
  const fields = found as Record<string, unknown>;
  return Object.entries(wanted).every(([key, value]) => value === undefined || says(fields[key], value));
}

/** What must be done to have the object: nothing, 'create', or 'update' of the fields that differ. */
export async function missing(client: Client, wanted: Wanted): Promise<'create' | 'update' | undefined> {
  const { apiVersion: _, kind: __, ...body } = wanted.object;
  try {
    const found = await client.get(wanted.resource, wanted.object.metadata);
    return says(found, body) ? undefined : 'update';
  } catch (error) {
    if (isNotFound(error)) return 'create';
    throw error;
  }
}

/** Creates or updates the object; what others set on it stays. */
export async function ensure(client: Client, wanted: Wanted): Promise<void> {
  try {
    await client.create(wanted.resource, wanted.object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await client.patch(wanted.resource, wanted.object.metadata, wanted.object, { type: 'merge' });
  }
}
