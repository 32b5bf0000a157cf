/** Three members, of which one dies or falls silent under load. */
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EtcdMembers } from '../../src/storage/etcd/members.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { etcdBinary, startEtcd, type EtcdServer } from '../helpers/etcd.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { put, text } from '../contract/storage-kit.ts';
import { watch, type WatchRecorder } from '../contract/watch-recorder.ts';

// One cluster at a time: three members of each would slow each other down.
const run = etcdBinary() ? test.serial : test.serial.skip;

/** How long the store may refuse or hold writes when a member is lost. */
const GAP_MS = 5000;

interface Cluster {
  members: EtcdServer[];
  storage: EtcdStorage;
}

/** `active`: whether the store is to use the member that leads, or a follower, first. */
async function setUp(t: ExecutionContext, first: 'leader' | 'follower'): Promise<Cluster> {
  const members = await startEtcd(3);
  t.teardown(() => Promise.all(members.map((member) => member.stop())));
  const urls = members.map((member) => member.url);
  const admin = await EtcdMembers.open({ endpoints: urls, clock: systemClock });
  const statuses = await Promise.all(urls.map((url) => admin.status(url)));
  admin.close();
  const leads = (i: number): boolean => statuses[i]!.id === statuses[i]!.leader;
  const order = urls.map((_, i) => i).toSorted((a, b) => Number(leads(b)) - Number(leads(a)));
  if (first === 'follower') order.push(order.shift()!);
  const ordered = order.map((i) => members[i]!);
  const endpoints = ordered.map((member) => member.url);
  const storage = await EtcdStorage.open({ endpoints, clock: systemClock });
  t.teardown(() => storage.close());
  return { members: ordered, storage };
}

interface Load {
  /** Writes acknowledged so far. */
  readonly acknowledged: Map<string, number>;
  /** The longest time between two acknowledgements. */
  readonly longestGapMs: number;
  stop(): Promise<void>;
}

/** Hands that increment keys of their own by compare-and-set, without a pause. */
function load(storage: EtcdStorage, hands: number): Load {
  const acknowledged = new Map<string, number>();
  const stop = new AbortController();
  let longestGapMs = 0;
  let lastMs = systemClock.monotonicMs();
  const hand = async (key: string): Promise<void> => {
    let at = 0;
    for (let i = 1; !stop.signal.aborted; i++) {
      const result = await storage.put(key, Buffer.from(String(i)), at);
      if (!result.ok) throw new Error(`${key}: ${i} met ${text(result.current)}, expected revision ${at}`);
      at = result.revision;
      acknowledged.set(key, i);
      const nowMs = systemClock.monotonicMs();
      longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
      lastMs = nowMs;
    }
  };
  const all = Promise.all(Array.from({ length: hands }, (_, i) => hand(`/load/${i}`)));
  // A failure is reported by stop.
  all.catch(() => {});
  return {
    acknowledged,
    get longestGapMs() {
      return longestGapMs;
    },
    async stop() {
      stop.abort();
      await all;
    },
  };
}

async function more(load: Load, writes: number): Promise<void> {
  const sum = (): number => [...load.acknowledged.values()].reduce((total, n) => total + n, 0);
  const target = sum() + writes;
  await waitFor(`${writes} more writes`, () => sum() >= target);
}

