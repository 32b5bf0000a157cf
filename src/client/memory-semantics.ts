import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import type { DeleteOptions } from './client.ts';
import { cloneJson } from './memory-tables.ts';
import { matchesFields, parseFieldSelector } from '../api/field-selector.ts';
import { matchesLabels, parseLabelSelector } from '../api/label-selector.ts';

/** A write that reached the fake, as tests compare it. */
export interface RecordedWrite {
  verb: 'create' | 'update' | 'patch' | 'delete' | 'deleteCollection';
  resource: string;
  subresource?: string;
  namespace?: string;
  name?: string;
  /** The object or the patch that was sent. */
  body?: unknown;
}

/** A scheduled pod is given time to stop; everything else goes at once. */
export function graceOf(resource: ResourceInfo, object: KubeObject, options: DeleteOptions): number {
  if (resource.resource !== 'pods') return 0;
  const pod = object as {
    spec?: { nodeName?: string; terminationGracePeriodSeconds?: number };
    status?: { phase?: string };
  };
  if (!pod.spec?.nodeName || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return 0;
  return options.gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
}

type Parts = KubeObject & { spec?: unknown; status?: unknown };

/** What a write to the object or to one of its subresources may change. */
export function mergeParts<T extends KubeObject>(old: T, sent: T, subresource: string | undefined): T {
  const [before, after] = [old as Parts, sent as Parts];
  if (subresource === 'status' || subresource === 'approval') {
    const next: Parts = { ...cloneJson(before) };
    if (after.status === undefined) delete next.status;
    else next.status = after.status;
    return next as T;
  }
  const next: Parts = { ...after };
  if (before.status === undefined) delete next.status;
  else next.status = before.status;
  const {
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    resourceVersion,
  } = before.metadata ?? {};
  const kept = {
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    resourceVersion,
  };
  const known = Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
  next.metadata = { ...after.metadata, ...known };
  if (generation !== undefined && JSON.stringify(before.spec) !== JSON.stringify(next.spec))
    next.metadata.generation = generation + 1;
  return next as T;
}

export function filterOf(options: {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}): (object: KubeObject) => boolean {
  const labels = parseLabelSelector(options.labelSelector ?? '');
  const fields = parseFieldSelector(options.fieldSelector ?? '');
  return (object) =>
    (options.namespace === undefined || object.metadata?.namespace === options.namespace) &&
    matchesLabels(labels, object.metadata?.labels) &&
    matchesFields(fields, (field) => fieldAt(object, field.split('.')));
}

export function metadataOf<T extends KubeObject>(object: T): T {
  return { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata: object.metadata } as T;
}

/** Whether finalizers keep a deleted object; a namespace has its own in its spec. */
export function isHeld(object: KubeObject): boolean {
  const { spec } = object as { spec?: { finalizers?: string[] } };
  return Boolean(
    object.metadata?.finalizers?.length || (object.kind === 'Namespace' && spec?.finalizers?.length),
  );
}

function fieldAt(object: unknown, path: readonly string[]): string {
  let at: unknown = object;
  for (const name of path) at = (at as Record<string, unknown> | undefined)?.[name];
  if (typeof at === 'string') return at;
  return typeof at === 'number' || typeof at === 'boolean' ? String(at) : '';
}
