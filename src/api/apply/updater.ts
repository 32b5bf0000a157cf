import type { JsonObject } from '../objects.ts';
import { compareTyped } from './compare.ts';
import type { Comparison } from './compare.ts';
import { ApplyConflictError } from './errors.ts';
import type { Conflict } from './errors.ts';
import {
  difference,
  eachPath,
  EMPTY_SET,
  intersection,
  isEmptySet,
  recursiveDifference,
  union,
} from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { dropEmpty } from './managed-fields.ts';
import type { ManagedSet, Managers } from './managed-fields.ts';
import { mergeTyped } from './merge.ts';
import type { MergeType } from './merge-type.ts';
import { reconcileSet } from './reconcile.ts';
import { fieldSetOf, removeItems, sameValue, withNamedFields } from './typed-value.ts';

/** A kind as the updater must know it: its versions, and what changes of an object do not count. */
export interface UpdaterKind {
  /** Whether its schemas stay as they are while the server runs. */
  readonly isFixed: boolean;
  /** How objects of a version are merged; undefined for a version that is not served (any more). */
  typeOf(apiVersion: string): MergeType | undefined;
  /** The object in another version; undefined as above, and where only others can tell. Must not change it. */
  convert(object: JsonObject, apiVersion: string): JsonObject | undefined;
  /** What this endpoint does not write, whatever the client sends. */
  resetFields(apiVersion: string): FieldSet;
}

/**
 * Who owns what after an update, and what an object is after an apply. Managers are maps that the caller
 * gives up. Mirrors structured-merge-diff's merge/update.go.
 */
export class Updater {
  readonly #kind: UpdaterKind;

  constructor(kind: UpdaterKind) {
    this.#kind = kind;
  }

  /** After a write of `fresh` over `live`, `self` owns what differs; others lose it. */
  update(live: JsonObject, fresh: JsonObject, version: string, given: Managers, self: string): Managers {
    // The schemas of built-in kinds change with the server alone; an apply looks all the same.
    const managers = this.#kind.isFixed ? given : this.#reconciled(given);
    const own = this.#update(live, fresh, version, managers, self, true);
    const before = managers.get(self)?.set ?? EMPTY_SET;
    const set = this.#filter(union(union(difference(before, own.removed), own.modified), own.added), version);
    if (isEmptySet(set)) managers.delete(self);
    else {
      const { time } = managers.get(self) ?? {};
      managers.set(self, { set, apiVersion: version, applied: false, time, sorted: false });
    }
    return managers;
  }

  /**
   * Merges what `self` applies into `live`; the result is undefined where that changes nothing. Throws
   * ApplyConflictError where others own fields that it would change, unless forced.
   */
  apply(
    live: JsonObject,
    config: JsonObject,
    version: string,
    given: Managers,
    self: string,
    force: boolean,
  ): { object: JsonObject | undefined; managers: Managers } {
    const managers = this.#reconciled(given);
    const type = this.#typeOf(version);
    const last = managers.get(self);
    const set = this.#filter(fieldSetOf(config, type), version);
    managers.set(self, { set, apiVersion: version, applied: true, time: last?.time, sorted: false });
    let object = mergeTyped(live, config, type) as JsonObject;
    object = this.#prune(object, managers, self, last);
    this.#update(live, object, version, managers, self, force);
    return { object: sameValue(live, object) ? undefined : object, managers };
  }

