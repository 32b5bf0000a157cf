import type { TypeProvider } from '../../../cel/environment.ts';
import type { SizeEstimator } from '../../../cel/cost-estimate.ts';
import * as t from '../../../cel/types.ts';
import type { Type } from '../../../cel/types.ts';
import { additionalOf, isEmbedded, isIntOrString, itemsOf } from '../schema-node.ts';
import type { SchemaNode } from '../schema-node.ts';
import { escapeField } from './field-names.ts';

const MAX_REQUEST_BYTES = 3 * 1024 * 1024;

/** What rules know of a value by its schema: its type, and how large it and its parts can be. */
export interface Declared {
  readonly kind: 'list' | 'map' | 'object' | 'simple';
  /** Of a simple value. */
  readonly type: Type;
  readonly fields: ReadonlyMap<string, Declared>;
  readonly element: Declared | undefined;
  readonly key: Declared | undefined;
  readonly maxElements: number;
  /** In bytes of JSON. */
  readonly minSize: number;
}

const NO_FIELDS: ReadonlyMap<string, Declared> = new Map();

function simple(type: Type, minSize: number, maxElements = 0): Declared {
  return {
    kind: 'simple',
    type,
    fields: NO_FIELDS,
    element: undefined,
    key: undefined,
    maxElements,
    minSize,
  };
}

const STRING_KEY = simple(t.STRING, 2);
const BOOL = simple(t.BOOL, 4);
const DOUBLE = simple(t.DOUBLE, 1);
const INT = simple(t.INT, 1);

/** With what every object has, declared or not. */
export function withObjectMeta(node: SchemaNode): SchemaNode {
  const string: SchemaNode = { type: 'string' };
  const { kind, apiVersion, metadata } = node.properties ?? {};
  const { name, generateName } = metadata?.properties ?? {};
  const isWhole =
    kind?.type === 'string' &&
    apiVersion?.type === 'string' &&
    metadata?.type === 'object' &&
    name?.type === 'string' &&
    generateName?.type === 'string';
  if (isWhole) return node;
  const meta: SchemaNode = { type: 'object', properties: { name: string, generateName: string } };
  return {
    ...node,
    type: 'object',
    properties: { ...node.properties, kind: string, apiVersion: string, metadata: meta },
  };
}

/**
 * What rules may know of a value; undefined where they may know nothing, as of what a schema does not
 * describe. Mirrors SchemaDeclType of apiserver pkg/cel/common/schemas.go.
 */
export function declare(given: SchemaNode, isRoot: boolean): Declared | undefined {
  if (isIntOrString(given)) return simple(t.DYN, 1, maxLengthOf(given) ?? MAX_REQUEST_BYTES - 2);
  const node = isRoot ? withObjectMeta(given) : given;
  switch (node.type) {
    case 'array':
      return declareList(node);
    case 'object':
      return additionalOf(node) ? declareMap(node) : declareObject(node);
    case 'string':
      return declareString(node);
    case 'boolean':
      return BOOL;
    case 'number':
      return DOUBLE;
    case 'integer':
      return INT;
    default:
      return undefined;
  }
}

function maxLengthOf({ maxLength }: SchemaNode): number | undefined {
  // A character may be four bytes long.
  return maxLength === undefined ? undefined : Math.max(0, maxLength) * 4;
}

function declareList(node: SchemaNode): Declared | undefined {
  const items = itemsOf(node);
  const element = items && declare(items, isEmbedded(items));
  if (!element) return undefined;
  const maxElements =
    node.maxItems === undefined
      ? Math.floor((MAX_REQUEST_BYTES - 2) / (element.minSize + 1))
      : Math.max(0, node.maxItems);
  return { kind: 'list', type: t.DYN, fields: NO_FIELDS, element, key: undefined, maxElements, minSize: 2 };
}

function declareMap(node: SchemaNode): Declared | undefined {
  const values = additionalOf(node);
  const element = values && declare(values, isEmbedded(values));
  if (!element) return undefined;
  const maxElements =
    node.maxProperties === undefined
      ? Math.floor((MAX_REQUEST_BYTES - 2) / (element.minSize + 6))
      : Math.max(0, node.maxProperties);
  return { kind: 'map', type: t.DYN, fields: NO_FIELDS, element, key: STRING_KEY, maxElements, minSize: 2 };
}

function declareObject(node: SchemaNode): Declared {
  const fields = new Map<string, Declared>();
  let minSize = 2;
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    const declared = declare(property, isEmbedded(property));
    if (!declared) continue;
    const escaped = escapeField(name);
    if (escaped !== undefined) fields.set(escaped, declared);
    // Defaults are filled in by the server: a client need not send them.
    if (node.required?.includes(name) && property.default === undefined)
      minSize += name.length + declared.minSize + 4;
  }
  return { kind: 'object', type: t.DYN, fields, element: undefined, key: undefined, maxElements: 0, minSize };
}

function declareString(node: SchemaNode): Declared {
  switch (node.format) {
    case 'byte':
      return simple(
        t.BYTES,
        2,
        node.maxLength === undefined ? MAX_REQUEST_BYTES - 2 : Math.max(0, node.maxLength),
      );
    case 'duration':
      return simple(t.DURATION, 3, 32);
    case 'date':
      return simple(t.TIMESTAMP, 12, 12);
    case 'date-time':
      return simple(t.TIMESTAMP, 21, 32);
    default: {
      const longest = node.enum?.length
        ? Math.max(0, ...node.enum.map((value) => (typeof value === 'string' ? Buffer.byteLength(value) : 0)))
        : MAX_REQUEST_BYTES - 2;
      return simple(t.STRING, 2, maxLengthOf(node) ?? longest);
    }
  }
}

/** The types of a declared value and of all within it; objects are called by where they are. */
export class DeclaredTypes implements TypeProvider {
  readonly root: Type;
  readonly #objects = new Map<string, ReadonlyMap<string, Type>>();

  constructor(declared: Declared, name: string) {
    this.root = this.#typeOf(declared, name);
  }

  #typeOf(declared: Declared, name: string): Type {
    switch (declared.kind) {
      case 'list':
        return t.listOf(declared.element ? this.#typeOf(declared.element, `${name}.@idx`) : t.DYN);
      case 'map':
        return t.mapOf(t.STRING, declared.element ? this.#typeOf(declared.element, `${name}.@elem`) : t.DYN);
      case 'object': {
        const fields = [...declared.fields].map(
          ([field, each]) => [field, this.#typeOf(each, `${name}.${field}`)] as const,
        );
        this.#objects.set(name, new Map(fields));
        return t.struct(name);
      }
      default:
        return declared.type;
    }
  }

  find(name: string): Type | undefined {
    return this.#objects.has(name) ? t.struct(name) : undefined;
  }

  field(typeName: string, field: string): Type | undefined {
    return this.#objects.get(typeName)?.get(field);
  }
}

/** How large what a rule looks at may be. */
export function sizesOf(root: Declared): SizeEstimator {
  return (path) => {
    if (path.length === 0) return undefined;
    let declared: Declared | undefined = root;
    for (const part of path.slice(1)) {
      if (part === '@items' || part === '@values') declared = declared.element;
      else declared = part === '@keys' ? declared.key : declared.fields.get(part);
      if (!declared) return undefined;
    }
    return { min: 0, max: declared.maxElements };
  };
}

/** How often a value of at least this size can be in one request. */
export function maxCardinality({ minSize }: Declared): number {
  return Math.floor(MAX_REQUEST_BYTES / (minSize + 1));
}
