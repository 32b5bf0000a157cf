import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Journal, readJournal, type JournalEntry } from '../../src/bootstrap/journal.ts';
import { StateDirectory } from '../../src/bootstrap/state-directory.ts';
import { FakeHost } from '../../src/provision/fake-host.ts';
import { FencedHost } from '../../src/provision/fenced-host.ts';
import { createClock } from '../helpers/fake-clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitFor } from '../helpers/wait-for.ts';

test('a change stands in the journal before it begins and after it has ended, and knows its id', async (t) => {
  const state = new StateDirectory(await temporaryDirectory(t));
  const journal = new Journal(state, createClock());
  const lines = async (): Promise<JournalEntry[]> =>
    (await readFile(join(state.path, 'journal.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as JournalEntry);
  const what = { phase: 'dns', node: 'w1', change: 'start slipway-dns.service' };
  let id = '';
  await journal.record(what, async (given) => {
    id = given;
    t.deepEqual(
      (await lines()).map(({ state: now }) => now),
      ['begun'],
    );
  });
  const failure = new Error('no such unit\nand more');
  await t.throwsAsync(
    journal.record({ ...what, node: undefined }, async () => Promise.reject(failure)),
    { is: failure },
  );
  const [begun, done, begunToo, failed] = await lines();
  t.like(begun, { ...what, id, state: 'begun' });
  t.like(done, { id, state: 'done' });
  t.like(begunToo, { node: null, state: 'begun' });
  t.like(failed, { id: begunToo?.id, state: 'failed', error: 'no such unit' });
  t.not(begunToo?.id, id);
  t.is((await stat(join(state.path, 'journal.jsonl'))).mode & 0o777, 0o600);
});

test('scripts on a server are told the change that they belong to', async (t) => {
  const server = new FakeHost('w1');
  const host = new FencedHost(server);
  host.step('1.7');
  await host.tryRun('true');
  t.is(server.scripts.at(-1), `SLIPWAY_STEP='1.7'\ntrue`);
});

test('the journal is read as steps: what was cut off has only begun, and a torn line is none', async (t) => {
  const state = new StateDirectory(await temporaryDirectory(t));
  t.deepEqual(await readJournal(state), []);
  const journal = new Journal(state, createClock());
  const what = { phase: 'dns', node: 'w1', change: 'start slipway-dns.service' };
  await journal.record(what, async () => {});
  await t.throwsAsync(
    journal.record({ ...what, node: undefined, change: 'write the kubeconfig' }, async () =>
      Promise.reject(new Error('no space')),
    ),
  );
  void journal.record({ ...what, change: 'never ends' }, () => new Promise<void>(() => {}));
  await waitFor('it has begun', async () => (await readJournal(state)).length === 3);
  await state.append('journal.jsonl', '{"time":"2026-');
  const steps = await readJournal(state);
  t.deepEqual(
    steps.map(({ node, change, state: now, error }) => [node, change, now, error]),
    [
      ['w1', 'start slipway-dns.service', 'done', undefined],
      [null, 'write the kubeconfig', 'failed', 'no space'],
      ['w1', 'never ends', 'begun', undefined],
    ],
  );
});
