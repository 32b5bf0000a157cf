import test from 'ava';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';

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

const MAPS = '/api/v1/namespaces/default/configmaps';
const map = (name: string, data: Record<string, string> = { a: '1' }, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  data,
});

for (const http1 of [false, true]) {
  const name = http1 ? 'HTTP/1.1' : 'HTTP/2';
  test(`an object is created, read, replaced, patched and deleted over ${name}`, async (t) => {
    const on = http1 ? api1 : api;
    const path = `${MAPS}/round-${http1 ? 'one' : 'two'}`;
    const created = await on.post(MAPS, map(path.split('/').at(-1) ?? ''));
    t.is(created.status, 201);
    const object = created.json();
    t.regex(object.metadata.uid ?? '', /^[0-9a-f-]{36}$/);
    t.regex(object.metadata.creationTimestamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    t.is(object.metadata.namespace, 'default');
    const read = await on.get(path);
    t.deepEqual(read.json(), object);
    t.is(read.headers['content-type'], 'application/json');
    const replaced = await on.put(path, { ...object, data: { a: '2' } });
    t.is(replaced.status, 200);
    t.deepEqual(replaced.json().data, { a: '2' });
    t.true(Number(replaced.json().metadata.resourceVersion) > Number(object.metadata.resourceVersion));
    const patched = await on.patch(path, 'merge', { data: { b: '3' } });
    t.deepEqual(patched.json().data, { a: '2', b: '3' });
    const deleted = await on.delete(path);
    t.is(deleted.status, 200);
    t.like(deleted.json(), {
      kind: 'Status',
      status: 'Success',
      details: { kind: 'configmaps', uid: object.metadata.uid },
    });
    const gone = await on.get(path);
    t.is(gone.status, 404);
    t.like(gone.json(), {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'NotFound',
      code: 404,
      message: `configmaps "${path.split('/').at(-1)}" not found`,
    });
  });
}

test('a second create of the same name is refused with AlreadyExists', async (t) => {
  await api.post(MAPS, map('twice'));
  const second = await api.post(MAPS, map('twice'));
  t.is(second.status, 409);
  t.like(second.json(), { reason: 'AlreadyExists', message: 'configmaps "twice" already exists' });
});

test('generateName makes distinct names without vowels', async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => api.post(MAPS, { metadata: { generateName: 'gen-' } })),
  );
  const names = answers.map((answer) => answer.json().metadata.name ?? '');
  t.is(new Set(names).size, 20);
  for (const name of names) t.regex(name, /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
});

test('an update with an old resourceVersion conflicts, one without overwrites', async (t) => {
  const first = (await api.post(MAPS, map('stale'))).json();
  await api.put(`${MAPS}/stale`, { ...first, data: { a: '2' } });
  const stale = await api.put(`${MAPS}/stale`, { ...first, data: { a: '3' } });
  t.is(stale.status, 409);
  t.is(
    stale.json().message,
    'Operation cannot be fulfilled on configmaps "stale": the object has been modified; ' +
      'please apply your changes to the latest version and try again',
  );
  const unconditional = await api.put(`${MAPS}/stale`, map('stale', { a: '4' }));
  t.is(unconditional.status, 200);
  t.deepEqual(unconditional.json().data, { a: '4' });
});

test('an update that changes nothing writes nothing', async (t) => {
  const first = (await api.post(MAPS, map('same'))).json();
  const before = await plane.storage.get('/registry/configmaps/default/same');
  const again = await api.put(`${MAPS}/same`, { data: first.data, ...first });
  t.is(again.json().metadata.resourceVersion, first.metadata.resourceVersion);
  const patched = await api.patch(`${MAPS}/same`, 'merge', { data: { a: '1' } });
  t.is(patched.json().metadata.resourceVersion, first.metadata.resourceVersion);
  const after = await plane.storage.get('/registry/configmaps/default/same');
  t.is(after.kv?.modRevision, before.kv?.modRevision);
});

test('what the server sets is not taken from clients', async (t) => {
  const created = await api.post(
    MAPS,
    map(
      'mine',
      {},
      { uid: 'x', creationTimestamp: '2001-01-01T00:00:00Z', deletionTimestamp: '2001-01-01T00:00:00Z' },
    ),
  );
  t.is(created.status, 201);
  t.not(created.json().metadata.uid, 'x');
  t.not(created.json().metadata.creationTimestamp, '2001-01-01T00:00:00Z');
  t.is(created.json().metadata.deletionTimestamp, undefined);
  const changed = await api.put(
    `${MAPS}/mine`,
    map('mine', {}, { creationTimestamp: '2001-01-01T00:00:00Z' }),
  );
  t.is(changed.status, 200);
  t.is(changed.json().metadata.creationTimestamp, created.json().metadata.creationTimestamp);
  const otherUid = await api.put(`${MAPS}/mine`, map('mine', {}, { uid: 'another' }));
  t.is(otherUid.status, 409);
});

