import test from 'ava';
import { BASE_ENVIRONMENT } from '../../src/apiserver/cel/base-environment.ts';
import { STRING, listOf, INT } from '../../src/cel/types.ts';
import { ArrayList } from '../../src/cel/values.ts';
import { answerOf } from '../helpers/cel.ts';

const environment = BASE_ENVIRONMENT.extend({ variables: { text: STRING, numbers: listOf(INT) } });
const numbers = new ArrayList(Array.from({ length: 100_000 }, (_, index) => BigInt(index)));
const TOO_MUCH = { error: 'operation cancelled: actual cost limit exceeded' };

/** Under upstream's limit of a call, 1,000,000: what is not bounded by it runs until the test is given up. */
const answer = (expression: string, text = ''): unknown =>
  answerOf(expression, { text, numbers }, environment);

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
    t.deepEqual(answer(expression), TOO_MUCH);
  });
}

test('long lists are joined without copying them', (t) => {
  t.like(answer('numbers.all(x, (numbers + numbers)[150000] >= 0)'), { value: true });
});

test('patterns take a time in proportion to the text', (t) => {
  t.like(answer('text.matches("^(a+)+$")', `${'a'.repeat(100_000)}!`), { value: false });
});

test('texts cannot grow without end', (t) => {
  const doubled = Array.from({ length: 40 }).reduce<string>((inner) => `${inner}.replace("a", "aa")`, 'text');
  const given = answer(`${doubled} == ""`, 'a');
  t.true('error' in (given as object));
});

test('what is nested too deeply does not compile', (t) => {
  for (const [open, close] of ['()', '[]'] as const) {
    const given = answer(`${open?.repeat(100_000)}1${close?.repeat(100_000)}`);
    t.true('problem' in (given as object));
  }
  t.true('problem' in (answer('!'.repeat(100_000)) as object));
});
