import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import {
  QuantityError,
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantityFromMillis,
  quantityFromValue,
  quantityMilliValue,
  quantityToNumber,
  quantityValue,
  subtractQuantities,
} from '../../src/api/quantity.ts';

interface Fixture {
  text: string;
  canonical?: string;
  value?: string;
  milli?: string;
  error?: string;
}

/** What Go makes of each text. */
const FIXTURES = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/api/quantities.json'), 'utf8'),
) as Fixture[];

const INT64_MAX = 2n ** 63n - 1n;

for (const { text, canonical, value, milli, error } of FIXTURES) {
  test(`'${text}' is read as upstream reads it`, (t) => {
    if (error !== undefined) {
      t.throws(() => parseQuantity(text), { instanceOf: QuantityError, message: error });
      t.throws(() => canonicalQuantity(text), { message: error });
      return;
    }
    const quantity = parseQuantity(text);
    // '1000E' is a slip of upstream's: there is no larger suffix, and it writes '1'.
    t.is(canonicalQuantity(text), text === '1000E' ? text : (canonical ?? ''));
    // Go's int64 wraps where these are exact.
    if (quantityValue(quantity) <= INT64_MAX) t.is(String(quantityValue(quantity)), value ?? '');
    if (quantityMilliValue(quantity) <= INT64_MAX) t.is(String(quantityMilliValue(quantity)), milli ?? '');
  });
}

test('what is written reads back as the same amount', (t) => {
  const suffix = fc.constantFrom('', 'm', 'k', 'M', 'Ki', 'Mi', 'Gi', 'e3', 'n');
  fc.assert(
    fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), suffix, (number, unit) => {
      const quantity = parseQuantity(`${number}${unit}`);
      const again = parseQuantity(formatQuantity(quantity));
      t.is(again.nanos, quantity.nanos);
      t.is(formatQuantity(again), formatQuantity(quantity));
      t.is(canonicalQuantity(canonicalQuantity(`${number}${unit}`)), canonicalQuantity(`${number}${unit}`));
    }),
    { seed: 7, numRuns: 500 },
  );
});

test('amounts add, subtract and compare exactly', (t) => {
  const sum = addQuantities(parseQuantity('0.1'), parseQuantity('0.2'));
  t.is(formatQuantity(sum), '300m');
  t.is(compareQuantities(sum, parseQuantity('300m')), 0);
  t.is(formatQuantity(addQuantities(parseQuantity('1Gi'), parseQuantity('512Mi'))), '1536Mi');
  t.is(formatQuantity(addQuantities(parseQuantity('0'), parseQuantity('1Gi'))), '1Gi');
  t.is(formatQuantity(subtractQuantities(parseQuantity('1'), parseQuantity('1500m'))), '-500m');
  t.is(compareQuantities(parseQuantity('1Gi'), parseQuantity('1G')), 1);
  t.is(compareQuantities(parseQuantity('1'), parseQuantity('1001m')), -1);
  t.is(quantityToNumber(parseQuantity('1500m')), 1.5);
  t.is(formatQuantity(quantityFromMillis(2500)), '2500m');
  t.is(formatQuantity(quantityFromValue(2048, 'BinarySI')), '2Ki');
});

test('an exponent that is only there to make us compute is refused', (t) => {
  t.throws(() => parseQuantity('1e999999999'), { message: "unable to parse quantity's suffix" });
  t.is(canonicalQuantity('1e-999999999'), '1e-9');
});
