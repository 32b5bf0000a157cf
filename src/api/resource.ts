/** Any API object: what every kind has. The in-memory form is the JSON form, as JSON.parse gives it. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMetaLike;
}

/** The part of metav1.ObjectMeta that generic code reads; the full type is generated. */
export interface ObjectMetaLike {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: Array<{
    apiVersion: string;
    kind: string;
    name: string;
    uid: string;
    controller?: boolean;
    blockOwnerDeletion?: boolean;
  }>;
  finalizers?: string[];
  managedFields?: unknown[];
}

/**
 * Where a kind is served. The constants for all built-in kinds (PODS, DEPLOYMENTS …) are generated into
 * gen/resources.ts; `T` ties the object's type to it.
 */
export interface ResourceInfo<T extends KubeObject = KubeObject> {
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case: 'pods'. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never present at run time: carries the type. */
  readonly type?: T;
}

/** 'v1' or 'apps/v1'. */
export function apiVersionOf(info: { group: string; version: string }): string {
  return info.group === '' ? info.version : `${info.group}/${info.version}`;
}

/** '/api/v1/namespaces/default/pods/web/status' and the like; absent parts are left out. */
export function resourcePath(
  info: ResourceInfo,
  ref: { namespace?: string; name?: string; subresource?: string } = {},
): string {
  const parts = info.group === '' ? ['/api', info.version] : ['/apis', info.group, info.version];
  if (info.namespaced && ref.namespace) parts.push('namespaces', encodeURIComponent(ref.namespace));
  parts.push(info.resource);
  if (ref.name) parts.push(encodeURIComponent(ref.name));
  if (ref.subresource) parts.push(ref.subresource);
  return parts.join('/');
}
