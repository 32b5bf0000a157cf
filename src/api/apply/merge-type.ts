import type { Field, ListSchema, MessageSchema, Schema } from '../schema.ts';

/**
 * How a value is merged and owned: as one (a scalar, an atomic list or map), or part by part. A value of no
 * known type may be any of the three, and what it is decides. Mirrors structured-merge-diff's schema/elements.go
 * and what kube-openapi's pkg/schemaconv makes of an OpenAPI schema.
 */
export interface MergeType {
  readonly scalar?: 'numeric' | 'string' | 'boolean' | 'untyped' | undefined;
  readonly list?: MergeList | undefined;
  readonly map?: MergeMap | undefined;
}

export interface MergeList {
  readonly atomic: boolean;
  /** Of a list whose items are told apart by keys; none for a set of scalars. */
  readonly keys: readonly string[];
  readonly items: MergeType;
}

export interface MergeMap {
  readonly atomic: boolean;
  readonly fields: ReadonlyMap<string, MergeField>;
  /** Fields that Go writes as null where they are not set: they are owned with the struct that has them. */
  readonly nulls?: readonly string[];
  /** Of what is no field; undefined where there may be nothing else. */
  readonly elements: MergeType | undefined;
}

export interface MergeField {
  readonly type: MergeType;
  readonly default?: unknown;
}

const NO_FIELDS: ReadonlyMap<string, MergeField> = new Map();

/** Anything, replaced as a whole. */
export const UNTYPED_ATOMIC: MergeType = {
  scalar: 'untyped',
  get list() {
    return { atomic: true, keys: [], items: UNTYPED_ATOMIC };
  },
  get map() {
    return { atomic: true, fields: NO_FIELDS, elements: UNTYPED_ATOMIC };
  },
};

const DEDUCED_LIST: MergeList = { atomic: true, keys: [], items: UNTYPED_ATOMIC };

/** Anything; objects are merged field by field. */
export const DEDUCED: MergeType = {
  scalar: 'untyped',
  list: DEDUCED_LIST,
  get map() {
    return DEDUCED_MAP;
  },
};
const DEDUCED_MAP: MergeMap = { atomic: false, fields: NO_FIELDS, elements: DEDUCED };
const OBJECT: MergeType = { map: DEDUCED_MAP };

const SCALARS: Readonly<Record<string, MergeType>> = {
  string: { scalar: 'string' },
  bytes: { scalar: 'string' },
  duration: { scalar: 'string' },
  bool: { scalar: 'boolean' },
  int32: { scalar: 'numeric' },
  int64: { scalar: 'numeric' },
  uint32: { scalar: 'numeric' },
  uint64: { scalar: 'numeric' },
  double: { scalar: 'numeric' },
  time: { scalar: 'untyped' },
  microTime: { scalar: 'untyped' },
  quantity: { scalar: 'untyped' },
  intOrString: DEDUCED,
  rawExtension: UNTYPED_ATOMIC,
  fieldsV1: OBJECT,
  json: DEDUCED,
  schemaOrArray: DEDUCED,
  schemaOrBool: DEDUCED,
  schemaOrStrings: DEDUCED,
};

const ZEROS: Readonly<Record<string, unknown>> = {
  string: '',
  bool: false,
  int32: 0,
  int64: 0,
  uint32: 0,
  uint64: 0,
  double: 0,
};

const ofMessage = new WeakMap<MessageSchema, MergeType>();
const ofAtomicMessage = new WeakMap<MessageSchema, MergeType>();

/** How objects of a built-in kind are merged. */
export function mergeTypeOf(schema: MessageSchema): MergeType {
  return messageType(schema, schema.atomic);
}

function messageType(schema: MessageSchema, atomic: boolean): MergeType {
  const cache = atomic ? ofAtomicMessage : ofMessage;
  let type = cache.get(schema);
  if (!type) {
    type = new MessageType(schema, atomic);
    cache.set(schema, type);
  }
  return type;
}

