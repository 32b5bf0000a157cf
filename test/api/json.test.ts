import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { decodeJson, strictDecodingMessage } from '../../src/api/json/decode.ts';
import { encodeJson, stringifyJson } from '../../src/api/json/encode.ts';
import { JsonError } from '../../src/api/json/errors.ts';
import { parseExact } from '../../src/api/json/exact-parser.ts';
import { decodeYaml } from '../../src/api/json/yaml.ts';
import { schemaForKind, type MessageSchema } from '../../src/api/schema.ts';
import { messageOf } from '../../src/base/errors.ts';
import { withNullsOf } from '../helpers/go-json.ts';

interface Fixture {
  name: string;
  yaml?: boolean;
  input: string;
  output?: unknown;
  strict?: string[];
  error?: string;
}

/** Bodies, and what Go's strict decoder says of them or leaves of them. */
const FIXTURES = parseExact(readFileSync(join(import.meta.dirname, '../fixtures/api/decode.json'), 'utf8'))
  .value as Fixture[];

/** Where the YAML libraries word a syntax error differently, or yaml.v2 counts a merged key as set twice. */
const OWN_WORDS: ReadonlySet<string> = new Set(['yaml bad indentation', 'yaml tab']);
const NOT_STRICT: ReadonlySet<string> = new Set(['yaml merge']);

function schemaOf(input: string): MessageSchema {
  const apiVersion = /apiVersion"?: ?"?([\w./]+)/.exec(input)?.[1] ?? 'v1';
  const kind = /kind"?: ?"?(\w+)/.exec(input)?.[1] ?? 'Pod';
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  return schemaForKind(group!, version!, kind)!;
}

for (const fixture of FIXTURES) {
  test(`as upstream: ${fixture.name}`, (t) => {
    const decode = (): ReturnType<typeof decodeJson> =>
      (fixture.yaml ? decodeYaml : decodeJson)(Buffer.from(fixture.input), schemaOf(fixture.input));
    if (fixture.error !== undefined) {
      const error = t.throws(decode);
      t.is((error as { code?: string }).code?.startsWith('E_'), true);
      if (OWN_WORDS.has(fixture.name)) t.regex(messageOf(error), /^yaml: line \d+: /);
      else t.is(messageOf(error), fixture.error);
      return;
    }
    const { object, strictErrors } = decode();
    t.deepEqual(withNullsOf(object, fixture.output), fixture.output);
    if (!NOT_STRICT.has(fixture.name)) t.deepEqual(strictErrors, fixture.strict ?? []);
  });
}

test('the strict errors make upstream’s message', (t) => {
  const body = '{"spec":{"foo":1,"nodeName":"a","nodeName":"b"}}';
  const { strictErrors } = decodeJson(Buffer.from(body), schemaForKind('', 'v1', 'Pod'));
  t.is(
    strictDecodingMessage(strictErrors),
    'strict decoding error: unknown field "spec.foo", duplicate field "spec.nodeName"',
  );
});

test('without a schema everything is kept, and duplicates are found at any depth', (t) => {
  const body = Buffer.from('{"a":{"b":[{"c":1,"c":2}],"n":null},"big":9007199254740993,"f":1.0}');
  const { object, strictErrors } = decodeJson(body, undefined);
  t.deepEqual(object, { a: { b: [{ c: 2 }], n: null }, big: 9007199254740993n, f: 1 });
  t.deepEqual(strictErrors, ['duplicate field "a.b[0].c"']);
});

test('integers beyond 2^53 survive reading and writing', (t) => {
  const body = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","generation":9223372036854775807}}';
  const { object } = decodeJson(Buffer.from(body), schemaForKind('', 'v1', 'Pod'));
  t.regex(encodeJson(object).toString(), /"generation":9223372036854775807/);
  t.is(stringifyJson({ a: [2n ** 60n, undefined], b: undefined }), '{"a":[1152921504606846976,null]}');
});

test('kind, apiVersion and metadata are written first', (t) => {
  const text = encodeJson({ spec: {}, metadata: { name: 'x' }, apiVersion: 'v1', kind: 'Pod' }).toString();
  t.is(text, '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"spec":{}}');
});

test('nesting beyond the limit is refused before it is parsed', (t) => {
  const deep = (depth: number): Buffer => Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`);
  t.notThrows(() => decodeJson(deep(900), undefined));
  t.throws(() => decodeJson(deep(1000), undefined), { instanceOf: JsonError, message: 'exceeded max depth' });
  t.throws(() => decodeJson(deep(1_000_000), undefined), { message: 'exceeded max depth' });
});

test('a body cannot reach the prototype of objects', (t) => {
  const body = Buffer.from('{"metadata":{"labels":{"__proto__":"a"}},"__proto__":{"polluted":1}}');
  const { object } = decodeJson(body, schemaForKind('', 'v1', 'ConfigMap'));
  const { labels } = object.metadata as { labels: Record<string, string> };
  t.deepEqual(Object.keys(labels), ['__proto__']);
  t.is(Object.getPrototypeOf(labels), Object.prototype);
  t.is(({} as { polluted?: number }).polluted, undefined);
});

test('aliases that multiply are refused', (t) => {
  const lines = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh']) {
    lines.push(`${to}: &${to} [${Array.from({ length: 10 }, () => `*${from}`).join(',')}]`);
  }
  t.throws(() => decodeYaml(Buffer.from(lines.join('\n')), undefined), { message: /excessive aliasing/ });
});
