import { parseExact } from '../json/exact-parser.ts';
import { isObject } from '../objects.ts';
import type { JsonObject } from '../objects.ts';
import type { KubeObject } from '../resource.ts';
import { checkTyped } from './check-typed.ts';
import { compareTyped } from './compare.ts';
import { ApplyConflictError, ApplyError } from './errors.ts';
import { difference, hasPath, setOfFields, union } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { LAST_APPLIED, syncLastApplied } from './last-applied.ts';
import {
  decodeForeignManagers,
  decodeManagers,
  encodeManagers,
  managerIdentifier,
  seconds,
} from './managed-fields.ts';
import type { ManagedFieldsEntry, Managers } from './managed-fields.ts';
import { fieldSetOf } from './typed-value.ts';
import { Updater } from './updater.ts';
import type { UpdaterKind } from './updater.ts';

/** More update managers than this are folded into one. */
const MAX_UPDATE_MANAGERS = 10;
const SELF = 'current operation';

/** What nobody owns: it names the object, or is the server's. */
const NEVER_OWNED = setOfFields(
  ['apiVersion'],
  ['kind'],
  ['metadata'],
  ['metadata', 'name'],
  ['metadata', 'namespace'],
  ['metadata', 'creationTimestamp'],
  ['metadata', 'selfLink'],
  ['metadata', 'uid'],
  ['metadata', 'clusterName'],
  ['metadata', 'generation'],
  ['metadata', 'managedFields'],
  ['metadata', 'resourceVersion'],
);

export interface FieldManagerOptions extends UpdaterKind {
  readonly apiVersion: string;
  readonly kind: string;
  /** '' for the object itself. */
  readonly subresource: string;
  /** The object of the kind of which nothing is set: what a create starts from. */
  empty(): JsonObject;
}

/**
 * Keeps metadata.managedFields of one kind at one endpoint, and merges what is applied. Objects are in the
 * endpoint's version. Mirrors apimachinery pkg/util/managedfields/internal.
 */
export class FieldManager {
  readonly #options: FieldManagerOptions;
  readonly #updater: Updater;

  constructor(options: FieldManagerOptions) {
    this.#options = options;
    this.#updater = new Updater(options);
  }

  /**
   * Sets metadata.managedFields of an object that a client writes over `live` (undefined: creates); it is
   * changed. `now` is RFC 3339 in seconds. Errors leave the object without managedFields, as upstream.
   */
  update(live: KubeObject | undefined, object: KubeObject, manager: string, now: string): void {
    const managers = this.#managersOf(live, object);
    const meta = (object.metadata ??= {});
    delete meta.managedFields;
    // An object whose managers are unknown is tracked from its next creation or apply on only.
    if (managers.size === 0 && live !== undefined) return;
    try {
      const before = live ? withoutManagers(live) : this.#options.empty();
      setManagers(object, this.#update(before, object as JsonObject, managers, manager, now));
    } catch {
      delete meta.managedFields;
    }
  }

  /**
   * The object that results when `config` is applied over `live` (undefined: nothing is there), with its
   * managedFields; neither is changed. Throws ApplyError, and ApplyConflictError unless forced.
   */
  apply(
    live: KubeObject | undefined,
    config: KubeObject,
    manager: string,
    force: boolean,
    now: string,
  ): KubeObject {
    this.#checkConfig(config);
    const before = live ? withoutManagers(live) : this.#options.empty();
    let managers = live ? decodeManagers(live.metadata?.managedFields ?? []) : new Map();
    if (managers.size === 0) {
      managers = this.#update(this.#options.empty(), before, managers, 'before-first-apply', now);
    }
    const identifier = this.#identifier(manager, 'Apply');
    const run = (forced: boolean) =>
      this.#updater.apply(
        before,
        config as JsonObject,
        this.#options.apiVersion,
        new Map(managers),
        identifier,
        forced,
      );
    let result: ReturnType<typeof run>;
    try {
      result = run(force);
    } catch (error) {
      if (!(error instanceof ApplyConflictError) || manager !== 'kubectl') throw error;
      this.#allowLastApplied(before, error);
      result = run(true);
    }
    this.#strip(result.managers, identifier);
    const own = result.managers.get(identifier);
    if (own && result.object) result.managers.set(identifier, { ...own, time: now });
    const object = copyWithMeta(result.object ?? before);
    if (manager === 'kubectl') syncLastApplied(object, config);
    setManagers(object, result.managers);
    return object;
  }