/** Reads its fields when they are first asked for: some messages hold themselves. */
class MessageType implements MergeType {
  readonly #schema: MessageSchema;
  readonly #atomic: boolean;
  #map: MergeMap | undefined;

  constructor(schema: MessageSchema, atomic: boolean) {
    this.#schema = schema;
    this.#atomic = atomic;
  }

  get map(): MergeMap {
    if (!this.#map) {
      const fields = new Map<string, MergeField>();
      for (const field of this.#schema.fields.values()) {
        const fallback = defaultOf(field);
        const type = fieldType(field);
        fields.set(field.name, fallback === undefined ? { type } : { type, default: fallback });
      }
      const open = this.#schema.preserveUnknown || fields.size === 0;
      const nulls = [...this.#schema.fields.values()].filter(isWrittenAsNull).map(({ name }) => name);
      const elements = open ? DEDUCED : undefined;
      this.#map = { atomic: this.#atomic, fields, elements, ...(nulls.length > 0 ? { nulls } : {}) };
    }
    return this.#map;
  }
}

/** Times are structs, which omitempty does not leave out. */
function isWrittenAsNull({ schema, pointer, omitZero }: Field): boolean {
  return (schema.kind === 'time' || schema.kind === 'microTime') && !pointer && !omitZero;
}

/** What the OpenAPI schema names as default: a key that is left out counts as this. */
function defaultOf(field: Field): unknown {
  if (field.default !== undefined) return field.default;
  return !field.omitEmpty && !field.pointer ? ZEROS[field.schema.kind] : undefined;
}

function fieldType(field: Field): MergeType {
  const { schema, atomic } = field;
  if (schema.kind === 'message') return messageType(schema, atomic ?? schema.atomic);
  if (schema.kind === 'list') return { list: listOf(schema, field) };
  if (schema.kind === 'map') {
    const elements = valueType(schema.items);
    return { map: { atomic: atomic ?? schema.atomic ?? false, fields: NO_FIELDS, elements } };
  }
  return valueType(schema);
}

function listOf(schema: ListSchema, field: Field): MergeList {
  const items = valueType(schema.items);
  if (schema.listType !== undefined) {
    const keys = schema.listType === 'map' ? (schema.listMapKeys ?? []) : [];
    return { atomic: schema.listType === 'atomic', keys, items };
  }
  if (!field.patchStrategy?.includes('merge')) return { atomic: true, keys: [], items };
  return { atomic: false, keys: field.patchMergeKey === undefined ? [] : [field.patchMergeKey], items };
}

function valueType(schema: Schema): MergeType {
  switch (schema.kind) {
    case 'message':
      return mergeTypeOf(schema);
    case 'list':
      return {
        list: {
          atomic: schema.listType === undefined || schema.listType === 'atomic',
          keys: schema.listType === 'map' ? (schema.listMapKeys ?? []) : [],
          items: valueType(schema.items),
        },
      };
    case 'map':
      return {
        map: { atomic: schema.atomic ?? false, fields: NO_FIELDS, elements: valueType(schema.items) },
      };
    default:
      return SCALARS[schema.kind] ?? DEDUCED;
  }
}

/** Which of a type's forms a value has; what says nothing (null) takes the first that the type offers. */
export function formOf(type: MergeType, value: unknown): 'scalar' | 'list' | 'map' {
  if (Array.isArray(value)) {
    if (type.list) return 'list';
  } else if (typeof value === 'object' && value !== null) {
    if (type.map) return 'map';
  } else if (value !== undefined && value !== null && type.scalar) {
    return 'scalar';
  }
  return type.map ? 'map' : type.scalar ? 'scalar' : 'list';
}

/** The type of a member of a map; undefined for one that may not be there. */
export function memberType(map: MergeMap, name: string): MergeType | undefined {
  return map.fields.get(name)?.type ?? map.elements;
}
