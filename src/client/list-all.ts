import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import type { Client, ListOptions, ObjectList } from './client.ts';
import { ApiError } from './errors.ts';

const PAGE = 500;

/**
 * Lists a whole collection in pages. When a page's token expires on the way the list is read again in one
 * piece, as client-go's pager does.
 */
export async function listAll<T extends KubeObject>(
  client: Client,
  resource: ResourceInfo<T>,
  options: Omit<ListOptions, 'limit' | 'continue'> = {},
): Promise<ObjectList<T>> {
  const first = await client.list(resource, { ...options, limit: PAGE });
  let next = first.metadata.continue;
  while (next) {
    try {
      const page = await client.list(resource, {
        ...options,
        limit: PAGE,
        continue: next,
        resourceVersion: undefined,
        resourceVersionMatch: undefined,
      });
      for (const item of page.items) first.items.push(item);
      next = page.metadata.continue;
    } catch (error) {
      if (error instanceof ApiError && error.status.code === 410) return client.list(resource, options);
      throw error;
    }
  }
  delete first.metadata.continue;
  delete first.metadata.remainingItemCount;
  return first;
}
