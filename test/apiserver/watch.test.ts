import test from 'ava';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';
import { waitFor } from '../helpers/wait-for.ts';

let plane: TestControlPlane;
let api: RawApi;
let api1: RawApi;

test.before(async () => {
  plane = await startControlPlane();
  api = new RawApi(plane);
  api1 = new RawApi(plane, { http1: true });
});
test.after.always(async () => {
  api.close();
  api1.close();
  await plane.close();
});

/** A namespace of the test's own, so that tests do not see each other's objects. */
async function namespace(name: string): Promise<string> {
  await api.post('/api/v1/namespaces', { metadata: { name } });
  return `/api/v1/namespaces/${name}/configmaps`;
}

const map = (name: string, labels: Record<string, string> = {}, data: Record<string, string> = {}) => ({
  metadata: { name, labels },
  data,
});

const brief = (event: { type: string; object: { metadata: { name?: string } } } | undefined) =>
  `${event?.type} ${event?.object.metadata.name}`;

for (const http1 of [false, true]) {
  test(`a watch without a version shows what is there and what follows over HTTP/${http1 ? '1.1' : '2'}`, async (t) => {
    const on = http1 ? api1 : api;
    const maps = await namespace(`follow-${http1 ? 'one' : 'two'}`);
    await api.post(maps, map('a'));
    const watch = await on.watch(`${maps}?watch=true`);
    t.is(brief(await watch.next()), 'ADDED a');
    await api.post(maps, map('b'));
    await api.put(`${maps}/a`, map('a', {}, { x: '1' }));
    await api.delete(`${maps}/b`);
    t.deepEqual((await watch.take(3)).map(brief), ['ADDED b', 'MODIFIED a', 'DELETED b']);
    watch.close();
  });
}

test('a watch resumes after the version that it was given, without gaps or repeats', async (t) => {
  const maps = await namespace('resume');
  const first = (await api.post(maps, map('a'))).json();
  for (let i = 0; i < 20; i++) await api.patch(`${maps}/a`, 'merge', { data: { n: String(i) } });
  const watch = await api.watch(`${maps}?watch=true&resourceVersion=${first.metadata.resourceVersion}`);
  const events = await watch.take(20);
  t.deepEqual(
    events.map(({ object }) => (object.data as { n: string }).n),
    Array.from({ length: 20 }, (_, i) => String(i)),
  );
  watch.close();
  const middle = events[9]?.object.metadata.resourceVersion ?? '';
  const again = await api.watch(`${maps}?watch=true&resourceVersion=${middle}`);
  t.like((await again.next())?.object.data, { n: '10' });
  again.close();
});

test('the last state travels with DELETED, under the version of the deletion', async (t) => {
  const maps = await namespace('last');
  const created = (await api.post(maps, map('a', {}, { x: 'final' }))).json();
  const watch = await api.watch(`${maps}?watch=true&resourceVersion=${created.metadata.resourceVersion}`);
  await api.delete(`${maps}/a`);
  const event = await watch.next();
  t.is(event?.type, 'DELETED');
  t.deepEqual(event?.object.data, { x: 'final' });
  t.true(Number(event?.object.metadata.resourceVersion) > Number(created.metadata.resourceVersion));
  watch.close();
});

test('objects that enter or leave a label selector are added or deleted for the watcher', async (t) => {
  const maps = await namespace('selector');
  const start = (await api.get(maps)).json().metadata.resourceVersion;
  const watch = await api.watch(`${maps}?watch=true&labelSelector=app%3Dweb&resourceVersion=${start}`);
  await api.post(maps, map('a', { app: 'db' }));
  await api.put(`${maps}/a`, map('a', { app: 'web' }));
  await api.put(`${maps}/a`, map('a', { app: 'web', more: '1' }));
  const left = (await api.put(`${maps}/a`, map('a', { app: 'db' }))).json();
  await api.put(`${maps}/a`, map('a', { app: 'db', more: '1' }));
  await api.put(`${maps}/a`, map('a', { app: 'web' }));
  await api.delete(`${maps}/a`);
  const events = await watch.take(5);
  t.deepEqual(events.map(brief), ['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED a', 'DELETED a']);
  // The object that left is shown as it was when it still matched.
  t.is(events[2]?.object.metadata.labels?.app, 'web');
  t.is(events[2]?.object.metadata.resourceVersion, left.metadata.resourceVersion);
  watch.close();
});

