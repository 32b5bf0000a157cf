import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ALSO_RESOURCES,
  MODULES,
  NOT_RESOURCES,
  PACKAGES,
  PLURALS,
  SPECIAL_TYPES,
  type PackageConfig,
} from './config.ts';
import { readGoPackage, type GoField, type GoPackage, type GoType } from './go-types.ts';
import { locateModule, type Module } from './modules.ts';
import { parseProto, type ProtoField, type ProtoMessage } from './proto.ts';

/** The type of a field, as schema tables and TypeScript need it. */
export type TypeModel =
  | { readonly kind: 'list'; readonly items: TypeModel }
  | { readonly kind: 'map'; readonly items: TypeModel }
  | { readonly kind: 'wrapped'; readonly items: TypeModel }
  /** `goName` is the named Go type behind a scalar ('v1.DNSPolicy'); `enum` its constants where it is an +enum. */
  | { readonly kind: 'scalar'; readonly scalar: string; readonly goName?: string; readonly enumOf?: string }
  | { readonly kind: 'message'; readonly package: string; readonly name: string };

export interface FieldModel {
  readonly name: string;
  /** 0 where the field is not on the protobuf wire. */
  readonly number: number;
  readonly type: TypeModel;
  readonly inline: boolean;
  readonly pointer: boolean;
  readonly omitEmpty: boolean;
  readonly omitZero: boolean;
  readonly required: boolean;
  readonly listType: string | undefined;
  readonly listMapKeys: readonly string[];
  /** From +mapType or +structType; undefined where neither is there. */
  readonly atomic: boolean | undefined;
  /** Go's encoder may leave it out. */
  readonly optional: boolean;
  readonly patchStrategy: string | undefined;
  readonly patchMergeKey: string | undefined;
  readonly default: string | undefined;
}

export interface MessageModel {
  readonly name: string;
  readonly fields: FieldModel[];
  /** Has apiVersion and kind. */
  readonly isKind: boolean;
  readonly atomic: boolean;
  readonly resource: { plural: string; namespaced: boolean } | undefined;
}

export interface PackageModel {
  readonly config: PackageConfig;
  readonly module: Module;
  /** Last part of the Go import path: what type names carry in error texts. */
  readonly goPackage: string;
  /** 'io.k8s.api.core.v1': the prefix of OpenAPI names. */
  readonly openApiPrefix: string;
  readonly messages: MessageModel[];
  readonly enums: Map<string, string[]>;
}

interface Source {
  readonly config: PackageConfig;
  readonly module: Module;
  readonly path: string;
  readonly go: GoPackage;
  readonly proto: ReadonlyMap<string, ProtoMessage>;
}

const SCALARS: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'bool',
  int32: 'int32',
  int64: 'int64',
  int: 'int64',
  uint32: 'uint32',
  uint64: 'uint64',
  uint8: 'uint32',
  float64: 'double',
  float32: 'double',
};

/** Reads every package of the configuration and resolves each field's type. */
export function buildModel(): PackageModel[] {
  const sources = PACKAGES.map((config): Source => {
    const module = locateModule(config.module, MODULES[config.module]!);
    const dir = join(module.dir, config.folder);
    const proto = parseProto(readFileSync(join(dir, 'generated.proto'), 'utf8'));
    return {
      config,
      module,
      path: `${config.module}/${config.folder}`,
      go: readGoPackage(dir),
      proto: new Map(proto.messages.map((message) => [message.name, message])),
    };
  });
  const byPath = new Map(sources.map((source) => [source.path, source]));
  return sources.map((source) => buildPackage(source, byPath));
}

function buildPackage(source: Source, byPath: ReadonlyMap<string, Source>): PackageModel {
  const enums = new Map<string, string[]>();
  const messages: MessageModel[] = [];
  for (const type of source.go.types.values()) {
    if (has(type.markers, 'enum')) {
      const values = (source.go.constants.get(type.name) ?? []).map((entry) => entry.value);
      enums.set(type.name, [...new Set(values)].toSorted());
    }
    if (isMessage(source, type)) messages.push(buildMessage(source, type, byPath));
  }
  messages.sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    config: source.config,
    module: source.module,
    goPackage: source.path.split('/').at(-1)!,
    openApiPrefix: `io.k8s.${source.path.slice('k8s.io/'.length).replaceAll('/', '.')}`,
    messages,
    enums,
  };
}

function isMessage(source: Source, type: GoType): boolean {
  if (type.underlying !== undefined || `${source.path}.${type.name}` in SPECIAL_TYPES) return false;
  return source.proto.has(type.name) || type.fields.some((field) => field.tags.has('json'));
}

function buildMessage(source: Source, type: GoType, byPath: ReadonlyMap<string, Source>): MessageModel {
  const proto = source.proto.get(type.name);
  const isKind = type.fields.some((field) => /(^|\.)TypeMeta$/.test(field.type) && isInline(field));
  const fields: FieldModel[] = [];
  for (const field of type.fields) {
    if (/(^|\.)TypeMeta$/.test(field.type) || field.tags.get('json') === '-' || !field.tags.has('json'))
      continue;
    fields.push(buildField(source, type, field, proto, byPath));
  }
  const isResource =
    (has(type.markers, 'genclient') || ALSO_RESOURCES.has(type.name)) && !NOT_RESOURCES.has(type.name);
  const plural = isResource && !has(type.markers, 'genclient:noVerbs') ? pluralOf(type) : undefined;
  return {
    name: type.name,
    fields,
    isKind,
    atomic: has(type.markers, 'structType', 'atomic'),
    resource:
      plural === undefined
        ? undefined
        : { plural, namespaced: !has(type.markers, 'genclient:nonNamespaced') },
  };
}