  /** The managers that a write starts from: those the client sent, or else those of the live object. */
  #managersOf(live: KubeObject | undefined, object: KubeObject): Managers {
    const known = live?.metadata?.managedFields;
    const sent = object.metadata?.managedFields;
    const isOwn = this.#options.subresource !== '' || sent === undefined || sent === known;
    if (!isOwn && isReset(sent)) return new Map();
    const own = decodedOrNone(known);
    if (isOwn) return own;
    try {
      const managers = decodeForeignManagers(sent, own);
      return managers.size > 0 ? managers : own;
    } catch (error) {
      if (error instanceof ApplyError) return own;
      throw error;
    }
  }

  #identifier(manager: string, operation: 'Apply' | 'Update'): string {
    const { apiVersion, subresource } = this.#options;
    return managerIdentifier({
      manager: manager === '' ? 'unknown' : manager,
      operation,
      apiVersion,
      subresource,
    });
  }

  #update(live: JsonObject, object: JsonObject, given: Managers, manager: string, now: string): Managers {
    const { apiVersion } = this.#options;
    const managers = this.#updater.update(live, object, apiVersion, given, SELF);
    this.#strip(managers, SELF);
    const own = managers.get(SELF);
    if (own) {
      // Something changed: the manager gets it beside what it had, and the time.
      managers.delete(SELF);
      const identifier = this.#identifier(manager, 'Update');
      const before = managers.get(identifier);
      const set = before ? union(own.set, before.set) : own.set;
      managers.set(identifier, { set, apiVersion, applied: false, time: now, sorted: false });
    }
    return capUpdateManagers(managers);
  }

  #strip(managers: Managers, identifier: string): void {
    const managed = managers.get(identifier);
    if (!managed) return;
    const set = difference(managed.set, NEVER_OWNED);
    if (Object.keys(set).length === 0) managers.delete(identifier);
    else managers.set(identifier, { ...managed, set });
  }

  #checkConfig(config: KubeObject): void {
    const { apiVersion, kind } = this.#options;
    if (config.apiVersion !== apiVersion || config.kind !== kind) {
      throw new ApplyError(400, `invalid object type: ${groupVersionKind(config)}`);
    }
    if (config.metadata?.managedFields !== undefined) {
      throw new ApplyError(400, 'metadata.managedFields must be nil');
    }
    const type = this.#options.typeOf(apiVersion)!;
    const problem = checkTyped(config, type, { allowDuplicates: false });
    if (problem !== undefined) {
      throw new ApplyError(500, `failed to create typed patch object (${described(config)}): ${problem}`);
    }
  }

  /**
   * Whether kubectl's own annotation says that all fields in conflict are kubectl's already: it moves from
   * client-side to server-side apply. Throws the conflicts that remain otherwise.
   */
  #allowLastApplied(live: JsonObject, error: ApplyConflictError): void {
    const allowed = this.#lastAppliedSet(live);
    if (!allowed) throw error;
    const rest = error.conflicts.filter(({ path }) => !hasPath(allowed, path));
    if (rest.length > 0) throw new ApplyConflictError(rest);
  }

  #lastAppliedSet(live: JsonObject): FieldSet | undefined {
    const text = (live as KubeObject).metadata?.annotations?.[LAST_APPLIED];
    const type = this.#options.typeOf(this.#options.apiVersion)!;
    if (!text || checkTyped(live, type, { allowDuplicates: false }) !== undefined) return undefined;
    let last: unknown;
    try {
      last = parseExact(text).value;
    } catch {
      return undefined;
    }
    if (!isObject(last) || last.apiVersion !== this.#options.apiVersion) return undefined;
    if (checkTyped(last, type, { allowDuplicates: false }) !== undefined) return undefined;
    const { modified, added, removed } = compareTyped(last, live, type);
    return difference(difference(difference(fieldSetOf(last, type), modified), added), removed);
  }
}

/** None where the entries cannot be read. */
function decodedOrNone(entries: readonly unknown[] | undefined): Managers {
  try {
    return decodeManagers(entries ?? []);
  } catch (error) {
    if (error instanceof ApplyError) return new Map();
    throw error;
  }
}

function setManagers(object: KubeObject, managers: Managers): void {
  const entries: ManagedFieldsEntry[] | undefined = encodeManagers(managers);
  if (entries) (object.metadata ??= {}).managedFields = entries;
  else delete object.metadata?.managedFields;
}

function withoutManagers(object: KubeObject): JsonObject {
  const { managedFields: _managers, ...metadata } = object.metadata ?? {};
  return { ...object, metadata };
}

/** A copy whose metadata may be changed. */
function copyWithMeta(object: JsonObject): KubeObject {
  const { metadata } = object as KubeObject;
  return { ...object, metadata: { ...metadata } };
}

/** An empty list, or a list of one empty entry, asks to forget all managers. */
function isReset(entries: readonly unknown[]): boolean {
  if (entries.length === 0) return true;
  const [only] = entries;
  return entries.length === 1 && isObject(only) && Object.keys(only).length === 0;
}

/** Folds the oldest update entries of a version into one. Mirrors capmanagers.go. */
function capUpdateManagers(managers: Managers): Managers {
  const updaters = [...managers].filter(([, { applied }]) => !applied);
  let count = updaters.length;
  if (count <= MAX_UPDATE_MANAGERS) return managers;
  updaters.sort(([a, left], [b, right]) => seconds(left.time) - seconds(right.time) || (a < b ? -1 : 1));
  const first = new Map<string, string>();
  for (const [identifier, { apiVersion, set, time }] of updaters) {
    if (count <= MAX_UPDATE_MANAGERS) break;
    const bucket = managerIdentifier({
      manager: 'ancient-changes',
      operation: 'Update',
      apiVersion,
      subresource: '',
    });
    const oldest = first.get(apiVersion);
    if (oldest === undefined) {
      first.set(apiVersion, identifier);
      continue;
    }
    if (!managers.has(bucket)) {
      const moved = managers.get(oldest)!;
      managers.delete(oldest);
      managers.set(bucket, moved);
    }
    const known = managers.get(bucket)!;
    managers.delete(identifier);
    managers.set(bucket, {
      set: union(set, known.set),
      apiVersion,
      applied: false,
      time,
      sorted: false,
    });
    count -= 1;
  }
  return managers;
}

function groupVersionKind(object: KubeObject): string {
  const apiVersion = object.apiVersion ?? '';
  const groupVersion = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  return `${groupVersion}, Kind=${object.kind ?? ''}`;
}

function described(object: KubeObject): string {
  const { namespace = '', name = '' } = object.metadata ?? {};
  return `${namespace}/${name}; ${groupVersionKind(object)}`;
}
