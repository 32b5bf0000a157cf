/**
 * Whatever comes from outside is read or refused, and nothing else happens: no crash, no other error. In CI a
 * few runs from a fixed seed; `FUZZ_RUNS=100000 npm run fuzz` runs longer, from a seed of its own each time.
 */
import test from 'ava';
import * as fc from 'fast-check';
import { SlipwayError } from '../../src/base/errors.ts';
import { decodeManagers } from '../../src/api/apply/managed-fields.ts';
import { canonicalElement } from '../../src/api/apply/path-element.ts';
import { formatFieldSelector, parseFieldSelector } from '../../src/api/field-selector.ts';
import type { FieldSelector } from '../../src/api/field-selector.ts';
import { decodeJson } from '../../src/api/json/decode.ts';
import { encodeJson } from '../../src/api/json/encode.ts';
import { decodeYaml } from '../../src/api/json/yaml.ts';
import { formatLabelSelector, parseLabelSelector } from '../../src/api/label-selector.ts';
import { applyJsonPatch } from '../../src/api/patch/json-patch.ts';
import { applyMergePatch } from '../../src/api/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../../src/api/patch/strategic-merge.ts';
import { decodeMessage } from '../../src/api/protobuf/decode.ts';
import { encodeMessage } from '../../src/api/protobuf/encode.ts';
import { decodeProtobuf } from '../../src/api/protobuf/envelope.ts';
import { canonicalQuantity, parseQuantity } from '../../src/api/quantity.ts';
import { schemaForKind } from '../../src/api/schema.ts';
import { arbitraryOf } from '../helpers/schema-arbitrary.ts';

const wanted = process.env['FUZZ_RUNS'];
const SETTINGS = wanted ? { numRuns: Number(wanted) } : { seed: 20_261_124, numRuns: 300 };

const POD = schemaForKind('', 'v1', 'Pod')!;
const DEPLOYMENT = schemaForKind('apps', 'v1', 'Deployment')!;

/** Reads, or refuses with an error of ours. */
function isRead<T>(read: () => T): { value: T } | undefined {
  try {
    return { value: read() };
  } catch (error) {
    // A path's JSON is read by the runtime; whoever asks tells the client.
    if (error instanceof SlipwayError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Bytes of a real object with some of them changed, cut off or doubled: deeper than random ones reach. */
function damaged(encode: (object: Record<string, unknown>) => Buffer): fc.Arbitrary<Buffer> {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 });
  return fc.tuple(arbitraryOf(POD), changes, fc.option(fc.nat())).map(([object, edits, cut]) => {
    const bytes = Buffer.from(encode(object));
    for (const [at, byte] of edits) if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
  });
}

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const patchKey = fc.oneof(
  fc.constantFrom('spec', 'containers', 'name', '$patch', '$retainKeys', '$setElementOrder/containers'),
  fc.constantFrom('$deleteFromPrimitiveList/finalizers', 'metadata', 'finalizers', 'env', '__proto__'),
  fc.string({ maxLength: 4 }),
);
const { anyPatch } = fc.letrec((tie) => ({
  anyPatch: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, 1, 'a', 'delete', 'replace', 'merge'),
    fc.array(tie('anyPatch'), { maxLength: 3 }),
    fc.dictionary(patchKey, tie('anyPatch'), { maxKeys: 4 }),
  ),
}));
const TARGET = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', finalizers: ['x/y'] },
  spec: { containers: [{ name: 'a', image: 'x', env: [{ name: 'A', value: '1' }] }], volumes: [] },
};

test('JSON of any bytes is read or refused, and what is read is written and read again alike', (t) => {
  const bytes = fc.oneof(
    anyBytes,
    damaged(encodeJson),
    fc.json().map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const first = isRead(() => decodeJson(given, POD).object);
      if (!first) return;
      t.deepEqual(decodeJson(encodeJson(first.value), POD).object, first.value);
    }),
    SETTINGS,
  );
  t.pass();
});

test('YAML of any text is read or refused', (t) => {
  const text = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.array(
      fc.constantFrom('a:', ' b', '- ', '\n', '  ', '&x ', '*x', '{', '}', '[', ']', '"', '!!int ', '|', '>'),
    ),
    fc.json().map((json) => json),
  );
  fc.assert(
    fc.property(text, (given) => {
      const lines = Array.isArray(given) ? given.join('') : given;
      isRead(() => decodeYaml(Buffer.from(lines), POD));
    }),
    SETTINGS,
  );
  t.pass();
});

