import type { Field, MessageSchema, ScalarKind, Schema } from './schema.ts';

/**
 * One package's messages in a compact text, one line each, that is parsed message by message on first use:
 *
 *     #Name A|B          an enum of strings
 *     +Name [atomic]     a kind (has apiVersion and kind); without '+' a plain message
 *      name number type [flags] [list=…] [keys=…] [atomic|granular] [patch=…] [merge=…] [default=…]
 *
 * Types: '[]' list, '{}' map from strings, '<>' a list that is a message of its own on the wire, '.Name' or
 * '.key:Name' a message, else a scalar with ':goName' and '#enum' where it has one. Flags: '?' omitempty,
 * '0' omitzero, '*' pointer, '!' required, '~' inline, '3' proto3.
 */
export interface SchemaTable {
  /** 'core-v1'. */
  readonly key: string;
  /** undefined where the package belongs to no group of its own (meta/v1, CRI). */
  readonly group: string | undefined;
  readonly version: string;
  readonly goPackage: string;
  readonly openApiPrefix: string;
  readonly text: string;
}

type Resolve = (key: string, name: string) => MessageSchema;
type ResolveEnum = (key: string, name: string) => readonly string[] | undefined;

/** The messages and enums of one table; fields are read when they are first asked for. */
export interface LoadedTable {
  readonly table: SchemaTable;
  readonly messages: ReadonlyMap<string, MessageSchema>;
  readonly enums: ReadonlyMap<string, readonly string[]>;
}

export function loadTable(table: SchemaTable, resolve: Resolve, resolveEnum: ResolveEnum): LoadedTable {
  const messages = new Map<string, MessageSchema>();
  const enums = new Map<string, readonly string[]>();
  let lines: string[] = [];
  for (const line of table.text.split('\n')) {
    if (line.startsWith(' ')) {
      lines.push(line);
    } else if (line.startsWith('#')) {
      const space = line.indexOf(' ');
      enums.set(line.slice(1, space), line.slice(space + 1).split('|'));
    } else if (line !== '') {
      lines = [];
      const [head = '', atomic] = line.split(' ');
      const isKind = head.startsWith('+');
      const name = isKind ? head.slice(1) : head;
      messages.set(
        name,
        new TableMessage(table, name, isKind, atomic === 'atomic', lines, resolve, resolveEnum),
      );
    }
  }
  return { table, messages, enums };
}

const TYPE_META: Omit<Field, 'name'> = {
  number: 0,
  schema: { kind: 'string' },
  inline: false,
  pointer: false,
  omitEmpty: true,
  omitZero: false,
  required: false,
  proto3: false,
};

class TableMessage implements MessageSchema {
  readonly kind = 'message';
  readonly name: string;
  readonly table: SchemaTable;
  readonly isKind: boolean;
  readonly atomic: boolean;
  readonly preserveUnknown = false;
  readonly #lines: readonly string[];
  readonly #resolve: Resolve;
  readonly #resolveEnum: ResolveEnum;
  #own: readonly Field[] | undefined;
  #fields: ReadonlyMap<string, Field> | undefined;

  constructor(
    table: SchemaTable,
    name: string,
    isKind: boolean,
    atomic: boolean,
    lines: readonly string[],
    resolve: Resolve,
    resolveEnum: ResolveEnum,
  ) {
    this.table = table;
    this.name = name;
    this.isKind = isKind;
    this.atomic = atomic;
    this.#lines = lines;
    this.#resolve = resolve;
    this.#resolveEnum = resolveEnum;
  }

  get group(): string | undefined {
    return this.table.group;
  }

  get version(): string {
    return this.table.version;
  }

  get goName(): string {
    return `${this.table.goPackage}.${this.name}`;
  }

  get openApiName(): string {
    return `${this.table.openApiPrefix}.${this.name}`;
  }

  get ownFields(): readonly Field[] {
    this.#own ??= this.#lines.map((line) =>
      parseField(line, this.table.key, this.#resolve, this.#resolveEnum),
    );
    return this.#own;
  }