  #typeOf(version: string): MergeType {
    const type = this.#kind.typeOf(version);
    if (!type) throw new Error(`no type for version ${version}`);
    return type;
  }

  #filter(set: FieldSet, version: string): FieldSet {
    return recursiveDifference(set, this.#kind.resetFields(version));
  }

  #compare(live: JsonObject, fresh: JsonObject, version: string): Comparison | undefined {
    const type = this.#kind.typeOf(version);
    const before = this.#kind.convert(live, version);
    const after = this.#kind.convert(fresh, version);
    if (!type || !before || !after) return undefined;
    const { removed, modified, added } = compareTyped(before, after, type);
    return {
      removed: this.#filter(removed, version),
      modified: this.#filter(modified, version),
      added: this.#filter(added, version),
    };
  }

  /** Takes from the other managers what the write changed; returns what it changed in its own version. */
  #update(
    live: JsonObject,
    fresh: JsonObject,
    version: string,
    managers: Managers,
    self: string,
    force: boolean,
  ): Comparison {
    const own = this.#compare(live, fresh, version)!;
    const versions = new Map<string, Comparison | undefined>([[version, own]]);
    const lost = new Map<string, FieldSet>();
    const conflicts: Conflict[] = [];
    for (const [identifier, managed] of managers) {
      if (identifier === self) continue;
      if (!versions.has(managed.apiVersion)) {
        versions.set(managed.apiVersion, this.#compare(live, fresh, managed.apiVersion));
      }
      const compared = versions.get(managed.apiVersion);
      if (!compared) {
        // A version that is served, but that the object cannot be seen in here: its managers stay as they are.
        if (!this.#kind.typeOf(managed.apiVersion)) managers.delete(identifier);
        continue;
      }
      const taken = intersection(managed.set, union(compared.modified, compared.added));
      if (!isEmptySet(taken) && !force) {
        eachPath(taken, (path) => conflicts.push({ manager: identifier, path: [...path] }));
      }
      lost.set(identifier, union(taken, compared.removed));
    }
    if (conflicts.length > 0) throw new ApplyConflictError(conflicts);
    for (const [identifier, gone] of lost) {
      const managed = managers.get(identifier)!;
      const set = difference(managed.set, gone);
      managers.set(identifier, { ...managed, set });
    }
    dropEmpty(managers);
    return own;
  }

  /** Without what the applier owned and no longer applies, unless others own it too. */
  #prune(merged: JsonObject, managers: Managers, self: string, last: ManagedSet | undefined): JsonObject {
    if (!last || isEmptySet(last.set)) return merged;
    const version = last.apiVersion;
    const type = this.#kind.typeOf(version);
    const converted = this.#kind.convert(merged, version);
    if (!type || !converted) return merged;
    const lastNamed = withNamedFields(last.set, type);
    let pruned = asObject(removeItems(converted, lastNamed, type));
    pruned = this.#addBackOwned(converted, pruned, version, managers);
    // Items that were never the applier's stay, too.
    const inMerged = withNamedFields(fieldSetOf(converted, type), type);
    const back = this.#kind.convert(pruned, version) ?? pruned;
    const inPruned = withNamedFields(fieldSetOf(back, type), type);
    const gone = intersection(difference(inMerged, inPruned), lastNamed);
    const result = asObject(removeItems(converted, gone, type));
    return this.#kind.convert(result, managers.get(self)!.apiVersion) ?? result;
  }

  #addBackOwned(merged: JsonObject, pruned: JsonObject, version: string, managers: Managers): JsonObject {
    const owned = new Map<string, FieldSet>([[version, EMPTY_SET]]);
    for (const { set, apiVersion } of managers.values()) {
      owned.set(apiVersion, union(owned.get(apiVersion) ?? EMPTY_SET, set));
    }
    let whole = merged;
    let rest = pruned;
    for (const [each, set] of owned) {
      const type = this.#kind.typeOf(each);
      const wholeThere = this.#kind.convert(whole, each);
      const restThere = this.#kind.convert(rest, each);
      if (!type || !wholeThere || !restThere) continue;
      const kept = union(withNamedFields(fieldSetOf(restThere, type), type), withNamedFields(set, type));
      const gone = difference(withNamedFields(fieldSetOf(wholeThere, type), type), kept);
      whole = wholeThere;
      rest = asObject(removeItems(wholeThere, gone, type));
    }
    return rest;
  }

  /** Sets as they are under the schemas of today; those of versions that are gone stay out. */
  #reconciled(managers: Managers): Managers {
    const result: Managers = new Map();
    for (const [identifier, managed] of managers) {
      const type = this.#kind.typeOf(managed.apiVersion);
      if (!type) continue;
      const set = reconcileSet(managed.set, type);
      result.set(identifier, set === managed.set ? managed : { ...managed, set, sorted: false });
    }
    return result;
  }
}

function asObject(value: unknown): JsonObject {
  return (value ?? {}) as JsonObject;
}
