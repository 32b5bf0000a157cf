import * as fc from 'fast-check';
import type { MessageSchema, Schema } from '../../src/api/schema.ts';
import { schemaForMessage } from '../../src/api/schema.ts';

const MAX_DEPTH = 4;

const text = fc.oneof(
  fc.constantFrom('', 'a', 'example.com/é', 'a b', '\u0000', '😀', 'x'.repeat(60), 'ü'.repeat(40)),
  fc.string({ maxLength: 8 }),
);
const key = fc.oneof(
  fc.constantFrom('a', 'b', '__proto__', 'constructor', 'é', '😀', '\uffff'),
  fc.string({ maxLength: 4 }),
);
const int64 = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom<number | bigint>(0, -1, 2 ** 31, -(2 ** 31), 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)),
);
const seconds = fc.integer({ min: -62_135_596_799, max: 253_402_300_799 });
const second = (at: number): string => `${new Date(at * 1000).toISOString().slice(0, -5)}Z`;
const raw = fc.oneof(
  fc.constantFrom<unknown>({}, { a: null }, [1, 'x', { b: [] }], 'text', 1.5, true),
  fc.dictionary(
    fc.constantFrom('a', 'b', '__proto__'),
    fc.oneof(fc.integer(), fc.string(), fc.constant(2n ** 60n)),
  ),
);

/** Values of a kind, as a client may send them: every field that is on the wire may be there or not. */
export function arbitraryOf(schema: MessageSchema, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const members = new Map<string, Schema>();
  const collect = (message: MessageSchema): void => {
    for (const field of message.ownFields) {
      if (field.number === 0) continue;
      if (field.inline && field.schema.kind === 'message') collect(field.schema);
      else if (depth < MAX_DEPTH || field.schema.kind === 'string') members.set(field.name, field.schema);
    }
  };
  collect(schema);
  // A subset keeps values small and different from each other; arbitraries are made for what is in it alone.
  const [minLength, maxLength] = [Math.min(members.size, 2), Math.min(members.size, 10)];
  return fc.subarray([...members.keys()], { minLength, maxLength }).chain((names) => {
    const chosen = names.map((name) => [name, valueOf(members.get(name)!, depth + 1)] as const);
    return fc.record<Record<string, unknown>>(Object.fromEntries(chosen), { noNullPrototype: true });
  });
}

function valueOf(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  if (schema.kind === 'message') return fc.constant(null).chain(() => arbitraryOf(schema, depth));
  if (schema.kind === 'list') return fc.array(valueOf(schema.items, depth), { minLength: 1, maxLength: 2 });
  if (schema.kind === 'map')
    return fc.dictionary(key, valueOf(schema.items, depth), { minKeys: 1, maxKeys: 3 });
  return scalarOf(schema, depth);
}

function scalarOf(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  switch (schema.kind) {
    case 'bool':
      return fc.boolean();
    case 'int32':
      return fc.integer();
    case 'uint32':
      return fc.nat();
    case 'int64':
      return int64;
    case 'uint64':
      return fc.oneof(fc.nat(), fc.constant(2n ** 64n - 1n));
    case 'double':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
    case 'bytes':
      return fc
        .uint8Array({ minLength: 1, maxLength: 6 })
        .map((bytes) => Buffer.from(bytes).toString('base64'));
    case 'time':
      return seconds.map(second);
    case 'microTime':
      return fc
        .tuple(seconds, fc.nat({ max: 999_999 }))
        .map(([at, micros]) => `${second(at).slice(0, -1)}.${String(micros).padStart(6, '0')}Z`);
    case 'duration':
      return fc.constantFrom('1s', '1m30s', '1h0m0s', '250ms', '1.5s', '0s', '-2h3m0s');
    case 'quantity':
      return fc.constantFrom('0', '1', '100m', '1.5', '1Gi', '1536Mi', '0.5', '12e6', '1n', '-3k', '1024Ki');
    case 'intOrString':
      return fc.oneof(fc.integer(), text);
    case 'rawExtension':
    case 'fieldsV1':
    case 'json':
      return raw;
    default:
      return unionOf(schema, depth);
  }
}

function unionOf(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  const props = schemaForMessage('apiextensions-v1', 'JSONSchemaProps')!;
  const nested = fc.constant(null).chain(() => arbitraryOf(props, depth + 1));
  if (schema.kind === 'schemaOrArray')
    return fc.oneof(nested, fc.array(nested, { minLength: 1, maxLength: 2 }));
  if (schema.kind === 'schemaOrBool') return fc.oneof(nested, fc.boolean());
  if (schema.kind === 'schemaOrStrings')
    return fc.oneof(nested, fc.array(text, { minLength: 1, maxLength: 2 }));
  return text;
}
