/** What a request carries beside its body is read or refused; see test/api/fuzz.test.ts for bodies. */
import test from 'ava';
import * as fc from 'fast-check';
import { parseDuration, parseTime } from '../../src/api/time.ts';
import { parseJsonPath } from '../../src/apiserver/crd/json-path.ts';
import { parseRequestInfo } from '../../src/apiserver/http/request-info.ts';
import { decodeContinue, encodeContinue } from '../../src/apiserver/registry/continue-token.ts';
import { parseListOptions } from '../../src/apiserver/registry/list-options.ts';
import { parseAccept } from '../../src/apiserver/respond/representation.ts';
import { StatusError } from '../../src/apiserver/status-errors.ts';
import { SlipwayError } from '../../src/base/errors.ts';

const wanted = process.env['FUZZ_RUNS'];
const SETTINGS = wanted ? { numRuns: Number(wanted) } : { seed: 20_261_124, numRuns: 500 };

/** Text of what a grammar is made of, and of anything. */
function textOf(...tokens: string[]): fc.Arbitrary<string> {
  const known = fc.array(fc.oneof(fc.constantFrom(...tokens), fc.string({ maxLength: 3 })), {
    maxLength: 14,
  });
  return fc.oneof(
    known.map((parts) => parts.join('')),
    fc.string({ maxLength: 60 }),
  );
}

/** Lets pass only refusals. */
function isRead<T>(read: () => T): { value: T } | undefined {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof StatusError || error instanceof SlipwayError) return undefined;
    throw error;
  }
}

test('any path and query name a request or none', (t) => {
  const path = textOf(
    '/api',
    '/apis',
    '/v1',
    '/namespaces',
    '/pods',
    '/a',
    '/',
    '%2F',
    '%00',
    '..',
    'watch',
    'proxy',
  );
  const query = textOf(
    '&',
    '=',
    'limit',
    'watch',
    'true',
    'continue',
    'resourceVersion',
    '0',
    '-1',
    '9'.repeat(30),
    '%',
  );
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'TRACE', '');
  fc.assert(
    fc.property(method, path, query, fc.boolean(), (verb, where, what, watch) => {
      const parameters = new URLSearchParams(what);
      isRead(() => parseRequestInfo(verb, where, parameters));
      isRead(() => parseListOptions(parameters, watch));
    }),
    SETTINGS,
  );
  t.pass();
});

test('any Accept header is a list of ranges in order', (t) => {
  const header = textOf(
    'application/json',
    ',',
    ';',
    'as=Table',
    'g=meta.k8s.io',
    'v=v1',
    'q=',
    '0.5',
    '1e9',
    '*/*',
    ' ',
  );
  fc.assert(
    fc.property(header, (text) => {
      const ranges = isRead(() => parseAccept(text))?.value ?? [];
      for (const [index, { q }] of ranges.entries()) t.false(index > 0 && q > ranges[index - 1]!.q, text);
    }),
    SETTINGS,
  );
  t.pass();
});

test('any token of a list is refused or says where to go on, within the list', (t) => {
  const token = fc.oneof(
    fc.string(),
    fc.json().map((json) => Buffer.from(json).toString('base64url')),
    fc
      .record({
        v: fc.constant('meta.k8s.io/v1'),
        rv: fc.oneof(fc.integer(), fc.double()),
        start: textOf('..', '/', 'a', '.'),
      })
      .map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
  );
  fc.assert(
    fc.property(token, (text) => {
      const read = isRead(() => decodeContinue(text));
      if (!read) return;
      t.false(read.value.start.split('/').includes('..'), text);
      t.deepEqual(decodeContinue(encodeContinue(read.value)), read.value);
    }),
    SETTINGS,
  );
  t.pass();
});

test('any text is a path into objects or none, and finds what it finds', (t) => {
  const path = textOf(
    '.',
    '$',
    '[',
    ']',
    '*',
    'spec',
    "'a'",
    '"b"',
    '0',
    '-1',
    '?(',
    '@',
    '==',
    ')',
    '\\',
    '..',
    '{',
    '}',
  );
  fc.assert(
    fc.property(path, fc.jsonValue(), (text, object) => {
      isRead(() => parseJsonPath(text)?.find(object));
    }),
    SETTINGS,
  );
  t.pass();
});

test('any text is a time or a duration, or refused', (t) => {
  const time = textOf(
    '2026',
    '-',
    '01',
    '02',
    'T',
    '03',
    ':',
    '04',
    '.',
    '999999999',
    'Z',
    '+',
    '00',
    '1h',
    '2m',
    's',
    'ns',
  );
  fc.assert(
    fc.property(time, (text) => {
      isRead(() => parseTime(text));
      isRead(() => parseDuration(text));
    }),
    SETTINGS,
  );
  t.pass();
});
