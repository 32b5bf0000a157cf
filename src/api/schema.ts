import { TABLES } from './gen/schemas.ts';
import { loadTable, type LoadedTable, type SchemaTable } from './schema-table.ts';

/**
 * A value's type, as every codec, check, patch and document of the API needs it. Built-in kinds come from the
 * generated tables, custom ones from their OpenAPI schema; nothing about a field is written twice.
 */
export type Schema = MessageSchema | ListSchema | MapSchema | ScalarSchema;

/**
 * Scalars in their JSON form: `bytes` base64, `buffer` a Buffer (CRI), `time` RFC 3339 in seconds, `microTime`
 * RFC 3339 in microseconds, `duration` as Go prints it ('1m30s'), `rawExtension` and `fieldsV1` any object,
 * `json` any value, `schemaOr…` the unions of apiextensions' JSONSchemaProps.
 */
export type ScalarKind =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'uint32'
  | 'uint64'
  | 'double'
  | 'bytes'
  | 'buffer'
  | 'time'
  | 'microTime'
  | 'duration'
  | 'quantity'
  | 'intOrString'
  | 'rawExtension'
  | 'fieldsV1'
  | 'json'
  | 'schemaOrArray'
  | 'schemaOrBool'
  | 'schemaOrStrings';

export interface ScalarSchema {
  readonly kind: ScalarKind;
  /** The named Go type, for error texts: 'v1.DNSPolicy'. */
  readonly goName?: string;
  readonly enum?: readonly string[];
}

export interface ListSchema {
  readonly kind: 'list';
  readonly items: Schema;
  /** A message of its own on the protobuf wire, with the items in field 1. */
  readonly wrapped?: boolean;
  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
}

export interface MapSchema {
  readonly kind: 'map';
  readonly items: Schema;
  /** Replaced as a whole by apply. */
  readonly atomic?: boolean;
}

export interface MessageSchema {
  readonly kind: 'message';
  readonly name: string;
  /** 'v1.PodSpec', for error texts. */
  readonly goName: string;
  /** 'io.k8s.api.core.v1.PodSpec'. */
  readonly openApiName: string;
  /** Of the package that defines it; no group for meta/v1 and CRI. */
  readonly group: string | undefined;
  readonly version: string;
  /** Whether it has apiVersion and kind. */
  readonly isKind: boolean;
  /** Replaced as a whole by apply. */
  readonly atomic: boolean;
  /** Whether fields that are not listed are kept (custom resources). */
  readonly preserveUnknown: boolean;
  /** Fields as the protobuf message has them: an inlined message is one field. */
  readonly ownFields: readonly Field[];
  /** Fields as JSON has them: those of inlined messages among their holder's; apiVersion and kind of kinds. */
  readonly fields: ReadonlyMap<string, Field>;
}

export interface Field {
  /** JSON name (that of the proto field for an inlined message). */
  readonly name: string;
  /** Protobuf number; 0 where it is not on the wire. */
  readonly number: number;
  readonly schema: Schema;
  readonly inline: boolean;
  /** May be absent apart from being zero. */
  readonly pointer: boolean;
  readonly omitEmpty: boolean;
  readonly omitZero: boolean;
  /** Required in OpenAPI. */
  readonly required: boolean;
  /** Written and filled by the rules of proto3 (CRI). */
  readonly proto3: boolean;
  /** Replaced as a whole by apply (true) or part by part (false), whatever its type says. */
  readonly atomic?: boolean;
  readonly patchStrategy?: readonly string[];
  readonly patchMergeKey?: string;
  readonly default?: unknown;
}

/** Kinds of meta/v1 that every group and version serves. */
const IN_EVERY_GROUP: ReadonlySet<string> = new Set([
  'CreateOptions',
  'DeleteOptions',
  'GetOptions',
  'ListOptions',
  'PatchOptions',
  'UpdateOptions',
  'WatchEvent',
]);

/** Kinds of meta/v1 that are served as plain 'v1'. */
const IN_CORE: ReadonlySet<string> = new Set([
  'APIGroup',
  'APIGroupList',
  'APIResourceList',
  'APIVersions',
  'List',
  'Status',
]);

const tables = new Map<string, SchemaTable>(TABLES.map((table) => [table.key, table]));
const tableOfGroupVersion = new Map<string, SchemaTable>(
  TABLES.filter((table) => table.group !== undefined).map((table) => [
    `${table.group}/${table.version}`,
    table,
  ]),
);
const loaded = new Map<string, LoadedTable>();

function load(key: string): LoadedTable | undefined {
  const ready = loaded.get(key);
  if (ready) return ready;
  const table = tables.get(key);
  if (!table) return undefined;
  const fresh = loadTable(table, mustFind, (enumKey, name) => load(enumKey)?.enums.get(name));
  loaded.set(key, fresh);
  return fresh;
}

function mustFind(key: string, name: string): MessageSchema {
  const found = load(key)?.messages.get(name);
  if (!found) throw new Error(`the schema tables have no message ${name} in ${key}`);
  return found;
}

/** A message by the key of its table and its name: ('meta-v1', 'ObjectMeta'). */
export function schemaForMessage(key: string, name: string): MessageSchema | undefined {
  return load(key)?.messages.get(name);
}

/** The schema of a built-in kind (lists, options and Status included), or undefined. */
export function schemaForKind(group: string, version: string, kind: string): MessageSchema | undefined {
  const table = tableOfGroupVersion.get(`${group}/${version}`);
  const own = table === undefined ? undefined : load(table.key)?.messages.get(kind);
  if (own?.isKind) return own;
  const isMeta = group === 'meta.k8s.io' && version === 'v1';
  if (isMeta || IN_EVERY_GROUP.has(kind) || (group === '' && version === 'v1' && IN_CORE.has(kind))) {
    return schemaForMessage('meta-v1', kind);
  }
  return undefined;
}

/** All messages of a served group and version; empty where it is not built in. */
export function messagesOf(group: string, version: string): readonly MessageSchema[] {
  const table = tableOfGroupVersion.get(`${group}/${version}`);
  return table === undefined ? [] : [...load(table.key)!.messages.values()];
}

/** The groups and versions with built-in kinds. */
export function builtInGroupVersions(): ReadonlyArray<{ group: string; version: string }> {
  return TABLES.flatMap(({ group, version }) => (group === undefined ? [] : [{ group, version }]));
}
