import { schemaForMessage, type MessageSchema, type Schema } from '../../../src/api/schema.ts';

/**
 * Valid objects with as many fields set as can be. What the schema says of a field gives its value; what it cannot
 * say (formats, references, fields that exclude each other) stands in rules, by the message's name.
 */
export interface Rule {
  /** Values of fields; undefined leaves one out. */
  fields?: Values;
  /** Values that exclude each other: a list gets an item of each, elsewhere each variant of the object gets one. */
  either?: readonly Values[];
}

export type Values = Readonly<Record<string, unknown>>;

/** Where a value goes, for those that depend on it: a value that is a function is called with this. */
export interface Place {
  /** The kind of the whole object. */
  root: string;
  /** Names of the fields on the way here, without positions: `spec.containers.env`. */
  path: string;
  variant: number;
  /** The variant and the positions in lists, so that neighbours differ. */
  seed: number;
}

/** By `Message` or, where two groups have one of a name, by `group/Message`. */
export type Rules = Readonly<Record<string, Rule>>;

/** Which fields of which messages were set, as `Message.field`. */
export type Covered = Set<string>;

/** The alternatives of a union: of its members one is set and the others are not. */
export function oneOf(members: readonly string[], more: (member: string) => Values = () => ({})): Values[] {
  return members.map((chosen) => ({
    ...Object.fromEntries(members.filter((other) => other !== chosen).map((other) => [other, undefined])),
    ...more(chosen),
  }));
}

export function kebab(name: string): string {
  return name
    .replace(/^[$]|[^A-Za-z0-9]+/g, '-')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/^-|-$/g, '')
    .toLowerCase();
}

const MOST_VARIANTS = 40;

/** The variants of a kind, each with what it sets. */
export function maximalVariants(
  schema: MessageSchema,
  root: string,
  rules: Rules,
): Array<{ object: Record<string, unknown>; covered: Covered }> {
  const variants: Array<{ object: Record<string, unknown>; covered: Covered }> = [];
  let wanted = 1;
  for (let variant = 0; variant < wanted && variant < MOST_VARIANTS; variant++) {
    const generator = new Generator(rules);
    const object = generator.message(schema, { root, path: '', variant, seed: variant }, [], undefined);
    wanted = Math.max(wanted, generator.variants);
    variants.push({ object, covered: generator.covered });
  }
  return variants;
}

class Generator {
  readonly covered: Covered = new Set();
  /** Alternatives that one object cannot have at once. */
  variants = 1;
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  message(
    schema: MessageSchema,
    place: Place,
    above: readonly string[],
    chosen: Values | undefined,
  ): Record<string, unknown> {
    const rule = this.#rule(schema);
    const { either } = rule;
    if (either && !chosen) this.variants = Math.max(this.variants, either.length);
    const values: Values = { ...rule.fields, ...(chosen ?? either?.[place.seed % either.length]) };
    const object: Record<string, unknown> = {};
    for (const [name, field] of schema.fields) {
      if (name === 'apiVersion' && above.length === 0) continue;
      if (name === 'kind' && above.length === 0) continue;
      const path = place.path === '' ? name : `${place.path}.${name}`;
      const at = { ...place, path };
      const given = values[name];
      const value = Object.hasOwn(values, name)
        ? typeof given === 'function'
          ? (given as (at: Place) => unknown)(at)
          : given
        : this.#value(field.schema, name, at, [...above, schema.name]);
      if (value === undefined) continue;
      this.#cover(schema, name, field.schema, value);
      object[name] = value;
    }
    return object;
  }

  /** What a rule gives as a whole covers what is in it too. */
  #cover(schema: MessageSchema, name: string, inner: Schema, value: unknown): void {
    this.covered.add(`${schema.goName}.${name}`);
    if (inner.kind === 'list' && Array.isArray(value))
      for (const item of value) this.#coverIn(inner.items, item);
    else if (inner.kind === 'map' && isObject(value)) {
      for (const item of Object.values(value)) this.#coverIn(inner.items, item);
    } else this.#coverIn(inner, value);
  }

  #coverIn(schema: Schema, value: unknown): void {
    if (schema.kind !== 'message' || !isObject(value)) return;
    for (const [name, item] of Object.entries(value)) {
      const field = schema.fields.get(name);
      if (field) this.#cover(schema, name, field.schema, item);
    }
  }

  #rule(schema: MessageSchema): Rule {
    return this.#rules[`${schema.group}/${schema.name}`] ?? this.#rules[schema.name] ?? {};
  }

  #value(schema: Schema, name: string, place: Place, above: readonly string[]): unknown {
    if (schema.kind === 'message') {
      return above.includes(schema.name) ? undefined : this.message(schema, place, above, undefined);
    }
    if (schema.kind === 'list') return this.#list(schema.items, name, place, above);
    if (schema.kind === 'map') {
      const item = this.#value(schema.items, name, place, above);
      return item === undefined ? undefined : { [`key-${kebab(name)}`]: item };
    }
    return this.#scalar(schema, name, place, above);
  }

  #list(items: Schema, name: string, place: Place, above: readonly string[]): unknown {
    const either = items.kind === 'message' ? this.#rule(items).either : undefined;
    if (items.kind !== 'message' || !either) {
      const item = this.#value(items, name, place, above);
      return item === undefined ? undefined : [item];
    }
    if (above.includes(items.name)) return undefined;
    return either.map((chosen, index) =>
      this.message(items, { ...place, seed: place.seed + index }, above, chosen),
    );
  }

  #scalar(schema: Schema, name: string, place: Place, above: readonly string[]): unknown {
    switch (schema.kind) {
      case 'bool':
        return true;
      case 'int32':
      case 'uint32':
      case 'int64':
      case 'uint64':
        return 3;
      case 'double':
        return 1.5;
      case 'bytes':
        return Buffer.from(name).toString('base64');
      case 'time':
        return '2026-01-02T03:04:05Z';
      case 'microTime':
        return '2026-01-02T03:04:05.000006Z';
      case 'duration':
        return '1h2m3s';
      case 'quantity':
        return '1Gi';
      case 'intOrString':
        return 2;
      case 'rawExtension':
      case 'fieldsV1':
      case 'json':
        return { of: name };
      case 'schemaOrArray':
      case 'schemaOrBool':
      case 'schemaOrStrings': {
        const props = schemaForMessage('apiextensions-v1', 'JSONSchemaProps')!;
        return above.includes(props.name) ? undefined : this.message(props, place, above, undefined);
      }
      default:
        return ofEnum(schema) ?? kebab(name);
    }
  }
}

function ofEnum(schema: Schema): string | undefined {
  return 'enum' in schema ? schema.enum?.find((value) => value !== '') : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
