import test from 'ava';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';
import type { JsonBody } from '../helpers/raw-api.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

test('two servers over one store see each other, and both stand behind the Service kubernetes', async (t) => {
  const storage = new MemoryStorage();
  const one = await startControlPlane({ storage });
  const two = await startControlPlane({ storage, server: { advertiseAddress: '192.0.2.2' } });
  const [first, second] = [new RawApi(one), new RawApi(two)];
  t.teardown(async () => {
    first.close();
    second.close();
    await one.close();
    await two.close();
    await storage.close();
  });
  const watch = await second.watch(`${MAPS}?watch=true`);
  await first.post(MAPS, { metadata: { name: 'shared' } });
  t.is((await watch.next())?.object.metadata.name, 'shared');
  watch.close();
  // Read from the one after a write to the other: never stale.
  for (let i = 0; i < 20; i++) {
    await first.patch(`${MAPS}/shared`, 'merge', { data: { n: String(i) } });
    t.deepEqual((await second.get(`${MAPS}/shared`)).json().data, { n: String(i) });
  }
  const endpoints = (await first.get('/api/v1/namespaces/default/endpoints/kubernetes')).json();
  const subsets = endpoints.subsets as Array<{ addresses: Array<{ ip: string }> }>;
  t.deepEqual(
    subsets[0]?.addresses.map(({ ip }) => ip),
    ['192.0.2.1', '192.0.2.2'],
  );
  await two.close();
  const left = (
    await first.get('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes')
  ).json();
  t.deepEqual(
    (left.endpoints as Array<{ addresses: string[] }>).map(({ addresses }) => addresses[0]),
    ['192.0.2.1'],
  );
});

test('writes to two servers at once conflict as to one', async (t) => {
  const storage = new MemoryStorage();
  const one = await startControlPlane({ storage });
  const two = await startControlPlane({ storage });
  const [first, second] = [new RawApi(one), new RawApi(two)];
  t.teardown(async () => {
    first.close();
    second.close();
    await one.close();
    await two.close();
    await storage.close();
  });
  const object = (await first.post(MAPS, { metadata: { name: 'raced' }, data: {} })).json();
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      (i % 2 ? first : second).put(`${MAPS}/raced`, { ...object, data: { winner: String(i) } }),
    ),
  );
  t.is(answers.filter(({ status }) => status === 200).length, 1);
  t.is(answers.filter(({ status }) => status === 409).length, 9);
  const patches = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      (i % 2 ? first : second).patch(`${MAPS}/raced`, 'merge', { data: { [`k${i}`]: '1' } }),
    ),
  );
  t.true(patches.every(({ status }) => status === 200));
  t.is(Object.keys((await first.get(`${MAPS}/raced`)).json().data as object).length, 21);
});

test('over the embedded store everything is there again after a restart, and versions go on', async (t) => {
  const directory = await temporaryDirectory(t);
  const open = () => EmbeddedStorage.open(directory, { clock: systemClock, log: silentLogger });
  let storage = await open();
  let plane = await startControlPlane({ storage });
  let api = new RawApi(plane);
  const created = (await api.post(MAPS, { metadata: { name: 'kept' }, data: { a: '1' } })).json();
  await api.patch(`${MAPS}/kept`, 'merge', { data: { a: '2' } });
  await api.post(MAPS, { metadata: { name: 'gone' } });
  await api.delete(`${MAPS}/gone`);
  const before = (await api.get(MAPS)).json();
  api.close();
  await plane.close();
  await storage.close();
  storage = await open();
  plane = await startControlPlane({ storage });
  api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
    await storage.close();
  });
  const after = (await api.get(MAPS)).json();
  t.deepEqual(after.items, before.items);
  t.true(Number(after.metadata.resourceVersion) >= Number(before.metadata.resourceVersion));
  const watch = await api.watch(`${MAPS}?watch=true&resourceVersion=${created.metadata.resourceVersion}`);
  const events = await watch.take(3);
  t.deepEqual(
    events.map(({ type, object }) => `${type} ${object.metadata.name}`),
    ['MODIFIED kept', 'ADDED gone', 'DELETED gone'],
  );
  watch.close();
});

test('chunks over the embedded store are of one version under concurrent writes', async (t) => {
  const directory = await temporaryDirectory(t);
  const storage = await EmbeddedStorage.open(directory, { clock: systemClock, log: silentLogger });
  const plane = await startControlPlane({ storage });
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
    await storage.close();
  });
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      api.post(MAPS, { metadata: { name: `m${String(i).padStart(2, '0')}` }, data: { round: '0' } }),
    ),
  );
  const stop = new AbortController();
  const writer = (async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      await api.patch(`${MAPS}/m${String(i % 40).padStart(2, '0')}`, 'merge', {
        data: { round: String(i + 1) },
      });
    }
  })();
  const seen: JsonBody[] = [];
  let token = '';
  do {
    const page = (await api.get(`${MAPS}?limit=7&continue=${token}`)).json();
    seen.push(...(page.items as JsonBody[]));
    token = page.metadata.continue ?? '';
    const newest = Math.max(
      ...(page.items as JsonBody[]).map((item) => Number(item.metadata.resourceVersion)),
    );
    t.true(newest <= Number(page.metadata.resourceVersion));
  } while (token !== '');
  stop.abort();
  await writer;
  t.is(new Set(seen.map((item) => item.metadata.name)).size, 40);
});

test('a stopped server frees its port, and closing twice is closing once', async (t) => {
  const plane = await startControlPlane();
  await Promise.all([plane.server.close(), plane.server.close()]);
  const again = await startControlPlane({ server: { port: plane.server.port } });
  t.is(again.server.port, plane.server.port);
  await again.close();
  await plane.close();
});

test('a port that is taken is said so, with a way out', async (t) => {
  const plane = await startControlPlane();
  t.teardown(() => plane.close());
  const error = await t.throwsAsync(startControlPlane({ server: { port: plane.server.port } }));
  t.like(error, { code: 'E_LISTEN' });
  t.regex(error?.message ?? '', /cannot listen on 127\.0\.0\.1:\d+/);
});