test('names and namespaces in the body must be those of the path', async (t) => {
  const elsewhere = await api.post(MAPS, map('x', {}, { namespace: 'kube-system' }));
  t.is(elsewhere.status, 400);
  t.is(
    elsewhere.json().message,
    'the namespace of the provided object does not match the namespace sent on the request',
  );
  await api.post(MAPS, map('named'));
  const renamed = await api.put(`${MAPS}/named`, map('other'));
  t.is(renamed.status, 400);
  t.is(renamed.json().message, 'the name of the object (other) does not match the name on the URL (named)');
});

test('bad metadata is refused field by field in upstream words', async (t) => {
  const answer = await api.post(MAPS, {
    metadata: { name: 'Bad_Name', labels: { 'a b': 'x' }, finalizers: ['no good'] },
  });
  t.is(answer.status, 422);
  const status = answer.json() as unknown as {
    message: string;
    details: { causes: Array<{ field: string; reason: string }> };
  };
  t.deepEqual(
    status.details.causes.map(({ field }) => field),
    ['metadata.name', 'metadata.labels', 'metadata.finalizers', 'metadata.finalizers[0]'],
  );
  t.regex(
    status.message,
    /^ConfigMap "Bad_Name" is invalid: \[metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123/,
  );
  const nameless = await api.post(MAPS, { metadata: {} });
  t.is(
    nameless.json().message,
    'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
  );
});

test('a dry run answers like the real thing and stores nothing', async (t) => {
  const created = await api.post(`${MAPS}?dryRun=All`, map('dry'));
  t.is(created.status, 201);
  t.is((await api.get(`${MAPS}/dry`)).status, 404);
  await api.post(MAPS, map('wet'));
  const patched = await api.request('PATCH', `${MAPS}/wet?dryRun=All`, {
    body: { data: { a: '9' } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  t.deepEqual(patched.json().data, { a: '9' });
  t.deepEqual((await api.get(`${MAPS}/wet`)).json().data, { a: '1' });
  t.is((await api.delete(`${MAPS}/wet?dryRun=All`)).status, 200);
  t.is((await api.get(`${MAPS}/wet`)).status, 200);
  const unknown = await api.post(`${MAPS}?dryRun=Some`, map('dry'));
  t.is(unknown.status, 422);
  t.regex(String(unknown.json().message), /dryRun: Unsupported value: \["Some"\]: supported values: "All"/);
});

test('a PUT to a missing name creates where the kind allows it, and is NotFound elsewhere', async (t) => {
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  const lease = await api.put(`${leases}/fresh`, {
    metadata: { name: 'fresh' },
    spec: { holderIdentity: 'me' },
  });
  t.is(lease.status, 201);
  t.is((await api.put(`${MAPS}/missing`, map('missing'))).status, 404);
});

test('methods and paths that are not served are told so', async (t) => {
  t.is((await api.get('/api/v1/nonsense')).status, 404);
  t.is((await api.get('/nonsense')).status, 404);
  const put = await api.put(MAPS, map('x'));
  t.is(put.status, 405);
  t.is((await api.get('/api/v1/namespaces/default/configmaps/a/status')).status, 404);
});

test('who cannot be identified gets 401, who may not gets 403', async (t) => {
  const nobody = new RawApi(plane, { identity: null });
  const stranger = new RawApi(plane, { identity: plane.identity('stranger') });
  t.teardown(() => {
    nobody.close();
    stranger.close();
  });
  const unknown = await nobody.get(MAPS);
  t.is(unknown.status, 401);
  t.like(unknown.json(), { kind: 'Status', reason: 'Unauthorized', code: 401 });
  const refused = await stranger.get(MAPS);
  t.is(refused.status, 403);
  t.is(
    refused.json().message,
    'configmaps is forbidden: User "stranger" cannot list resource "configmaps" in API group "" in the namespace "default"',
  );
  t.is((await nobody.get('/readyz')).body.toString(), 'ok');
});
