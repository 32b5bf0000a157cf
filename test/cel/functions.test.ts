import test from 'ava';
import { BASE_ENVIRONMENT } from '../../src/apiserver/cel/base-environment.ts';
import { DYN } from '../../src/cel/types.ts';
import { answerOf, jsonValueOf } from '../helpers/cel.ts';

const self = jsonValueOf({ list: [1, 'x', null, [2]], map: { a: 1 }, text: 'a', none: null });
const environment = BASE_ENVIRONMENT.extend({ variables: { self: DYN } });

/** One of every type, of which the checker knows none. */
const VALUES = [
  'self.map',
  'self.list',
  'self.text',
  'self.none',
  'dyn(1)',
  'dyn(-1)',
  'dyn(2u)',
  'dyn(1.5)',
  'dyn(true)',
  'dyn(b"x")',
  'dyn(duration("1h"))',
  'dyn(timestamp(0))',
  'dyn(type(1))',
  'dyn(optional.of(1))',
  'dyn(optional.none())',
  'dyn(quantity("1Gi"))',
  'dyn(ip("10.0.0.1"))',
  'dyn(cidr("10.0.0.0/8"))',
  'dyn(url("https://a"))',
  'dyn(semver("1.2.3"))',
  'dyn(format.uuid())',
  'dyn([optional.of(1)])',
  'dyn(["b"])',
];

/** Every call that the overloads allow with the first argument and all the others of one kind. */
function* calls(): IterableIterator<string> {
  for (const { name, overloads } of BASE_ENVIRONMENT.options.functions) {
    if (!/^[a-z]/i.test(name)) continue;
    const shapes = new Set(overloads.map(({ args, isMember }) => `${args.length} ${isMember}`));
    for (const shape of shapes) {
      const [count = '', isMember] = shape.split(' ');
      for (const first of VALUES) {
        for (const other of Number(count) > 1 ? VALUES : ['']) {
          const args = [first, ...Array.from({ length: Math.max(0, Number(count) - 1) }, () => other)];
          yield isMember === 'true'
            ? `${first}.${name}(${args.slice(1).join(', ')})`
            : `${name}(${args.slice(0, Number(count)).join(', ')})`;
        }
      }
    }
  }
}

test('functions refuse what they are not for, whatever it is', (t) => {
  let count = 0;
  for (const call of calls()) {
    t.notThrows(() => answerOf(call, { self }, environment, 1_000_000), call);
    count += 1;
  }
  t.true(count > 20_000, String(count));
});
