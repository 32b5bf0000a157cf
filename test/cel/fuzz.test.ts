import test from 'ava';
import { array, assert, constantFrom, jsonValue, letrec, oneof, property, string, tuple } from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { parse } from '../../src/cel/parser.ts';
import { BASE_ENVIRONMENT } from '../../src/apiserver/cel/base-environment.ts';
import { DYN } from '../../src/cel/types.ts';
import { answerOf, jsonValueOf } from '../helpers/cel.ts';

const wanted = process.env['FUZZ_RUNS'];
const RUNS = wanted ? { numRuns: Number(wanted) } : { seed: 20_241_124, numRuns: 2_000 };
const LIMIT = 100_000;
const TOKENS = [
  ...Array.from('()[]{}.,:?!-+*/%<>=&|"\'`\\ \n'),
  'a',
  'self',
  'x',
  '0',
  '1',
  '2u',
  '1.5e3',
  '9223372036854775807',
  'true',
  'null',
  'in',
  '.?',
  '[?',
  '==',
  '!=',
  '<=',
  '&&',
  '||',
  '"s"',
  "b'x'",
  "r'\\d'",
  '"""',
  '.all(',
  '.map(',
  '.filter(',
  '.exists(',
  'has(',
  'size(',
  '.matches(',
  '.format(',
  '.split(',
  '.join()',
  'lists.range(',
  'optional.of(',

  'quantity(',
  'duration(',
  'timestamp(',
  '.sortBy(',
  '.flatten(',
  '.transformMap(',
  '\u0000',
  '😀',
  '\ud800',
];

const environment = BASE_ENVIRONMENT.extend({ variables: { self: DYN } });
const text = oneof(
  string({ maxLength: 60 }),
  array(constantFrom(...TOKENS), { maxLength: 25 }).map((tokens) => tokens.join('')),
);

/** Expressions that parse, mostly, and go wrong in every other way. */
const { expression } = letrec<{ expression: string }>((tie) => {
  const inner = tie('expression');
  const call = (name: string, count: number): Arbitrary<string> =>
    array(inner, { minLength: count, maxLength: count }).map((args) => `${name}(${args.join(', ')})`);
  return {
    expression: oneof(
      { depthSize: 'small', withCrossShrink: true },
      constantFrom('self', 'self.a', 'self.b', 'x', '1', '-7', '2u', '1.5', '"text"', 'b"x"', 'null', 'true'),
      constantFrom('[]', '[1, 2, 3]', '{"a": 1}', 'duration("1h")', 'timestamp(0)', 'optional.none()'),
      tuple(inner, constantFrom('+', '-', '*', '/', '%', '==', '<', '&&', '||', 'in', '.?a +'), inner).map(
        (parts) => `(${parts.join(' ')})`,
      ),
      tuple(inner, constantFrom('all', 'exists', 'exists_one', 'map', 'filter', 'sortBy'), inner).map(
        ([over, macro, each]) => `${over}.${macro}(x, ${each})`,
      ),
      tuple(inner, inner, inner).map(([first, second, third]) => `(${first} ? ${second} : ${third})`),
      tuple(inner, inner).map(([list, index]) => `${list}[${index}]`),
      constantFrom(
        'size',
        'string',
        'int',
        'uint',
        'double',
        'bytes',
        'type',
        'dyn',
        'lists.range',
        'quantity',
      ).chain((name) => call(name, 1)),
      tuple(inner, constantFrom('matches', 'split', 'format', 'replace', 'join', 'find', 'slice')).chain(
        ([target, name]) => call(`${target}.${name}`, 1),
      ),
    ),
  };
});

test('parsing takes anything and tells what is wrong', (t) => {
  assert(
    property(text, (source) => {
      const { expr, issues } = parse(source, environment.options.macros);
      return expr !== undefined || issues.length > 0;
    }),
    RUNS,
  );
  t.pass();
});

test('compiling and running throw nothing but the errors of the language', (t) => {
  let longest = 0;
  assert(
    property(oneof(text, expression), jsonValue(), (source, given) => {
      const start = performance.now();
      answerOf(source, { self: jsonValueOf({ a: given, b: [1, 'x', null] }) }, environment, LIMIT);
      longest = Math.max(longest, performance.now() - start);
    }),
    RUNS,
  );
  t.true(longest < 1_000, `${longest} ms`);
});
