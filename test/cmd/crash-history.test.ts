import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkHistory, type ApiHistory } from '../helpers/api-history.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { apiOf, HistoryClients } from './history-clients.ts';
import { ServerProcess } from './server-process.ts';

const KILLS = Number(process.env['SLIPWAY_TEST_KILLS'] ?? 100);
const WRITERS = 8;
const WATCHERS = 2;

/**
 * Lets clients write and watch while the server is killed so many times, at a different number of writes each time.
 * `betweenRounds` may tamper with the data directory while nothing runs.
 */
async function killedHistory(
  t: ExecutionContext,
  kills: number,
  tamper?: { before(dataDir: string): Promise<void>; after(dataDir: string): Promise<void> },
): Promise<ApiHistory> {
  const dataDir = await temporaryDirectory(t);
  const clients = new HistoryClients('history-');
  for (let round = 0; round < kills; round++) {
    await tamper?.before(dataDir);
    const server = await ServerProcess.start(dataDir, '--port', '0');
    t.teardown(() => server.stop('SIGKILL'));
    const api = apiOf(server.kubeconfigPath);
    while (clients.watches.length < WATCHERS) await clients.startWatch(api);
    const watching = clients.watches.map((watch) => clients.follow(api, watch));
    const goal = clients.acknowledged + 20 + ((round * 37) % 90);
    let killed: Promise<unknown> | undefined;
    await clients.write(api, WRITERS, () => {
      if (clients.acknowledged >= goal) killed ??= server.stop('SIGKILL');
      return false;
    });
    await killed;
    await Promise.all(watching);
    api.close();
    await tamper?.after(dataDir);
  }
  const server = await ServerProcess.start(dataDir, '--port', '0');
  t.teardown(() => server.stop('SIGKILL'));
  const api = apiOf(server.kubeconfigPath);
  const history = await clients.finish(api);
  api.close();
  await server.stop('SIGKILL');
  return history;
}

test(`kill -9 under full writing, ${KILLS} times: nothing acknowledged is lost, no revision is used twice, no watch has a gap`, async (t) => {
  t.timeout(15 * 60_000);
  const history = await killedHistory(t, KILLS);
  t.deepEqual(checkHistory(history).slice(0, 20), []);
  const acknowledged = history.writes.filter(({ outcome }) => outcome === 'acknowledged').length;
  const unknown = history.writes.filter(({ outcome }) => outcome === 'unknown').length;
  t.log(`${acknowledged} writes acknowledged, ${unknown} of unknown outcome`);
  t.true(acknowledged >= KILLS * 20);
  t.true(unknown > 0, 'the kills came while writes were under way');
  for (const { resumed } of history.watches) t.true(resumed >= KILLS);
});

test('a disk that forgets what it had synced is found out by the same rules', async (t) => {
  t.timeout(120_000);
  const aside = join(await temporaryDirectory(t), 'store');
  let round = 0;
  const failure = await killedHistory(t, 3, {
    before: async (dataDir) => {
      if (round === 1) await cp(join(dataDir, 'store'), aside, { recursive: true });
    },
    after: async (dataDir) => {
      if (round++ !== 1) return;
      await rm(join(dataDir, 'store'), { recursive: true });
      await cp(aside, join(dataDir, 'store'), { recursive: true });
    },
  }).then(
    (history) => checkHistory(history),
    // A watch from a revision that the store has forgotten is refused: the watchers find out by themselves.
    (error: Error) => [error.message],
  );
  t.log(failure.slice(0, 3));
  t.not(failure.length, 0);
});

const HONEST: ApiHistory = {
  writes: [
    { begin: 1, end: 2, kind: 'create', key: 'a', value: 'v1', outcome: 'acknowledged', revision: 11 },
    { begin: 3, end: 4, kind: 'update', key: 'a', value: 'v2', outcome: 'acknowledged', revision: 12 },
    { begin: 5, kind: 'create', key: 'b', value: 'v3', outcome: 'unknown' },
    { begin: 6, end: 7, kind: 'delete', key: 'a', value: 'v2', outcome: 'acknowledged' },
    { begin: 8, end: 9, kind: 'create', key: 'c', value: 'v4', outcome: 'acknowledged', revision: 15 },
    { begin: 10, end: 11, kind: 'update', key: 'c', value: 'v5', outcome: 'refused' },
  ],
  watches: [
    {
      start: { revision: 10, objects: new Map() },
      events: [
        { type: 'ADDED', key: 'a', value: 'v1', revision: 11 },
        { type: 'MODIFIED', key: 'a', value: 'v2', revision: 12 },
        { type: 'ADDED', key: 'b', value: 'v3', revision: 13 },
        { type: 'DELETED', key: 'a', value: 'v2', revision: 14 },
        { type: 'ADDED', key: 'c', value: 'v4', revision: 15 },
      ],
      resumed: 2,
    },
  ],
  final: new Map([
    ['b', 'v3'],
    ['c', 'v4'],
  ]),
};

const PLANTED: Array<[string, (history: ApiHistory) => void, RegExp]> = [
  [
    'a lost event',
    ({ watches }) => watches[0]!.events.splice(1, 1),
    /missed the acknowledged update of a=v2/,
  ],
  [
    'a lost deletion',
    ({ watches }) => watches[0]!.events.splice(3, 1),
    /missed the acknowledged delete of a=v2/,
  ],
  [
    'an event twice',
    ({ watches }) => watches[0]!.events.splice(1, 0, watches[0]!.events[0]!),
    /came after revision 11/,
  ],
  ['a lost write', ({ final }) => final.delete('c'), /ended with c=v4, the list with nothing/],
  ['a revision used twice', ({ writes }) => (writes[4]!.revision = 12), /used twice/],
  ['a revision that goes back', ({ writes }) => (writes[4]!.revision = 10), /went back/],
  [
    'a refused write that happened',
    ({ writes }) => (writes[4]!.outcome = 'refused'),
    /v4 at 15, which was refused/,
  ],
  ['a write of nobody', ({ writes }) => writes.splice(2, 1), /b=v3 at 13, which nobody wrote/],
  [
    'a watch that stops early',
    ({ watches }) => watches[0]!.events.pop(),
    /never reached the acknowledged create of c=v4/,
  ],
];

test('an honest history passes', (t) => {
  t.deepEqual(checkHistory(structuredClone(HONEST)), []);
});

for (const [what, plant, expected] of PLANTED) {
  test(`the history checker finds ${what}`, (t) => {
    const history = structuredClone(HONEST);
    plant(history);
    const problems = checkHistory(history);
    t.true(
      problems.some((problem) => expected.test(problem)),
      problems.join('\n'),
    );
  });
}
