import test from 'ava';
import { resolvePort, scaledValue } from '../../src/api/int-or-string.ts';
import { deepClone, deepEqual } from '../../src/api/objects.ts';
import {
  canonicalMicroTime,
  canonicalTime,
  formatDuration,
  formatTime,
  parseDuration,
  parseTime,
} from '../../src/api/time.ts';

test('a clone shares nothing with its original', (t) => {
  const original = { a: [{ b: 1 }], c: null, d: 2n };
  const copy = deepClone(original);
  t.deepEqual(copy, original);
  copy.a[0]!.b = 2;
  t.is(original.a[0]!.b, 1);
});

test('absent, null, empty list and empty map are equal; zero and false are values', (t) => {
  t.true(deepEqual({ a: 1, b: [] }, { a: 1, c: null }));
  t.true(deepEqual({ a: { b: {} } }, { a: {} }));
  t.true(deepEqual({ a: 1, b: 2 }, { b: 2, a: 1 }));
  t.true(deepEqual({ a: 5n }, { a: 5 }));
  t.false(deepEqual({ a: 0 }, {}));
  t.false(deepEqual({ a: false }, {}));
  t.false(deepEqual({ a: '' }, {}));
  t.false(deepEqual({ a: [1, 2] }, { a: [2, 1] }));
  t.false(deepEqual({ a: [1] }, { a: {} }));
});

test('times are normalised to UTC', (t) => {
  t.is(canonicalTime('2026-03-04T05:06:07Z'), '2026-03-04T05:06:07Z');
  t.is(canonicalTime('2026-03-04T01:06:07.9+02:00'), '2026-03-03T23:06:07Z');
  t.is(canonicalTime('0001-01-01T00:00:00Z'), undefined);
  t.is(canonicalMicroTime('2026-03-04T05:06:07.123456+00:00'), '2026-03-04T05:06:07.123456Z');
  t.is(parseTime('1970-01-01T00:00:01.5Z').nanos, 500_000_000);
  t.throws(() => canonicalTime('2026-02-29T00:00:00Z'), { message: /day out of range/ });
  t.is(canonicalTime('2024-02-29T00:00:00Z'), '2024-02-29T00:00:00Z');
});

test('durations are read and written as Go does', (t) => {
  for (const text of ['1h30m0s', '1m30s', '1.5s', '250ms', '1.5µs', '100ns', '0s', '-2h0m0s']) {
    t.is(formatDuration(parseDuration(text)), text);
  }
  t.is(parseDuration('1h'), 3_600_000_000_000n);
  t.is(parseDuration('.5s'), 500_000_000n);
  t.throws(() => parseDuration('5'), { message: 'time: missing unit in duration "5"' });
  t.throws(() => parseDuration('5 s'), { message: 'time: invalid duration "5 s"' });
  t.throws(() => parseDuration('5d'), { message: 'time: unknown unit "d" in duration "5d"' });
});

test('a percentage is a share, rounded as asked', (t) => {
  t.is(scaledValue(3, 10, true), 3);
  t.is(scaledValue('25%', 10, true), 3);
  t.is(scaledValue('25%', 10, false), 2);
  t.throws(() => scaledValue('x', 10, true), {
    message: 'invalid value for IntOrString: invalid type: string is not a percentage',
  });
  t.is(resolvePort('http', [{ name: 'http', containerPort: 8080 }]), 8080);
  t.is(resolvePort(80, []), 80);
  t.is(resolvePort('x', []), undefined);
});

test('times are what the platform’s calendar says', (t) => {
  for (let day = -719_162; day < 2_932_896; day += 997) {
    const seconds = day * 86_400 + ((((day * 7919) % 86_400) + 86_400) % 86_400);
    const text = new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
    t.is(formatTime(seconds), text);
    t.is(parseTime(text).seconds, seconds);
  }
});
