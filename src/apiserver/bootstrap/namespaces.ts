import { NAMESPACES } from '../../api/gen/resources.ts';
import type { ObjectStore } from '../object-store.ts';
import { StatusError } from '../status-errors.ts';

export const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'] as const;

/** Makes the namespaces that every cluster has, where they are missing. */
export async function ensureNamespaces(store: ObjectStore): Promise<void> {
  for (const name of SYSTEM_NAMESPACES) {
    if (await store.getFresh(NAMESPACES, name)) continue;
    await ignoreExisting(store.create(NAMESPACES, { metadata: { name } }));
  }
}

/** Another server may have been quicker. */
export async function ignoreExisting(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!(error instanceof StatusError && error.reason === 'AlreadyExists')) throw error;
  }
}
