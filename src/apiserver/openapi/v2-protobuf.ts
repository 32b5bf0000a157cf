/**
 * The OpenAPI v2 document in gnostic's protobuf, the only form that kubectl before 1.27 asks for. Field
 * numbers are those of gnostic-models' openapiv2/OpenAPIv2.proto; only what our documents use is written.
 */
export function encodeOpenApiV2(document: object): Buffer {
  const { swagger, info, paths, definitions, ...rest } = document as Json;
  return message(
    text(1, swagger),
    nested(2, message(text(1, (info as Json).title), text(2, (info as Json).version))),
    nested(
      8,
      message(...Object.entries(paths as Json).map(([name, item]) => named(2, name, pathItem(item as Json)))),
    ),
    nested(9, namedSchemas(definitions as Json)),
    ...extensions(16, rest),
  );
}

type Json = Record<string, unknown>;

const METHODS: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, patch: 7 };

function pathItem(item: Json): Buffer {
  const parts: Buffer[] = [];
  for (const [method, number] of Object.entries(METHODS)) {
    if (item[method]) parts.push(nested(number, operation(item[method] as Json)));
  }
  for (const parameter of list(item.parameters)) parts.push(nested(9, parametersItem(parameter)));
  return message(...parts);
}

function operation(value: Json): Buffer {
  return message(
    text(5, value.operationId),
    ...list<string>(value.produces).map((type) => text(6, type)),
    ...list<string>(value.consumes).map((type) => text(7, type)),
    ...list(value.parameters).map((parameter) => nested(8, parametersItem(parameter))),
    nested(9, responses(value.responses as Json)),
    ...list<string>(value.schemes).map((scheme) => text(10, scheme)),
    ...extensions(13, value),
  );
}

/** ParametersItem{parameter: Parameter{body | nonBody{query | path}}}. */
function parametersItem(value: Json): Buffer {
  if (value.in === 'body') {
    const body = message(
      text(2, value.name),
      text(3, 'body'),
      flag(4, value.required),
      nested(5, schema(value.schema as Json)),
    );
    return nested(1, nested(1, body));
  }
  const isPath = value.in === 'path';
  const [type, unique] = isPath ? [5, 19] : [6, 20];
  const sub = message(
    flag(1, value.required),
    text(2, value.in),
    text(4, value.name),
    text(type, value.type),
    flag(unique, value.uniqueItems),
  );
  return nested(1, nested(2, nested(isPath ? 4 : 3, sub)));
}

function responses(value: Json): Buffer {
  const codes = Object.entries(value).map(([code, response]) => {
    const { description, schema: shape } = response as Json;
    const parts = [text(1, description)];
    if (shape) parts.push(nested(2, nested(1, schema(shape as Json))));
    return named(1, code, nested(1, message(...parts)));
  });
  return message(...codes);
}

function namedSchemas(schemas: Json): Buffer {
  return message(...Object.entries(schemas).map(([name, value]) => named(1, name, schema(value as Json))));
}

function schema(value: Json): Buffer {
  const parts = [text(1, value.$ref), text(2, value.format), text(4, value.description)];
  if (value.default !== undefined) parts.push(nested(5, any(value.default)));
  for (const name of list<string>(value.required)) parts.push(text(19, name));
  for (const item of list<unknown>(value.enum)) parts.push(nested(20, any(item)));
  if (typeof value.additionalProperties === 'object' && value.additionalProperties !== null) {
    parts.push(nested(21, nested(1, schema(value.additionalProperties as Json))));
  }
  if (value.type !== undefined) parts.push(nested(22, text(1, value.type)));
  if (value.items) parts.push(nested(23, nested(1, schema(value.items as Json))));
  for (const part of list(value.allOf)) parts.push(nested(24, schema(part)));
  if (value.properties) parts.push(nested(25, namedSchemas(value.properties as Json)));
  return message(...parts, ...extensions(31, value));
}

/** `x-…` members, their values in YAML (of which JSON is a part). */
function extensions(number: number, value: Json): Buffer[] {
  return Object.entries(value)
    .filter(([name]) => name.startsWith('x-'))
    .map(([name, member]) => named(number, name, any(member)));
}

function any(value: unknown): Buffer {
  return text(2, JSON.stringify(value));
}

function named(number: number, name: string, value: Buffer): Buffer {
  return nested(number, message(text(1, name), nested(2, value)));
}

function list<T = Json>(value: unknown): T[] {
  return Array.isArray(value) ? (value as T[]) : [];
}

function message(...parts: Buffer[]): Buffer {
  return Buffer.concat(parts);
}

function text(number: number, value: unknown): Buffer {
  if (typeof value !== 'string' || value === '') return Buffer.alloc(0);
  return nested(number, Buffer.from(value));
}

function flag(number: number, value: unknown): Buffer {
  return value === true ? Buffer.concat([varint(number << 3), Buffer.from([1])]) : Buffer.alloc(0);
}

function nested(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  while (left > 127) {
    bytes.push((left & 127) | 128);
    left = Math.floor(left / 128);
  }
  bytes.push(left);
  return Buffer.from(bytes);
}