function buildField(
  source: Source,
  owner: GoType,
  field: GoField,
  proto: ProtoMessage | undefined,
  byPath: ReadonlyMap<string, Source>,
): FieldModel {
  const [jsonName = '', ...options] = (field.tags.get('json') ?? '').split(',');
  const inline = isInline(field);
  const protoName = /name=(\w+)/.exec(field.tags.get('protobuf') ?? '')?.[1];
  const fallback = jsonName || field.name.charAt(0).toLowerCase() + field.name.slice(1);
  const wire = proto?.fields.find((entry) => entry.name === (protoName ?? fallback));
  if (proto && !wire && !has(field.markers, 'protobuf')) {
    process.stderr.write(`${source.config.key} ${owner.name}.${field.name} is not on the wire\n`);
  }
  const pointer = field.type.startsWith('*');
  const omitEmpty = options.includes('omitempty');
  const omitZero = options.includes('omitzero');
  const optional = omitEmpty || omitZero || has(field.markers, 'optional') || inline;
  return {
    name: jsonName || protoName || fallback,
    number: wire?.number ?? 0,
    type: resolve(source, owner, field.type.replace(/^\*/, ''), wire, byPath),
    inline,
    pointer,
    omitEmpty,
    omitZero,
    required: !optional || has(field.markers, 'required'),
    optional,
    listType: valueOf(field.markers, 'listType'),
    listMapKeys: field.markers.filter(([name]) => name === 'listMapKey').map(([, value]) => value),
    atomic: atomicity(field.markers),
    patchStrategy: field.tags.get('patchStrategy'),
    patchMergeKey: field.tags.get('patchMergeKey'),
    default: valueOf(field.markers, 'default'),
  };
}

function isInline(field: GoField): boolean {
  const [name, ...options] = (field.tags.get('json') ?? '').split(',');
  return options.includes('inline') || (name === '' && has(field.markers, 'embedded'));
}

function resolve(
  source: Source,
  owner: GoType,
  goType: string,
  wire: ProtoField | undefined,
  byPath: ReadonlyMap<string, Source>,
): TypeModel {
  if (goType === '[]byte') return { kind: 'scalar', scalar: 'bytes' };
  if (goType.startsWith('[]')) {
    return { kind: 'list', items: resolve(source, owner, goType.slice(2).replace(/^\*/, ''), wire, byPath) };
  }
  const map = /^map\[[\w.]+\](.+)$/.exec(goType);
  if (map) return { kind: 'map', items: resolve(source, owner, map[1]!.replace(/^\*/, ''), wire, byPath) };
  if (goType in SCALARS) return { kind: 'scalar', scalar: SCALARS[goType]! };
  const [path, name] = qualify(source, owner, goType);
  const special = SPECIAL_TYPES[`${path}.${name}`];
  if (special !== undefined) return { kind: 'scalar', scalar: special };
  return resolveNamed(source, path, name, wire, byPath);
}

function resolveNamed(
  source: Source,
  path: string,
  name: string,
  wire: ProtoField | undefined,
  byPath: ReadonlyMap<string, Source>,
): TypeModel {
  const target = byPath.get(path);
  const type = target?.go.types.get(name);
  const goName = `${path.split('/').at(-1)}.${name}`;
  if (!target || !type) {
    if (path === 'k8s.io/apimachinery/pkg/types') return { kind: 'scalar', scalar: 'string', goName };
    throw new Error(`${source.config.key}: no type ${path}.${name}`);
  }
  if (type.underlying === undefined) return { kind: 'message', package: target.config.key, name };
  const underlying = resolve(target, type, type.underlying, wire, byPath);
  if (underlying.kind === 'scalar') {
    const enumOf = has(type.markers, 'enum') ? `${target.config.key}:${name}` : undefined;
    return {
      ...underlying,
      goName: underlying.goName ?? goName,
      ...(enumOf === undefined ? {} : { enumOf }),
    };
  }
  // A named slice is a message of its own on the wire, with the items in field 1 (ExtraValue, Verbs).
  if (underlying.kind === 'list' && target.proto.has(name))
    return { kind: 'wrapped', items: underlying.items };
  return underlying;
}

function qualify(source: Source, owner: GoType, goType: string): [string, string] {
  const [first = '', second] = goType.split('.');
  if (second === undefined) return [source.path, first];
  const path = owner.imports.get(first);
  if (path === undefined) throw new Error(`${source.config.key} ${owner.name}: no import ${first}`);
  return [path, second];
}

function pluralOf(type: GoType): string {
  const named = valueOf(type.markers, 'resourceName');
  if (named !== undefined) return named;
  const fixed = PLURALS[type.name];
  if (fixed !== undefined) return fixed;
  const singular = type.name.toLowerCase();
  if (/(s|x|ch|sh)$/.test(singular)) return `${singular}es`;
  if (/[^aeiou]y$/.test(singular)) return `${singular.slice(0, -1)}ies`;
  return `${singular}s`;
}

type Markers = ReadonlyArray<readonly [string, string]>;

function has(markers: Markers, name: string, value?: string): boolean {
  return markers.some((marker) => marker[0] === name && (value === undefined || marker[1] === value));
}

/** Whether a marker says that a map or struct is replaced as a whole (true) or by its parts (false). */
function atomicity(markers: Markers): boolean | undefined {
  const type = valueOf(markers, 'mapType') ?? valueOf(markers, 'structType');
  return type === undefined ? undefined : type === 'atomic';
}

function valueOf(markers: Markers, name: string): string | undefined {
  return markers.find((marker) => marker[0] === name)?.[1];
}
