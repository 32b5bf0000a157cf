/** API servers over a real etcd: what clients see does not depend on the engine. */
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { startControlPlane, type TestControlPlane } from '../helpers/control-plane.ts';
import { etcdBinary, startEtcd, type EtcdServer } from '../helpers/etcd.ts';
import { RawApi, type JsonBody } from '../helpers/raw-api.ts';
import { waitFor } from '../helpers/wait-for.ts';

const run = etcdBinary() ? test : test.skip;
const MAPS = '/api/v1/namespaces/default/configmaps';

async function startOn(
  t: ExecutionContext,
  members: EtcdServer[],
): Promise<{ plane: TestControlPlane; storage: EtcdStorage; api: RawApi }> {
  const endpoints = members.map((member) => member.url);
  const storage = await EtcdStorage.open({ endpoints, clock: systemClock });
  const server = { watchWindow: { maxEvents: 5, maxBytes: 1 << 20 } };
  const plane = await startControlPlane({ storage, server });
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
    await storage.close();
  });
  return { plane, storage, api };
}

const names = (list: JsonBody): Array<string | undefined> =>
  (list.items as JsonBody[]).map((item) => item.metadata.name);

run('create, watch, chunks of a list, and 410 after compaction', async (t) => {
  const members = await startEtcd();
  t.teardown(() => members[0]!.stop());
  const { storage, api } = await startOn(t, members);
  const watch = await api.watch(`${MAPS}?watch=true&labelSelector=app=web`);
  for (let i = 0; i < 7; i++) {
    const answer = await api.post(MAPS, { metadata: { name: `map-${i}`, labels: { app: 'web' } } });
    t.is(answer.status, 201);
    t.like(await watch.next(), { type: 'ADDED', object: { metadata: { name: `map-${i}` } } });
  }
  watch.close();

  const first = (await api.get(`${MAPS}?limit=3&labelSelector=app=web`)).json();
  t.deepEqual(names(first), ['map-0', 'map-1', 'map-2']);
  await api.delete(`${MAPS}/map-4`);
  const second = (
    await api.get(`${MAPS}?limit=3&labelSelector=app=web&continue=${first.metadata.continue}`)
  ).json();
  // The list is of the version of its first chunk: what was deleted since is in it.
  t.deepEqual(names(second), ['map-3', 'map-4', 'map-5']);

  await storage.compact(await storage.currentRevision());
  const expired = await api.get(`${MAPS}?limit=3&labelSelector=app=web&continue=${second.metadata.continue}`);
  t.is(expired.status, 410);
  t.like(expired.json(), { kind: 'Status', reason: 'Expired' });
  const old = await api.watch(`${MAPS}?watch=true&resourceVersion=${first.metadata.resourceVersion}`);
  for (let i = 0; i < 8; i++) await api.patch(`${MAPS}/map-0`, 'merge', { data: { n: String(i) } });
  old.close();
  const late = await api.watch(`${MAPS}?watch=true&resourceVersion=${first.metadata.resourceVersion}`);
  t.like((await late.next())?.object, { kind: 'Status', code: 410, reason: 'Expired' });
  late.close();
});

run('two servers over one etcd see each other’s writes at once, and conflict as one', async (t) => {
  const members = await startEtcd();
  t.teardown(() => members[0]!.stop());
  const [one, two] = [await startOn(t, members), await startOn(t, members)];
  const object = (await one.api.post(MAPS, { metadata: { name: 'shared' } })).json();
  for (let i = 0; i < 20; i++) {
    await one.api.patch(`${MAPS}/shared`, 'merge', { data: { n: String(i) } });
    t.deepEqual((await two.api.get(`${MAPS}/shared`)).json().data, { n: String(i) });
  }
  t.is((await two.api.put(`${MAPS}/shared`, { ...object, data: {} })).status, 409);
});

run('a server goes on with its watchers when one of three members is killed', async (t) => {
  const members = await startEtcd(3);
  t.teardown(() => Promise.all(members.map((member) => member.stop())));
  const { api } = await startOn(t, members);
  const watch = await api.watch(`${MAPS}?watch=true&labelSelector=app=web`);
  const seen: Array<string | undefined> = [];
  const reading = (async () => {
    for (let i = 0; i < 40; i++) seen.push((await watch.next())?.object.metadata.name);
  })();
  for (let i = 0; i < 40; i++) {
    if (i === 10) await members[0]!.kill();
    const answer = await api.post(MAPS, { metadata: { name: `map-${i}`, labels: { app: 'web' } } });
    t.is(answer.status, 201, answer.body.toString());
  }
  await waitFor('all events', () => seen.length === 40);
  await reading;
  t.deepEqual(
    seen,
    Array.from({ length: 40 }, (_, i) => `map-${i}`),
  );
  watch.close();
});