  get fields(): ReadonlyMap<string, Field> {
    if (this.#fields) return this.#fields;
    const fields = new Map<string, Field>();
    if (this.isKind) {
      fields.set('kind', { ...TYPE_META, name: 'kind' });
      fields.set('apiVersion', { ...TYPE_META, name: 'apiVersion' });
    }
    for (const field of this.ownFields) {
      if (field.inline && field.schema.kind === 'message') {
        for (const [name, inner] of field.schema.fields) fields.set(name, inner);
      } else {
        fields.set(field.name, field);
      }
    }
    this.#fields = fields;
    return fields;
  }
}

interface Attributes {
  list?: string;
  keys?: string;
  patch?: string;
  merge?: string;
  default?: string;
}

function parseField(line: string, key: string, resolve: Resolve, resolveEnum: ResolveEnum): Field {
  const [name = '', number = '', type = '', ...rest] = line.trimStart().split(' ');
  let flags = '';
  let atomic: boolean | undefined;
  const attributes: Record<string, string> = {};
  for (const part of rest) {
    const equals = part.indexOf('=');
    if (equals > 0) attributes[part.slice(0, equals)] = part.slice(equals + 1);
    else if (part === 'atomic' || part === 'granular') atomic = part === 'atomic';
    else flags = part;
  }
  const given: Attributes = attributes;
  return {
    name,
    number: Number(number),
    schema: parseType(type, key, resolve, resolveEnum, { given, atomic: atomic === true }),
    inline: flags.includes('~'),
    pointer: flags.includes('*'),
    omitEmpty: flags.includes('?'),
    omitZero: flags.includes('0'),
    required: flags.includes('!'),
    proto3: flags.includes('3'),
    ...(atomic === undefined ? {} : { atomic }),
    ...(given.patch === undefined ? {} : { patchStrategy: given.patch.split(',') }),
    ...(given.merge === undefined ? {} : { patchMergeKey: given.merge }),
    ...(given.default === undefined ? {} : { default: JSON.parse(given.default) as unknown }),
  };
}

function parseType(
  text: string,
  key: string,
  resolve: Resolve,
  resolveEnum: ResolveEnum,
  outer?: { given: Attributes; atomic: boolean },
): Schema {
  const mark = text.slice(0, 2);
  if (mark === '[]' || mark === '<>') {
    return {
      kind: 'list',
      items: parseType(text.slice(2), key, resolve, resolveEnum),
      wrapped: mark === '<>',
      ...(outer?.given.list === undefined ? {} : { listType: outer.given.list as 'atomic' | 'set' | 'map' }),
      ...(outer?.given.keys === undefined ? {} : { listMapKeys: outer.given.keys.split(',') }),
    };
  }
  if (mark === '{}') {
    const items = parseType(text.slice(2), key, resolve, resolveEnum);
    return { kind: 'map', items, atomic: outer?.atomic ?? false };
  }
  if (text.startsWith('.')) {
    const colon = text.indexOf(':');
    return colon < 0 ? resolve(key, text.slice(1)) : resolve(text.slice(1, colon), text.slice(colon + 1));
  }
  const [, scalar = '', goName, enumName] = /^(\w+)(?::([\w.]+))?(?:#([\w:-]+))?$/.exec(text) ?? [];
  const [enumKey, enumOwn] = enumName?.includes(':') ? enumName.split(':') : [key, enumName];
  const values = enumOwn === undefined ? undefined : resolveEnum(enumKey ?? key, enumOwn);
  return {
    kind: scalar as ScalarKind,
    ...(goName === undefined ? {} : { goName }),
    ...(values === undefined ? {} : { enum: values }),
  };
}

/** The messages of a table that refers to no other, by name: CRI. */
export function messagesOfTable(table: SchemaTable): ReadonlyMap<string, MessageSchema> {
  const messages = new Map<string, MessageSchema>();
  const resolve: Resolve = (key, name) => {
    const found = key === table.key ? messages.get(name) : undefined;
    if (!found) throw new Error(`the table ${table.key} has no message ${name}`);
    return found;
  };
  for (const [name, message] of loadTable(table, resolve, () => undefined).messages)
    messages.set(name, message);
  return messages;
}