test('a field selector on the name shows that object alone', async (t) => {
  const maps = await namespace('byname');
  await api.post(maps, map('a'));
  await api.post(maps, map('ab'));
  const watch = await api.watch(`${maps}?watch=true&fieldSelector=metadata.name%3Da`);
  t.is(brief(await watch.next()), 'ADDED a');
  await api.put(`${maps}/ab`, map('ab', {}, { x: '1' }));
  await api.put(`${maps}/a`, map('a', {}, { x: '1' }));
  t.is(brief(await watch.next()), 'MODIFIED a');
  watch.close();
});

test('sendInitialEvents ends the present state with a marked bookmark, then goes on', async (t) => {
  const maps = await namespace('initial');
  await api.post(maps, map('a'));
  await api.post(maps, map('b'));
  const query =
    'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const watch = await api.watch(`${maps}?${query}`);
  const [a, b, end] = await watch.take(3);
  t.deepEqual([brief(a), brief(b)], ['ADDED a', 'ADDED b']);
  t.is(end?.type, 'BOOKMARK');
  t.is(end?.object.metadata.annotations?.['k8s.io/initial-events-end'], 'true');
  t.is(end?.object.kind, 'ConfigMap');
  t.true(Number(end?.object.metadata.resourceVersion) >= Number(b?.object.metadata.resourceVersion));
  await api.post(maps, map('c'));
  t.is(brief(await watch.next()), 'ADDED c');
  watch.close();
  const empty = await namespace('initial-empty');
  const none = await api.watch(`${empty}?${query}&resourceVersion=0`);
  t.is((await none.next())?.type, 'BOOKMARK');
  none.close();
});

test('sendInitialEvents wants resourceVersionMatch=NotOlderThan', async (t) => {
  const answer = await api.get('/api/v1/configmaps?watch=true&sendInitialEvents=true');
  t.is(answer.status, 422);
  t.regex(
    String(answer.json().message),
    /resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan/,
  );
});

test('timeoutSeconds ends a watch cleanly, with a bookmark for those who want one', async (t) => {
  const maps = await namespace('timeout');
  await api.post(maps, map('a'));
  const start = (await api.get(maps)).json().metadata.resourceVersion;
  await api.post(await namespace('timeout-other'), map('b'));
  const watch = await api.watch(
    `${maps}?watch=true&resourceVersion=${start}&timeoutSeconds=1&allowWatchBookmarks=true`,
  );
  const event = await watch.next();
  t.is(event?.type, 'BOOKMARK');
  t.true(Number(event?.object.metadata.resourceVersion) > Number(start));
  t.is(await watch.next(), undefined);
});

test('all watchers see the same events in the same order', async (t) => {
  const maps = await namespace('order');
  const start = (await api.get(maps)).json().metadata.resourceVersion;
  // A connection has 100 streams at most.
  const clients = [new RawApi(plane), new RawApi(plane)];
  t.teardown(() => clients.forEach((client) => client.close()));
  const watches = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      clients[i % 2]!.watch(`${maps}?watch=true&resourceVersion=${start}`),
    ),
  );
  await Promise.all(Array.from({ length: 30 }, (_, i) => api.post(maps, map(`m${i}`))));
  const seen = await Promise.all(watches.map(async (watch) => (await watch.take(30)).map(brief).join()));
  t.is(new Set(seen).size, 1);
  t.is(seen[0]?.split(',').length, 30);
  for (const watch of watches) watch.close();
});

test('a watch in protobuf carries framed, enveloped objects', async (t) => {
  const maps = await namespace('protobuf');
  await api.post(maps, map('a', {}, { x: '1' }));
  const { status, headers, stream, close } = await api.open('GET', `${maps}?watch=true`, {
    headers: { accept: 'application/vnd.kubernetes.protobuf;stream=watch' },
  });
  t.is(status, 200);
  t.is(headers['content-type'], 'application/vnd.kubernetes.protobuf;stream=watch');
  const [chunk] = (await stream.take(1).toArray()) as Buffer[];
  t.truthy(chunk);
  const length = chunk?.readUInt32BE(0) ?? 0;
  const { decodeWatchEvent, decodeProtobuf } = await import('../../src/api/protobuf/envelope.ts');
  const event = decodeWatchEvent(chunk?.subarray(4, 4 + length) ?? Buffer.alloc(0));
  t.is(event.type, 'ADDED');
  t.like(decodeProtobuf(event.object), { kind: 'ConfigMap', data: { x: '1' } });
  close();
});

