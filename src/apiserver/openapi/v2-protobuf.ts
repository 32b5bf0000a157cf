import { Writer } from '../../api/protobuf/writer.ts';

type Json = Record<string, unknown>;

/**
 * The OpenAPI v2 document in gnostic's protobuf, the only form that kubectl before 1.27 asks for. Field
 * numbers are those of gnostic-models' openapiv2/OpenAPIv2.proto; only what our documents use is written.
 * The writer works from the end to the start, so the last member of everything is written first.
 */
export function encodeOpenApiV2(document: object): Buffer {
  const { swagger, info, paths, definitions, ...rest } = document as Json;
  const encoder = new Encoder();
  encoder.extensions(16, rest);
  encoder.nested(9, () => encoder.namedSchemas(definitions as Json));
  encoder.nested(8, () => {
    encoder.each(paths as Json, (name, item) => encoder.named(2, name, () => encoder.pathItem(item)));
  });
  encoder.nested(2, () => {
    encoder.text(2, (info as Json).version);
    encoder.text(1, (info as Json).title);
  });
  encoder.text(1, swagger);
  return encoder.finish();
}

const METHODS: ReadonlyArray<[string, number]> = [
  ['patch', 7],
  ['delete', 5],
  ['post', 4],
  ['put', 3],
  ['get', 2],
];

class Encoder {
  readonly #writer = new Writer(1 << 20);

  finish(): Buffer {
    return this.#writer.finish();
  }

  pathItem(item: Json): void {
    this.list(item.parameters, (parameter) => this.nested(9, () => this.parametersItem(parameter as Json)));
    for (const [method, number] of METHODS) {
      const value = item[method];
      if (value) this.nested(number, () => this.operation(value as Json));
    }
  }

  operation(value: Json): void {
    this.extensions(13, value);
    this.list(value.schemes, (scheme) => this.text(10, scheme));
    this.nested(9, () => this.responses(value.responses as Json));
    this.list(value.parameters, (parameter) => this.nested(8, () => this.parametersItem(parameter as Json)));
    this.list(value.consumes, (type) => this.text(7, type));
    this.list(value.produces, (type) => this.text(6, type));
    this.text(5, value.operationId);
  }

  /** ParametersItem{parameter: Parameter{body | nonBody{query | path}}}. */
  parametersItem(value: Json): void {
    const isPath = value.in === 'path';
    const [type, unique] = isPath ? [5, 19] : [6, 20];
    this.nested(1, () => {
      if (value.in === 'body') {
        this.nested(1, () => {
          this.nested(5, () => this.schema(value.schema as Json));
          this.flag(4, value.required);
          this.text(3, 'body');
          this.text(2, value.name);
        });
        return;
      }
      this.nested(2, () =>
        this.nested(isPath ? 4 : 3, () => {
          this.flag(unique, value.uniqueItems);
          this.text(type, value.type);
          this.text(4, value.name);
          this.text(2, value.in);
          this.flag(1, value.required);
        }),
      );
    });
  }

  responses(value: Json): void {
    this.each(value, (code, { description, schema }) =>
      this.named(1, code, () =>
        this.nested(1, () => {
          if (schema) this.nested(2, () => this.nested(1, () => this.schema(schema as Json)));
          this.text(1, description);
        }),
      ),
    );
  }

  namedSchemas(schemas: Json): void {
    this.each(schemas, (name, value) => this.named(1, name, () => this.schema(value)));
  }

  schema(value: Json): void {
    this.extensions(31, value);
    if (value.properties) this.nested(25, () => this.namedSchemas(value.properties as Json));
    this.list(value.allOf, (part) => this.nested(24, () => this.schema(part as Json)));
    if (value.items) this.nested(23, () => this.nested(1, () => this.schema(value.items as Json)));
    if (value.type !== undefined) this.nested(22, () => this.text(1, value.type));
    const more = value.additionalProperties;
    if (typeof more === 'object' && more !== null) {
      this.nested(21, () => this.nested(1, () => this.schema(more as Json)));
    }
    this.list(value.enum, (item) => this.any(20, item));
    this.list(value.required, (name) => this.text(19, name));
    if (value.default !== undefined) this.any(5, value.default);
    this.text(4, value.description);
    this.text(2, value.format);
    this.text(1, value.$ref);
  }

  /** `x-…` members, their values in YAML (of which JSON is a part). */
  extensions(number: number, value: Json): void {
    for (const [name, member] of Object.entries(value).toReversed()) {
      if (!name.startsWith('x-')) continue;
      this.nested(number, () => {
        this.any(2, member);
        this.text(1, name);
      });
    }
  }

  any(number: number, value: unknown): void {
    this.nested(number, () => this.text(2, JSON.stringify(value)));
  }

  /** A message of a name (1) and a value (2). */
  named(number: number, name: string, value: () => void): void {
    this.nested(number, () => {
      this.nested(2, value);
      this.text(1, name);
    });
  }

  each(members: Json, write: (name: string, value: Json) => void): void {
    for (const [name, value] of Object.entries(members).toReversed()) write(name, value as Json);
  }

  list(value: unknown, write: (item: unknown) => void): void {
    if (Array.isArray(value)) for (const item of value.toReversed()) write(item);
  }

  text(number: number, value: unknown): void {
    if (typeof value !== 'string' || value === '') return;
    this.#writer.string(value);
    this.#writer.uint32((number << 3) | 2);
  }

  flag(number: number, value: unknown): void {
    if (value !== true) return;
    this.#writer.byte(1);
    this.#writer.uint32(number << 3);
  }

  nested(number: number, write: () => void): void {
    const before = this.#writer.size;
    write();
    this.#writer.uint32(this.#writer.size - before);
    this.#writer.uint32((number << 3) | 2);
  }
}
