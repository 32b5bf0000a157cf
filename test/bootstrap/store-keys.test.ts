import test from 'ava';
import { advance, firstKeys, parseKeys, renderKeys, stageOf } from '../../src/bootstrap/encryption/keys.ts';

test('a rotation adds a key, uses it, drops the old one, and ends where it began with another key', (t) => {
  const first = firstKeys();
  const added = advance(first);
  t.deepEqual([stageOf(first), stageOf(added)], ['add', 'use']);
  t.deepEqual(
    added.map(({ name }) => name),
    ['key1', 'key2'],
  );
  t.not(added[1]?.secret, first[0]?.secret);
  const used = advance(added);
  t.deepEqual([stageOf(used), used], ['drop', [added[1], added[0]]]);
  const dropped = advance(used);
  t.deepEqual([stageOf(dropped), dropped], ['add', [added[1]]]);
  t.deepEqual(
    advance(dropped).map(({ name }) => name),
    ['key2', 'key3'],
  );
});

test('keys are read as they were written; anything else is refused without showing it', (t) => {
  const keys = advance(firstKeys());
  t.deepEqual(parseKeys(renderKeys(keys)), keys);
  for (const text of ['', 'key1:tooshort\n', 'other:x\n', `${renderKeys(keys)}${renderKeys(keys)}`]) {
    const error = t.throws(() => parseKeys(text), { code: 'E_ENCRYPTION_KEYS' });
    t.notRegex(error?.message ?? '', /tooshort|[A-Za-z0-9+/]{43}=/);
  }
});
