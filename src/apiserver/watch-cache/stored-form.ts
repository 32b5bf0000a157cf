import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { apiVersionOf } from '../../api/resource.ts';

/**
 * How objects lie in the store: JSON without a resourceVersion, which the store itself counts, beginning
 * with `{"kind":…,"apiVersion":…,"metadata":{`. The place where the version is spliced in on the way out is
 * therefore the same for all objects of a resource, and nothing is parsed to serve one.
 */
export function storedPrefix(info: ResourceInfo): Buffer {
  const head = `{"kind":${JSON.stringify(info.kind)},"apiVersion":${JSON.stringify(apiVersionOf(info))},"metadata":{`;
  return Buffer.from(head);
}

/** The text to store for an object. `stringify` is the codec's (it knows 64-bit integers). */
export function toStoredText(
  info: ResourceInfo,
  object: KubeObject,
  stringify: (value: unknown) => string,
): string {
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _resourceVersion, ...kept } = metadata ?? {};
  return stringify({ kind: info.kind, apiVersion: apiVersionOf(info), metadata: kept, ...rest });
}

/** A copy of the stored bytes with `"resourceVersion":"N",` in its metadata, in a buffer of exactly its size. */
export function spliceRevision(stored: Buffer, prefix: Buffer, revision: number): Buffer {
  const splice = `"resourceVersion":"${revision}",`;
  if (stored.compare(prefix, 0, prefix.length, 0, prefix.length) !== 0) {
    return spliceByParsing(stored, revision);
  }
  const out = Buffer.allocUnsafeSlow(stored.length + splice.length);
  stored.copy(out, 0, 0, prefix.length);
  out.write(splice, prefix.length, 'latin1');
  stored.copy(out, prefix.length + splice.length, prefix.length);
  return out;
}

/** For the last state of a deleted object: the same bytes with another version. */
export function respliceRevision(spliced: Buffer, prefix: Buffer, from: number, to: number): Buffer {
  const old = `"resourceVersion":"${from}",`;
  const at = prefix.length;
  if (spliced.toString('latin1', at, at + old.length) !== old) return spliceByParsing(spliced, to);
  const fresh = `"resourceVersion":"${to}",`;
  const out = Buffer.allocUnsafeSlow(spliced.length - old.length + fresh.length);
  spliced.copy(out, 0, 0, at);
  out.write(fresh, at, 'latin1');
  spliced.copy(out, at + fresh.length, at + old.length);
  return out;
}

/** The bytes came from another writer: put them in our order. */
function spliceByParsing(stored: Buffer, revision: number): Buffer {
  const object = JSON.parse(stored.toString()) as KubeObject;
  const { kind, apiVersion, metadata, ...rest } = object;
  const text = JSON.stringify({
    kind,
    apiVersion,
    metadata: { ...metadata, resourceVersion: String(revision) },
    ...rest,
  });
  const out = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  out.write(text);
  return out;
}

/** '/registry/pods/' or '/registry/deployments.apps/'. */
export function registryPrefix(info: { group: string; resource: string }): string {
  return `/registry/${info.group === '' ? info.resource : `${info.resource}.${info.group}`}/`;
}