test('a watch as Table has a row an event', async (t) => {
  const maps = await namespace('tables');
  await api.post(maps, map('a'));
  const watch = await api.watch(`${maps}?watch=true`, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
  });
  const event = await watch.next();
  t.is(event?.object.kind, 'Table');
  const table = event?.object as unknown as { rows: Array<{ cells: unknown[]; object: { kind: string } }> };
  t.is(table.rows[0]?.cells[0], 'a');
  t.is(table.rows[0]?.object.kind, 'PartialObjectMetadata');
  watch.close();
});

test('a version that is no longer kept gets 410 Expired, and so does a compacted one', async (t) => {
  const own = await startControlPlane({ server: { watchWindow: { maxEvents: 5, maxBytes: 1 << 20 } } });
  const on = new RawApi(own);
  t.teardown(async () => {
    on.close();
    await own.close();
  });
  const maps = '/api/v1/namespaces/default/configmaps';
  const first = (await on.post(maps, map('a'))).json();
  for (let i = 0; i < 8; i++) await on.patch(`${maps}/a`, 'merge', { data: { n: String(i) } });
  const watch = await on.watch(`${maps}?watch=true&resourceVersion=${first.metadata.resourceVersion}`);
  const event = await watch.next();
  t.is(event?.type, 'ERROR');
  t.like(event?.object, { kind: 'Status', code: 410, reason: 'Expired' });
  t.is(await watch.next(), undefined);
});

test('a version from the future is refused as too large', async (t) => {
  const answer = await api.get('/api/v1/configmaps?watch=true&resourceVersion=99999999');
  t.is(answer.status, 504);
  t.regex(String(answer.json().message), /^Timeout: Too large resource version: 99999999, current: \d+$/);
});

test('a server that starts over the same store lets watchers resume from before', async (t) => {
  const storage = new MemoryStorage();
  const before = await startControlPlane({ storage });
  const on = new RawApi(before);
  const maps = '/api/v1/namespaces/default/configmaps';
  const created = (await on.post(maps, map('a'))).json();
  await on.patch(`${maps}/a`, 'merge', { data: { n: '1' } });
  on.close();
  await before.close();
  const after = await startControlPlane({ storage });
  const again = new RawApi(after);
  t.teardown(async () => {
    again.close();
    await after.close();
    await storage.close();
  });
  const watch = await again.watch(`${maps}?watch=true&resourceVersion=${created.metadata.resourceVersion}`);
  t.is(brief(await watch.next()), 'MODIFIED a');
  watch.close();
});

test('a client that does not read is cut off, and others are served meanwhile', async (t) => {
  const own = await startControlPlane({ server: { watchWindow: { maxEvents: 20, maxBytes: 4 << 20 } } });
  const slow = new RawApi(own);
  const on = new RawApi(own);
  t.teardown(async () => {
    slow.close();
    on.close();
    await own.close();
  });
  const maps = '/api/v1/namespaces/default/configmaps';
  await on.post(maps, map('a'));
  const start = (await on.get(maps)).json().metadata.resourceVersion;
  const stuck = await slow.open('GET', `${maps}?watch=true&resourceVersion=${start}`);
  stuck.stream.pause();
  const reader = await on.watch(`${maps}?watch=true&resourceVersion=${start}`);
  const big = 'x'.repeat(100_000);
  const rounds = 60;
  const read = reader.take(rounds);
  for (let i = 0; i < rounds; i++) await on.patch(`${maps}/a`, 'merge', { data: { n: String(i), big } });
  t.is((await read).length, rounds);
  reader.close();
  // The stuck one gets what had been written to it, and then the word that it fell behind.
  let text = '';
  for await (const chunk of stuck.stream) text += (chunk as Buffer).toString();
  t.regex(text, /"type":"ERROR".*"reason":"Expired"/);
});

test('stopping the server ends watches without an error', async (t) => {
  const own = await startControlPlane();
  const on = new RawApi(own);
  const watch = await on.watch('/api/v1/namespaces?watch=true');
  await watch.take(4);
  const end = watch.next();
  const closing = own.close();
  t.is(await end, undefined);
  on.close();
  await closing;
  await waitFor('the port to be closed', async () => {
    const after = new RawApi(own);
    try {
      await after.get('/healthz');
      return false;
    } catch {
      return true;
    } finally {
      after.close();
    }
  });
});
