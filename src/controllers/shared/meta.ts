import type { OwnerReference } from '../../api/gen/types/meta-v1.ts';
import type { KubeObject, ObjectMetaLike } from '../../api/resource.ts';

const EMPTY: ObjectMetaLike = {};

export function metaOf(object: KubeObject): ObjectMetaLike {
  return object.metadata ?? EMPTY;
}

export function nameOf(object: KubeObject): string {
  return object.metadata?.name ?? '';
}

export function uidOf(object: KubeObject): string {
  return object.metadata?.uid ?? '';
}

/** 'namespace/name', or 'name' where there is no namespace. */
export function keyOf(object: KubeObject): string {
  const { namespace, name = '' } = metaOf(object);
  return namespace ? `${namespace}/${name}` : name;
}

export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return { namespace: slash === -1 ? '' : key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The one owner that manages the object. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((owner) => owner.controller === true);
}

export function controllerRefTo(owner: KubeObject): OwnerReference {
  const { name = '', uid = '' } = metaOf(owner);
  const { apiVersion = '', kind = '' } = owner;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** Oldest first, the name decides between equals: as upstream sorts what it must choose from. */
export function byCreation(a: KubeObject, b: KubeObject): number {
  const [x, y] = [metaOf(a).creationTimestamp ?? '', metaOf(b).creationTimestamp ?? ''];
  if (x !== y) return x < y ? -1 : 1;
  return nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0;
}

/** Equal as JSON, whatever the order of keys; absent and undefined are the same. */
export function equalJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/** JSON with sorted keys and without what is undefined. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object')
    return typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? 'null');
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}

/** As canonicalJson, with '' and null taken for absent: what a server may or may not send back. */
export function looseJson(value: unknown): string {
  return canonicalJson(dropEmpty(value));
}

function dropEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropEmpty);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(
    ([, item]) => item !== '' && item !== null && item !== undefined,
  );
  return Object.fromEntries(entries.map(([key, item]) => [key, dropEmpty(item)]));
}

/** Statuses equal where a count of zero and an absent one are the same, as on the wire. */
export function sameStatus(
  a: object | undefined,
  b: object | undefined,
  exact: readonly string[] = [],
): boolean {
  const dense = (status: object | undefined): object =>
    Object.fromEntries(
      Object.entries(status ?? {}).filter(
        ([key, value]) => exact.includes(key) || (value !== 0 && value !== undefined),
      ),
    );
  return equalJson(dense(a), dense(b));
}
