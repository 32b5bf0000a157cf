import test from 'ava';
import { checkRemoval, quorumOf, type Voter } from '../../src/bootstrap/etcd/quorum.ts';

const voters = (healthy: string, dead = ''): Voter[] => [
  ...healthy.split('').map((name) => ({ id: name, name, healthy: true })),
  ...dead.split('').map((name) => ({ id: name, name, healthy: false })),
];

test('more than half is a quorum', (t) => {
  t.deepEqual([1, 2, 3, 4, 5].map(quorumOf), [1, 2, 2, 3, 3]);
});

test('one of three may go, the dead one and a living one', (t) => {
  t.notThrows(() => checkRemoval(voters('abc'), 'a'));
  t.notThrows(() => checkRemoval(voters('ab', 'c'), 'c'));
});

test('a living one of three may not go while another one is dead', (t) => {
  const error = t.throws(() => checkRemoval(voters('ab', 'c'), 'a'), { code: 'E_QUORUM' });
  t.regex(error.message, /without a etcd has 2 members, 2 of which must live, and 1 does \(no answer: c\)/);
});

test('of two, the living one stays where the other is dead', (t) => {
  t.throws(() => checkRemoval(voters('a', 'b'), 'a'), { code: 'E_QUORUM' });
  t.notThrows(() => checkRemoval(voters('ab'), 'b'));
});

test('the last member never goes', (t) => {
  const error = t.throws(() => checkRemoval(voters('a'), 'a'), { code: 'E_QUORUM' });
  t.regex(error.message, /a is the only member of etcd/);
});

test('five bear two dead ones, and let one of those go; not a living one that makes three of five', (t) => {
  t.notThrows(() => checkRemoval(voters('abc', 'de'), 'e'));
  t.throws(() => checkRemoval(voters('abc', 'de'), 'a'), { code: 'E_QUORUM' });
});

test('a member that is gone already is no reason to refuse', (t) => {
  t.notThrows(() => checkRemoval(voters('a', 'b'), 'x'));
});
