import test from 'ava';
import * as fc from 'fast-check';
import { canonicalise } from '../../src/api/json/canonical.ts';
import { decodeJson } from '../../src/api/json/decode.ts';
import { encodeJson } from '../../src/api/json/encode.ts';
import { deepClone } from '../../src/api/objects.ts';
import { decodeMessage } from '../../src/api/protobuf/decode.ts';
import { encodeMessage } from '../../src/api/protobuf/encode.ts';
import { builtInGroupVersions, messagesOf, type MessageSchema } from '../../src/api/schema.ts';
import { maximalObject } from '../helpers/maximal-object.ts';
import { arbitraryOf } from '../helpers/schema-arbitrary.ts';

const SETTINGS = { seed: 20_260_304, numRuns: 20 };

/** Kinds and the messages they are made of, as far as they have a protobuf form. */
function kindsOf(group: string, version: string): MessageSchema[] {
  return messagesOf(group, version).filter((message) => message.ownFields.some((field) => field.number > 0));
}

function canonicalOf(value: unknown, schema: MessageSchema): object {
  return canonicalise(deepClone(value), schema).object as object;
}

for (const { group, version } of builtInGroupVersions()) {
  const name = group === '' ? version : `${group}/${version}`;

  test(`${name}: every kind reads back from JSON as it was written`, (t) => {
    for (const schema of kindsOf(group, version)) {
      fc.assert(
        fc.property(arbitraryOf(schema), (value) => {
          const canonical = canonicalOf(value, schema);
          const { object, strictErrors } = decodeJson(encodeJson(canonical), schema);
          t.deepEqual(object, canonical, schema.name);
          t.deepEqual(strictErrors, []);
        }),
        SETTINGS,
      );
    }
  });

  test(`${name}: every kind reads back from protobuf as it was written`, (t) => {
    for (const schema of kindsOf(group, version)) {
      fc.assert(
        fc.property(arbitraryOf(schema), (value) => {
          const canonical = canonicalOf(value, schema);
          const bytes = encodeMessage(schema, canonical);
          t.deepEqual(decodeMessage(schema, bytes), canonical, schema.name);
        }),
        SETTINGS,
      );
    }
  });
}

test('an object of every kind with every field set is the same in JSON and in protobuf', (t) => {
  let kinds = 0;
  let fields = 0;
  for (const { group, version } of builtInGroupVersions()) {
    for (const schema of kindsOf(group, version)) {
      const maximal = maximalObject(schema);
      const canonical = canonicalOf(maximal.object, schema);
      const { object, strictErrors } = decodeJson(encodeJson(canonical), schema);
      t.deepEqual(strictErrors, [], schema.name);
      t.deepEqual(object, canonical, schema.name);
      t.deepEqual(decodeMessage(schema, encodeMessage(schema, canonical)), canonical, schema.name);
      t.is(Object.keys(canonical).length, Object.keys(maximal.object).length, schema.name);
      kinds += 1;
      fields += maximal.fields;
    }
  }
  t.log(`${kinds} messages, ${fields} fields`);
  t.true(kinds > 500 && fields > 20_000, `${kinds} messages, ${fields} fields`);
});
