import { difference, hasPath, isEmptySet, SetBuilder, setOfFields } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { decodeManagers, encodeManagers } from './managed-fields.ts';
import type { ManagedFieldsEntry, Managers } from './managed-fields.ts';

const SCALE_VERSION = 'autoscaling/v1';
const SCALE_REPLICAS = setOfFields(['spec', 'replicas']);
const SCALE_PATH = ['f:spec', 'f:replicas'];

/**
 * Where the replicas are in each version of the scaled kind: steps of field names; undefined for a version
 * without /scale. Versions that are not in the map do not exist.
 */
export type ReplicasPaths = ReadonlyMap<string, readonly string[] | undefined>;

function pathOf(paths: ReplicasPaths, version: string): string[] | undefined {
  return paths.get(version)?.map((name) => `f:${name}`);
}

/** The managers of an object's replicas, as those of its Scale. Mirrors managedfields/scalehandler.go. */
export function managersOfScale(
  entries: readonly unknown[],
  paths: ReplicasPaths,
): ManagedFieldsEntry[] | undefined {
  const result: Managers = new Map();
  for (const [identifier, managed] of decodeManagers(entries)) {
    const path = pathOf(paths, managed.apiVersion);
    if (path && hasPath(managed.set, path)) {
      result.set(identifier, { ...managed, set: SCALE_REPLICAS, apiVersion: SCALE_VERSION });
    }
  }
  return encodeManagers(result);
}

/** The managers of the object after its Scale was written by those of `scaleEntries`, in `version` of the object. */
export function managersOfScaled(
  entries: readonly unknown[],
  scaleEntries: readonly unknown[],
  version: string,
  paths: ReplicasPaths,
): ManagedFieldsEntry[] | undefined {
  const parents = decodeManagers(entries);
  const scales = decodeManagers(scaleEntries);
  const result: Managers = new Map();
  for (const [identifier, managed] of parents) {
    if (!paths.has(managed.apiVersion)) continue;
    const path = pathOf(paths, managed.apiVersion);
    if (!path || !hasPath(managed.set, path) || scales.delete(identifier)) {
      result.set(identifier, managed);
      continue;
    }
    // Someone else has set the replicas since.
    const set = difference(managed.set, only(path));
    if (!isEmptySet(set)) result.set(identifier, { ...managed, set });
  }
  const path = pathOf(paths, version) ?? SCALE_PATH;
  for (const [identifier, managed] of scales) {
    if (!hasPath(managed.set, SCALE_PATH)) continue;
    result.set(identifier, {
      set: only(path),
      apiVersion: version,
      applied: managed.applied,
      sorted: true,
      time: parents.get(identifier)?.time,
    });
  }
  return encodeManagers(result);
}

function only(path: readonly string[]): FieldSet {
  const builder = new SetBuilder();
  builder.insert(path);
  return builder.build();
}
