import { FieldManager } from '../../api/apply/field-manager.ts';
import type { FieldSet } from '../../api/apply/field-set.ts';
import { mergeTypeOf } from '../../api/apply/merge-type.ts';
import type { MergeType } from '../../api/apply/merge-type.ts';
import { resetFieldsOf } from '../../api/apply/reset-fields.ts';
import { sameValue } from '../../api/apply/typed-value.ts';
import type { JsonObject } from '../../api/objects.ts';
import type { KubeObject } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import { emptyMessage } from '../../api/zero.ts';
import { rfc3339 } from '../../base/clock.ts';
import type { RegistryEnv } from '../registry/registry-env.ts';
import type { ServedResource } from '../registry/served-resource.ts';

const MAX_MANAGER_BYTES = 128;
const managers = new WeakMap<ServedResource, Map<string, FieldManager>>();

/** Keeps the managedFields of a resource, or of one of its subresources ('' is the object itself). */
export function fieldManagerOf(env: RegistryEnv, served: ServedResource, subresource: string): FieldManager {
  let bySubresource = managers.get(served);
  if (!bySubresource) {
    bySubresource = new Map();
    managers.set(served, bySubresource);
  }
  let manager = bySubresource.get(subresource);
  if (!manager) {
    manager = new FieldManager(new ServedKind(env, served, subresource));
    bySubresource.set(subresource, manager);
  }
  return manager;
}

/** A served resource with its other versions. */
class ServedKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly subresource: string;
  readonly isFixed: boolean;
  readonly #env: RegistryEnv;
  readonly #served: ServedResource;
  readonly #reset: FieldSet;

  constructor(env: RegistryEnv, served: ServedResource, subresource: string) {
    this.#env = env;
    this.#served = served;
    this.apiVersion = served.apiVersion;
    this.kind = served.info.kind;
    this.subresource = subresource;
    this.isFixed = served.definition.custom === undefined;
    this.#reset = resetFieldsOf({
      group: served.info.group,
      kind: served.info.kind,
      subresource,
      hasStatus: served.subresource('status') !== undefined,
      isCustom: served.definition.custom !== undefined,
    });
  }

  typeOf(apiVersion: string): MergeType | undefined {
    const served = this.#version(apiVersion);
    return served && mergeTypeOfServed(served);
  }

  convert(object: JsonObject, apiVersion: string): JsonObject | undefined {
    const from = (object as KubeObject).apiVersion ?? this.apiVersion;
    if (from === apiVersion) return object;
    const source = this.#version(from)?.definition.storedAs;
    const target = this.#version(apiVersion);
    if (!target) return undefined;
    // A webhook would have to be asked: an object that only looks converted would lose fields and their owners.
    if (target.isConvertedByOthers) return undefined;
    const stored = source ? source.toStored(object) : object;
    const converted = target.definition.storedAs?.fromStored(stored) ?? stored;
    return { ...converted, apiVersion };
  }

  resetFields(): FieldSet {
    return this.#reset;
  }

  empty(): JsonObject {
    const { group, version, kind } = this.#served.info;
    const schema = schemaForKind(group, version, kind);
    return { apiVersion: this.apiVersion, kind, ...(schema ? emptyMessage(schema) : {}) };
  }

  /** The same objects in another version, if that is served. */
  #version(apiVersion: string): ServedResource | undefined {
    if (apiVersion === this.apiVersion) return this.#served;
    const { cache } = this.#served;
    return this.#env.table
      .all()
      .find((each) => each.apiVersion === apiVersion && !each.definition.virtual && each.cache === cache);
  }
}

/** How objects of a resource are merged; undefined for what has no schema. */
export function mergeTypeOfServed({ info, definition }: ServedResource): MergeType | undefined {
  if (definition.custom) return definition.custom.mergeType;
  const schema = schemaForKind(info.group, info.version, info.kind);
  return schema && mergeTypeOf(schema);
}

/** Who a write without fieldManager is by: the program that its User-Agent names. Mirrors handlers/create.go. */
export function managerOrUserAgent(manager: string, userAgent: string | undefined): string {
  if (manager !== '') return manager;
  let name = '';
  for (const character of (userAgent ?? '').split('/')[0] ?? '') {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) continue;
    if (Buffer.byteLength(name + character) > MAX_MANAGER_BYTES) break;
    name += character;
  }
  return name;
}

/** Notes in metadata.managedFields what a write changes; `manager` undefined is the server itself, which owns nothing. */
export function trackManager(
  env: RegistryEnv,
  served: ServedResource,
  live: KubeObject | undefined,
  object: KubeObject,
  write: { manager?: string; subresource: string },
): void {
  if (write.manager === undefined) return;
  const now = rfc3339(env.clock.now());
  fieldManagerOf(env, served, write.subresource).update(live, object, write.manager, now);
}

interface Timed {
  time?: string;
}

/**
 * Takes the old times back where nothing else has changed: whoever writes what is there already writes
 * nothing. Mirrors apiserver pkg/endpoints/handlers/fieldmanager/equality.go.
 */
export function keepTimesOfNoChange(object: KubeObject, old: KubeObject): void {
  const before = old.metadata?.managedFields;
  const after = object.metadata?.managedFields;
  if (!before || !after || before === after || before.length !== after.length) return;
  const differs = after.some((entry, index) => (entry as Timed).time !== (before[index] as Timed).time);
  if (!differs) return;
  // What changed is usually the object, near its beginning.
  const metadata = { ...object.metadata, managedFields: before };
  if (!sameValue({ ...object, metadata }, old)) return;
  if (sameValue(after.map(timeless), before.map(timeless))) object.metadata = metadata;
}

function timeless(entry: unknown): unknown {
  const { time: _time, ...rest } = entry as Timed;
  return rest;
}
