import test from 'ava';
import { BASE_ENVIRONMENT } from '../../src/apiserver/cel/base-environment.ts';
import { STRING, listOf, INT } from '../../src/cel/types.ts';
import { ArrayList } from '../../src/cel/values.ts';
import { answerOf } from '../helpers/cel.ts';

const environment = BASE_ENVIRONMENT.extend({ variables: { text: STRING, numbers: listOf(INT) } });
const numbers = new ArrayList(Array.from({ length: 100_000 }, (_, index) => BigInt(index)));
const TOO_MUCH = { error: 'operation cancelled: actual cost limit exceeded' };

/** Upstream's limit for a call is 1,000,000: about a twentieth of a second of a core. */
function takes(expression: string, text = ''): { answer: unknown; ms: number } {
  const start = performance.now();
  const answer = answerOf(expression, { text, numbers }, environment);
  return { answer, ms: performance.now() - start };
}

const EXPENSIVE = [
  'numbers.all(x, numbers.all(y, x + y >= 0))',
  'numbers.map(x, numbers.map(y, x * y)).size() > 0',
  'numbers.all(x, size(numbers + numbers) > 0 && numbers.sum() > 0)',
  'lists.range(100000000).all(x, x >= 0)',
  'numbers.filter(x, x in numbers).size() == 0',
  'numbers.all(x, numbers.isSorted())',
  'numbers.distinct().size() > 1',
];

for (const expression of EXPENSIVE) {
  test(`what costs too much ends early: ${expression}`, (t) => {
    const { answer, ms } = takes(expression);
    t.deepEqual(answer, TOO_MUCH);
    t.true(ms < 5_000, `${ms} ms`);
  });
}

test('long lists are joined without copying them', (t) => {
  const { answer, ms } = takes('numbers.all(x, (numbers + numbers)[150000] >= 0)');
  t.like(answer as { value: boolean }, { value: true });
  t.true(ms < 5_000, `${ms} ms`);
});

test('patterns take a time in proportion to the text', (t) => {
  const { answer, ms } = takes('text.matches("^(a+)+$")', `${'a'.repeat(100_000)}!`);
  t.like(answer as { value: boolean }, { value: false });
  t.true(ms < 5_000, `${ms} ms`);
});

test('texts cannot grow without end', (t) => {
  const doubled = Array.from({ length: 40 }).reduce<string>((inner) => `${inner}.replace("a", "aa")`, 'text');
  const { answer } = takes(`${doubled} == ""`, 'a');
  t.true('error' in (answer as object));
});

test('what is nested too deeply does not compile', (t) => {
  for (const [open, close] of ['()', '[]'] as const) {
    const { answer } = takes(`${open?.repeat(100_000)}1${close?.repeat(100_000)}`);
    t.true('problem' in (answer as object));
  }
  t.true('problem' in (takes('!'.repeat(100_000)).answer as object));
});
