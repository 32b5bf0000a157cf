import type { Field, MessageSchema, ScalarKind, Schema } from '../schema.ts';
import { zeroFields } from '../zero.ts';

/** How one field goes on the wire and back; computed once for each message. */
export interface WireField {
  readonly name: string;
  readonly number: number;
  readonly tag: number;
  readonly wireType: number;
  readonly shape: 'single' | 'list' | 'map';
  /** Lists of numbers are packed in proto3. */
  readonly packed: boolean;
  /** A list in a message of its own. */
  readonly wrapped: boolean;
  /** The members of an inlined message stand in the holder. */
  readonly inline: boolean;
  /** A value that is always written, even if zero (gogo's non-nullable fields). */
  readonly always: boolean;
  /** proto3: written only where it is not zero. */
  readonly skipZero: boolean;
  readonly value: Schema;
  /** The common scalars, which the codecs treat first; undefined for every other shape. */
  readonly fast: 'string' | 'bool' | 'int' | undefined;
  readonly omitEmpty: boolean;
  readonly pointer: boolean;
}

export interface Plan {
  readonly schema: MessageSchema;
  /** In ascending order of number. */
  readonly fields: readonly WireField[];
  /** Index is the number; the numbers of Kubernetes' messages are small. */
  readonly byNumber: ReadonlyArray<WireField | undefined>;
  /** What a decoded message gets where the wire had nothing. */
  readonly fill: ReadonlyArray<{ readonly name: string; readonly make: () => unknown }>;
}

const plans = new WeakMap<MessageSchema, Plan>();

export function planOf(schema: MessageSchema): Plan {
  const known = plans.get(schema);
  if (known) return known;
  const fields = schema.ownFields
    .filter((field) => field.number > 0)
    .map(wireField)
    .toSorted((a, b) => a.number - b.number);
  const plan: Plan = {
    schema,
    fields,
    byNumber: indexOf(fields),
    fill: zeroFields(schema),
  };
  plans.set(schema, plan);
  return plan;
}

function indexOf(fields: readonly WireField[]): Array<WireField | undefined> {
  const last = fields.at(-1)?.number ?? 0;
  const index = Array.from<WireField | undefined>({ length: last + 1 });
  for (const field of fields) index[field.number] = field;
  return index;
}

function wireField(field: Field): WireField {
  const { schema } = field;
  const shape =
    schema.kind === 'list' ? (schema.wrapped ? 'single' : 'list') : schema.kind === 'map' ? 'map' : 'single';
  const value = schema.kind === 'list' || schema.kind === 'map' ? schema.items : schema;
  const packed = field.proto3 && schema.kind === 'list' && wireTypeOf(value) !== 2;
  const wireType =
    packed || shape === 'map' || schema.kind === 'list'
      ? listWireType(value, packed, schema)
      : wireTypeOf(value);
  const nullable = field.pointer || (shape === 'single' && isNullableScalar(schema));
  return {
    name: field.name,
    number: field.number,
    tag: field.number * 8 + wireType,
    wireType,
    shape,
    packed,
    wrapped: schema.kind === 'list' && schema.wrapped === true,
    inline: field.inline,
    always: shape === 'single' && !nullable && !field.proto3,
    skipZero: field.proto3 && schema.kind !== 'message',
    value,
    fast: shape === 'single' ? fastOf(schema.kind) : undefined,
    omitEmpty: field.omitEmpty,
    pointer: field.pointer,
  };
}

function fastOf(kind: Schema['kind']): WireField['fast'] {
  if (kind === 'string' || kind === 'bool') return kind;
  return kind === 'int32' ? 'int' : undefined;
}

function listWireType(value: Schema, packed: boolean, schema: Schema): number {
  if (packed || schema.kind === 'map' || (schema.kind === 'list' && schema.wrapped)) return 2;
  return wireTypeOf(value);
}

/** Go slices of bytes are nil where absent, and then not written. */
function isNullableScalar(schema: Schema): boolean {
  return (
    schema.kind === 'bytes' || schema.kind === 'buffer' || (schema.kind === 'list' && schema.wrapped === true)
  );
}

const VARINT: ReadonlySet<ScalarKind> = new Set(['bool', 'int32', 'int64', 'uint32', 'uint64']);

export function wireTypeOf(schema: Schema): number {
  if (schema.kind === 'message' || schema.kind === 'list' || schema.kind === 'map') return 2;
  if (schema.kind === 'double') return 1;
  return VARINT.has(schema.kind) ? 0 : 2;
}
