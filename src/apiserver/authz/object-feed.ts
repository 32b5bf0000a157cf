import type { KubeObject, ResourceInfo } from '../../api/resource.ts';

/** What is told of one resource's objects. Handlers must not throw and must not change the objects. */
export interface ObjectFeedHandler<T extends KubeObject> {
  /** The object is there: for the first time, or with another content. */
  set(object: T): void;
  /** Its last state. */
  deleted(object: T): void;
}

/**
 * The watch cache as a source of changes: whoever follows a resource is told of every object that is there,
 * then of each change in order, before the write that made it is answered by this server.
 */
export interface ObjectFeed {
  /** Returns the end of following. Objects present are told before it returns, or as soon as the cache is filled. */
  follow<T extends KubeObject>(resource: ResourceInfo<T>, handler: ObjectFeedHandler<T>): () => void;
}
