import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { encodeJson, stringifyJson } from '../../src/api/json/encode.ts';
import { parseExact } from '../../src/api/json/exact-parser.ts';
import { decodeJson } from '../../src/api/json/decode.ts';
import { messagesOfTable } from '../../src/api/schema-table.ts';
import { decodeMessage } from '../../src/api/protobuf/decode.ts';
import { encodeMessage } from '../../src/api/protobuf/encode.ts';
import {
  decodeProtobuf,
  decodeWatchEvent,
  encodeProtobuf,
  encodeWatchFrame,
  schemaOfType,
} from '../../src/api/protobuf/envelope.ts';
import { ProtobufError } from '../../src/api/protobuf/errors.ts';
import { TABLE as CRI } from '../../src/kubelet/cri/gen/schema.ts';
import { withNullsOf } from '../helpers/go-json.ts';

interface Fixture {
  name: string;
  hex: string;
  json: Record<string, unknown>;
}

/** Objects as Go's own encoders write them: protobuf in hex, and JSON. */
const read = (name: string): Fixture[] =>
  parseExact(readFileSync(join(import.meta.dirname, `../fixtures/protobuf/${name}.json`), 'utf8'))
    .value as Fixture[];
const FIXTURES = read('objects');

for (const { name, hex, json } of FIXTURES) {
  const bytes = Buffer.from(hex, 'hex');

  test(`${name} is read from Go's protobuf as from its JSON`, (t) => {
    t.deepEqual(withNullsOf(decodeProtobuf(bytes), json), json);
  });

  test(`${name} is written as Go writes it`, (t) => {
    t.is(encodeProtobuf(decodeProtobuf(bytes)).toString('hex'), hex);
  });

  test(`${name} is the same object from JSON and from protobuf`, (t) => {
    const { apiVersion, kind } = json as { apiVersion: string; kind: string };
    const { object } = decodeJson(encodeJson(json), schemaOfType(apiVersion, kind));
    t.deepEqual(decodeProtobuf(bytes), object);
  });

  test(`${name} cut short anywhere is an error or a shorter object, never a crash`, (t) => {
    for (let end = 0; end < bytes.length; end++) {
      try {
        decodeProtobuf(bytes.subarray(0, end));
      } catch (error) {
        t.true(error instanceof ProtobufError, `at ${end}: ${String(error)}`);
      }
    }
    t.pass();
  });
}

test('objects of every kind, filled at random, are read and written as Go does', (t) => {
  const fixtures = read('random');
  t.true(fixtures.length >= 80);
  for (const { name, hex, json } of fixtures) {
    const bytes = Buffer.from(hex, 'hex');
    const decoded = decodeProtobuf(bytes);
    t.deepEqual(withNullsOf(decoded, json), json, name);
    t.is(encodeProtobuf(decoded).toString('hex'), hex, name);
    const { apiVersion, kind } = json as { apiVersion: string; kind: string };
    const { object, strictErrors } = decodeJson(
      Buffer.from(stringifyJson(json)),
      schemaOfType(apiVersion, kind),
    );
    t.deepEqual(strictErrors, [], name);
    t.is(encodeProtobuf(object).toString('hex'), hex, name);
  }
});

test('lengths beyond the end, endless varints and wrong wire types are errors', (t) => {
  const schema = schemaOfType('v1', 'ConfigMap');
  const broken: Array<[string, RegExp]> = [
    ['0aff', /unexpected EOF/],
    ['0affffffff0f', /unexpected EOF/],
    ['0affffffffffffffffff01', /negative length/],
    ['0affffffffffffffffffffff01', /integer overflow/],
    ['08', /wrong wireType = 0 for field metadata/],
    ['00', /illegal tag 0/],
    ['7f', /illegal wireType 7/],
  ];
  for (const [hex, message] of broken) {
    t.throws(
      () => decodeMessage(schema, Buffer.from(hex, 'hex')),
      { instanceOf: ProtobufError, message },
      hex,
    );
  }
});

test('nesting without end is refused', (t) => {
  const schema = schemaOfType('apiextensions.k8s.io/v1', 'CustomResourceDefinition');
  const props = [...schema.fields.values()].length > 0 ? nestedNot(1200) : undefined;
  const text = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    spec: specOf(props),
  };
  const bytes = encodeProtobuf(text);
  t.throws(() => decodeProtobuf(bytes), { instanceOf: ProtobufError, message: /nested too deeply/ });
});

function nestedNot(depth: number): unknown {
  let value: Record<string, unknown> = {};
  for (let index = 0; index < depth; index++) value = { not: value };
  return value;
}

function specOf(openAPIV3Schema: unknown): unknown {
  return { versions: [{ name: 'v1', schema: { openAPIV3Schema } }] };
}

test('fields that are not known are skipped', (t) => {
  const schema = schemaOfType('v1', 'ConfigMap');
  const unknown = Buffer.from('c03e01ca3e03616263d13e0000000000000000d53e00000000', 'hex');
  t.deepEqual(decodeMessage(schema, unknown), { metadata: {} });
});

test('bytes without the magic are refused', (t) => {
  t.throws(() => decodeProtobuf(Buffer.from('{"kind":"Pod"}')), {
    message: 'provided data does not appear to be a protobuf message',
  });
});

test('a value of the wrong type names its field', (t) => {
  const pod = { apiVersion: 'v1', kind: 'Pod', spec: { containers: [{ name: 5 }] } };
  t.throws(() => encodeProtobuf(pod), {
    instanceOf: ProtobufError,
    message: /spec: containers: name: a string is needed/,
  });
});

test('a watch frame carries its type and object', (t) => {
  const object = encodeProtobuf({ apiVersion: 'v1', kind: 'Pod' });
  const frame = encodeWatchFrame('ADDED', object);
  t.is(frame.readUInt32BE(0), frame.length - 4);
  t.deepEqual(decodeWatchEvent(frame.subarray(4)), { type: 'ADDED', object });
});

test('CRI messages are proto3: zeros are not written and are filled when read', (t) => {
  const messages = messagesOfTable(CRI);
  const config = messages.get('ContainerConfig')!;
  t.is(encodeMessage(config, { stdin: false, image: undefined, args: [] }).length, 0);
  const bytes = encodeMessage(config, {
    metadata: { name: 'c', attempt: 2 },
    command: ['sh'],
    labels: { b: '2', a: '1' },
    stdin: true,
    linux: { resources: { cpu_shares: -1, oom_score_adj: 1000 } },
  });
  t.like(decodeMessage(config, bytes), {
    metadata: { name: 'c', attempt: 2 },
    command: ['sh'],
    args: [],
    labels: { a: '1', b: '2' },
    stdin: true,
    tty: false,
    linux: { resources: { cpu_shares: -1, oom_score_adj: 1000, cpu_quota: 0 } },
  });
  const exec = messages.get('ExecSyncResponse')!;
  const reply = decodeMessage(exec, encodeMessage(exec, { stdout: Buffer.from('hi'), exit_code: 3 }));
  t.deepEqual(reply, { stdout: Buffer.from('hi'), stderr: Buffer.alloc(0), exit_code: 3 });
});
