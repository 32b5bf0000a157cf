import { isObject } from '../objects.ts';
import { isEmptySet, sameSet, sortedSet } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { ApplyError } from './errors.ts';
import { canonicalElement } from './path-element.ts';

/** One entry of metadata.managedFields. */
export interface ManagedFieldsEntry {
  manager?: string;
  operation?: string;
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: FieldSet;
  subresource?: string;
}

/** What one manager owns, in one version of the kind. */
export interface ManagedSet {
  readonly set: FieldSet;
  readonly apiVersion: string;
  readonly applied: boolean;
  readonly time: string | undefined;
  /** Whether the set has the order in which it is written: what was read has. */
  readonly sorted: boolean;
}

/** All managers of an object by identifier. */
export type Managers = Map<string, ManagedSet>;

export interface ManagerInfo {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
}

/**
 * What makes two entries one manager's: name, operation, subresource and, for updates, the version. It is
 * JSON in upstream's order of members, by which conflicts are sorted.
 */
export function managerIdentifier({ manager, operation, apiVersion, subresource }: ManagerInfo): string {
  const parts: Record<string, string> = {};
  if (manager !== '') parts.manager = manager;
  parts.operation = operation;
  if (operation === 'Update' && apiVersion !== '') parts.apiVersion = apiVersion;
  if (subresource !== '') parts.subresource = subresource;
  return JSON.stringify(parts);
}

/** Reads metadata.managedFields as the server wrote it. Throws ApplyError. */
export function decodeManagers(entries: readonly unknown[]): Managers {
  const managers: Managers = new Map();
  for (const [index, value] of entries.entries()) {
    const entry = (isObject(value) ? value : {}) as ManagedFieldsEntry;
    const { operation, apiVersion = '', fieldsType = '' } = entry;
    if (operation !== 'Apply' && operation !== 'Update') {
      throw new ApplyError(400, 'operation must be `Apply` or `Update`');
    }
    if (apiVersion === '') throw new ApplyError(400, 'apiVersion must not be empty');
    if (fieldsType === '') throw new ApplyError(400, `missing fieldsType in managed fields entry ${index}`);
    if (fieldsType !== 'FieldsV1') {
      const shown = JSON.stringify(fieldsType);
      throw new ApplyError(400, `invalid fieldsType ${shown} in managed fields entry ${index}`);
    }
    const { manager = '', subresource = '' } = entry;
    managers.set(managerIdentifier({ manager, operation, apiVersion, subresource }), {
      set: isObject(entry.fieldsV1) ? entry.fieldsV1 : {},
      apiVersion,
      applied: operation === 'Apply',
      time: entry.time,
      sorted: true,
    });
  }
  return managers;
}

/**
 * The same for entries that a client sent, whose paths may be written in other ways; most are what it read,
 * and then `known`, the server's own, says it already. Throws ApplyError.
 */
export function decodeForeignManagers(entries: readonly unknown[], known: Managers): Managers {
  const managers = decodeManagers(entries);
  for (const [identifier, managed] of managers) {
    const own = known.get(identifier);
    if (own?.apiVersion === managed.apiVersion && sameSet(own.set, managed.set)) {
      managers.set(identifier, { ...managed, set: own.set });
      continue;
    }
    try {
      managers.set(identifier, { ...managed, set: canonicalSet(managed.set), sorted: false });
    } catch (error) {
      throw new ApplyError(400, 'error decoding set: parsing key as path element', error);
    }
  }
  return managers;
}

function canonicalSet(set: unknown): FieldSet {
  if (!isObject(set)) return {};
  const out: Record<string, FieldSet> = {};
  for (const [key, value] of Object.entries(set)) {
    if (key === '.') {
      out['.'] = {};
      continue;
    }
    const element = canonicalElement(key);
    if (element !== undefined) out[element] = canonicalSet(value);
  }
  return out;
}

/** metadata.managedFields of these managers, sorted as upstream; undefined where nobody owns anything. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] | undefined {
  const entries: ManagedFieldsEntry[] = [];
  for (const [identifier, { set, apiVersion, applied, time, sorted }] of managers) {
    const { manager, operation, subresource } = JSON.parse(identifier) as ManagedFieldsEntry;
    const entry: ManagedFieldsEntry = {};
    if (manager !== undefined) entry.manager = manager;
    entry.operation = applied ? 'Apply' : (operation ?? 'Update');
    entry.apiVersion = apiVersion;
    if (time !== undefined) entry.time = time;
    entry.fieldsType = 'FieldsV1';
    entry.fieldsV1 = sorted ? set : sortedSet(set);
    if (subresource !== undefined) entry.subresource = subresource;
    entries.push(entry);
  }
  return entries.length === 0 ? undefined : entries.sort(compareEntries);
}

function compareEntries(a: ManagedFieldsEntry, b: ManagedFieldsEntry): number {
  return (
    compare(a.operation, b.operation) ||
    seconds(a.time) - seconds(b.time) ||
    compare(a.manager, b.manager) ||
    compare(a.apiVersion, b.apiVersion) ||
    compare(a.subresource, b.subresource)
  );
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function seconds(time: string | undefined): number {
  return time === undefined ? 0 : Math.floor(Date.parse(time) / 1000);
}

/** Drops managers that own nothing. */
export function dropEmpty(managers: Managers): Managers {
  for (const [identifier, { set }] of managers) if (isEmptySet(set)) managers.delete(identifier);
  return managers;
}