test('protobuf of any bytes is read or refused, and what is read is written and read again alike', (t) => {
  const bytes = fc.oneof(
    anyBytes,
    damaged((object) => encodeMessage(POD, object)),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      isRead(() => decodeProtobuf(given));
      const first = isRead(() => decodeMessage(POD, given));
      if (!first) return;
      const again = isRead(() => encodeMessage(POD, first.value));
      if (again) t.deepEqual(decodeMessage(POD, again.value), first.value);
    }),
    SETTINGS,
  );
  t.pass();
});

test('any patch is applied or refused, and changes neither the object nor a prototype', (t) => {
  const before = JSON.stringify(TARGET);
  const pointer = fc
    .array(fc.constantFrom('spec', 'containers', '0', '-', '9', 'name', 'metadata', '__proto__', 'x'))
    .map((parts) => parts.map((part) => `/${part}`).join(''));
  const step = fc.record(
    {
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
      path: pointer,
      from: pointer,
      value: anyPatch,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(anyPatch, fc.oneof(anyPatch, fc.array(step, { maxLength: 4 })), (patch, steps) => {
      isRead(() => applyMergePatch(TARGET, patch));
      if (typeof patch === 'object' && patch !== null && !Array.isArray(patch)) {
        isRead(() => applyStrategicMergePatch(TARGET, patch, POD));
        isRead(() => applyStrategicMergePatch(TARGET, patch, DEPLOYMENT));
      }
      isRead(() => applyJsonPatch(TARGET, steps));
      t.is(JSON.stringify(TARGET), before);
      t.is(({} as { x?: unknown }).x, undefined);
    }),
    SETTINGS,
  );
});

test('any text is a selector or refused, and a selector says again what it says', (t) => {
  const token = fc.constantFrom(
    'a',
    'b/c',
    'in',
    'notin',
    '(',
    ')',
    ',',
    '=',
    '==',
    '!',
    '!=',
    '>',
    '<',
    ' ',
    '\\',
    '5',
  );
  const text = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.array(token, { maxLength: 10 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(text, (given) => {
      const labels = isRead(() => parseLabelSelector(given));
      if (labels) {
        const said = formatLabelSelector(labels.value);
        t.is(formatLabelSelector(parseLabelSelector(said)), said, given);
      }
      const fields = isRead(() => parseFieldSelector(given));
      if (fields) {
        // Terms are sorted as they are written, and '==' is written '=': the order may be another.
        const inOrder = (selector: FieldSelector) => selector.map((one) => JSON.stringify(one)).toSorted();
        const again = parseFieldSelector(formatFieldSelector(fields.value));
        t.deepEqual(inOrder(again), inOrder(fields.value), given);
      }
    }),
    SETTINGS,
  );
  t.pass();
});

test('any text is a quantity or refused, and its canonical form stays as it is', (t) => {
  const token = fc.constantFrom(
    '0',
    '1',
    '9',
    '.',
    '-',
    '+',
    'e',
    'E',
    'k',
    'Ki',
    'm',
    'n',
    'u',
    'Mi',
    'G',
    ' ',
  );
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.array(token, { maxLength: 12 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(text, (given) => {
      if (!isRead(() => parseQuantity(given))) return;
      const canonical = canonicalQuantity(given);
      t.is(canonicalQuantity(canonical), canonical, given);
    }),
    SETTINGS,
  );
  t.pass();
});

test('any field path and any managedFields are read or refused', (t) => {
  const element = fc.oneof(
    fc.string({ maxLength: 10 }),
    fc.json().map((json) => `k:${json}`),
    fc.json().map((json) => `v:${json}`),
  );
  fc.assert(
    fc.property(element, anyPatch, (path, fields) => {
      isRead(() => canonicalElement(path));
      isRead(() =>
        decodeManagers([
          { manager: 'm', operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: fields },
          { fieldsV1: { [path]: fields } },
        ]),
      );
    }),
    SETTINGS,
  );
  t.pass();
});