/** Every acknowledged write is there, once, and the watch saw exactly what history holds. */
async function checkNothingLost(
  t: ExecutionContext,
  { storage }: Cluster,
  { acknowledged }: Load,
  recorder: WatchRecorder,
): Promise<void> {
  const { kvs } = await storage.range({ prefix: '/load/' });
  t.deepEqual(
    new Map(kvs.map((kv) => [kv.key, Number(kv.value.toString())])),
    new Map([...acknowledged].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );
  const writes = [...acknowledged.values()].reduce((total, n) => total + n, 0);
  await recorder.until(writes);
  t.is(recorder.ended, undefined);
  const history = await watch(storage, '/load/', 2);
  await history.until(writes);
  t.is(history.events.length, writes);
  t.deepEqual(recorder.revisions, history.revisions);
  const seen = new Map<string, number>();
  for (const event of recorder.events) {
    const before = seen.get(event.key) ?? 0;
    t.is(Number(event.value.toString()), before + 1);
    t.is(Number(event.previous?.value.toString() ?? 0), before);
    seen.set(event.key, before + 1);
  }
}

for (const first of ['leader', 'follower'] as const) {
  run(
    `kill -9 of the member in use, a ${first}, loses no write and no event, and writes go on`,
    async (t) => {
      const cluster = await setUp(t, first);
      const recorder = await watch(cluster.storage, '/load/', 2);
      const writing = load(cluster.storage, 8);
      await more(writing, 300);
      await cluster.members[0]!.kill();
      await more(writing, 300);
      t.log(`longest gap between writes: ${Math.round(writing.longestGapMs)} ms`);
      t.true(writing.longestGapMs < GAP_MS, `${writing.longestGapMs} ms`);
      // It comes back, and the one that took over dies in turn.
      await cluster.members[0]!.restart();
      await waitFor('the member to be back', async () => {
        const back = await EtcdStorage.open({
          endpoints: [cluster.members[0]!.url],
          clock: systemClock,
          requestMs: 2000,
        });
        await back.close();
        return true;
      });
      await more(writing, 100);
      await cluster.members[1]!.kill();
      await more(writing, 300);
      await writing.stop();
      await checkNothingLost(t, cluster, writing, recorder);
    },
  );
}

run('a member that falls silent is left within a second, with reads, writes and watches', async (t) => {
  const { members, storage } = await setUp(t, 'follower');
  const recorder = await watch(storage, '/', 2);
  await put(storage, '/a', '1');
  await recorder.until(1);
  members[0]!.freeze();
  const startedMs = systemClock.monotonicMs();
  t.is(text((await storage.get('/a')).kv), '/a=1@2/2');
  const readMs = systemClock.monotonicMs() - startedMs;
  t.log(`a read took ${Math.round(readMs)} ms`);
  // A second by design; a machine that is busy with other tests is given more.
  t.true(readMs < 2000, `${readMs} ms`);
  const revision = await put(storage, '/a', '2');
  await recorder.until(2);
  t.deepEqual(recorder.revisions, [2, revision]);
  members[0]!.thaw();
  await put(storage, '/a', '3');
  await recorder.until(3);
  t.is(recorder.events.length, 3);
});

run('a watch leaves a silent member although nobody reads or writes here', async (t) => {
  const { members, storage } = await setUp(t, 'follower');
  const recorder = await watch(storage, '/', 2);
  const other = await EtcdStorage.open({ endpoints: [members[1]!.url], clock: systemClock });
  await put(other, '/a', '1');
  await recorder.until(1);
  members[0]!.freeze();
  await put(other, '/a', '2');
  const startedMs = systemClock.monotonicMs();
  await recorder.until(2);
  const tookMs = systemClock.monotonicMs() - startedMs;
  t.log(`the event came after ${Math.round(tookMs)} ms`);
  t.true(tookMs < 2500, `${tookMs} ms`);
  t.deepEqual(recorder.revisions, [2, 3]);
  members[0]!.thaw();
  await other.close();
});

run('without a quorum requests fail with a code, and succeed again when it is back', async (t) => {
  const { members, storage } = await setUp(t, 'leader');
  const impatient = await EtcdStorage.open({
    endpoints: members.map((member) => member.url),
    clock: systemClock,
    requestMs: 1500,
    attemptMs: 500,
  });
  const recorder = await watch(storage, '/', 2);
  await put(storage, '/a', '1');
  await Promise.all([members[0]!.kill(), members[1]!.kill()]);
  await t.throwsAsync(impatient.get('/a'), { code: 'E_STORAGE_UNAVAILABLE' });
  const error = await t.throwsAsync(impatient.put('/a', Buffer.from('x'), 2));
  t.regex(String((error as { code?: string }).code), /^E_STORAGE_(UNAVAILABLE|UNKNOWN_OUTCOME)$/);
  await Promise.all([members[0]!.restart(), members[1]!.restart()]);
  await waitFor('the store to answer', async () => (await storage.get('/a')).kv);
  await put(storage, '/b', '1');
  await waitFor('the event', () => recorder.events.some((event) => event.key === '/b'));
  t.is(recorder.ended, undefined);
  await impatient.close();
});

run('a compaction while the watch was away ends it, or it goes on without a gap', async (t) => {
  const { members, storage } = await setUp(t, 'follower');
  const other = await EtcdStorage.open({ endpoints: [members[1]!.url], clock: systemClock });
  const recorder = await watch(storage, '/', 2);
  await put(storage, '/a', '0');
  await recorder.until(1);
  members[0]!.freeze();
  for (let i = 1; i <= 5; i++) await put(other, '/a', String(i));
  await other.compact(7);
  await waitFor('the end or all events', () => recorder.ended ?? recorder.events.length >= 6);
  if (recorder.ended) t.like(recorder.ended, { code: 'E_STORAGE_COMPACTED', compactedRevision: 7 });
  t.deepEqual(
    recorder.revisions,
    recorder.revisions.map((_, i) => i + 2),
  );
  members[0]!.thaw();
  await other.close();
});

if (!etcdBinary()) test('fail-over of etcd is not tested: there is no etcd here', (t) => t.pass());
