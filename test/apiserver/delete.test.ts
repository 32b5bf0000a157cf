import test from 'ava';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';
import type { JsonBody } from '../helpers/raw-api.ts';

let plane: TestControlPlane;
let api: RawApi;

test.before(async () => {
  plane = await startControlPlane();
  api = new RawApi(plane);
});
test.after.always(async () => {
  api.close();
  await plane.close();
});

const MAPS = '/api/v1/namespaces/default/configmaps';
const create = async (name: string, finalizers?: string[]) =>
  (await api.post(MAPS, { metadata: { name, ...(finalizers ? { finalizers } : {}) } })).json();

test('preconditions on uid and version keep a deletion from the wrong object', async (t) => {
  const object = await create('guarded');
  const wrongUid = await api.delete(`${MAPS}/guarded`, { preconditions: { uid: 'other' } });
  t.is(wrongUid.status, 409);
  t.regex(
    String(wrongUid.json().message),
    /the UID in the precondition \(other\) does not match the UID in record/,
  );
  const wrongVersion = await api.delete(`${MAPS}/guarded`, { preconditions: { resourceVersion: '1' } });
  t.is(wrongVersion.status, 409);
  const right = await api.delete(`${MAPS}/guarded`, {
    preconditions: { uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion },
  });
  t.is(right.status, 200);
});

test('an object with finalizers stays, marked, until the last of them goes', async (t) => {
  await create('finalized', ['example.com/a', 'example.com/b']);
  const path = `${MAPS}/finalized`;
  const begun = await api.delete(path);
  t.is(begun.status, 200);
  const marked = begun.json();
  t.truthy(marked.metadata.deletionTimestamp);
  t.is(marked.metadata.deletionGracePeriodSeconds, 0);
  const added = await api.patch(path, 'merge', {
    metadata: { finalizers: ['example.com/a', 'example.com/b', 'example.com/c'] },
  });
  t.is(added.status, 422);
  t.regex(
    String(added.json().message),
    /metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted/,
  );
  await api.patch(path, 'merge', { metadata: { finalizers: ['example.com/b'] } });
  t.is((await api.get(path)).status, 200);
  const again = await api.post(MAPS, { metadata: { name: 'finalized' } });
  t.is(again.json().message, 'object is being deleted: configmaps "finalized" already exists');
  const last = await api.patch(path, 'merge', { metadata: { finalizers: null } });
  t.is(last.status, 200);
  t.is((await api.get(path)).status, 404);
});

test('the propagation policy becomes a finalizer for the garbage collector', async (t) => {
  await create('orphaned');
  const orphan = await api.delete(`${MAPS}/orphaned`, { propagationPolicy: 'Orphan' });
  t.deepEqual(orphan.json().metadata.finalizers, ['orphan']);
  await create('foreground');
  const foreground = await api.delete(`${MAPS}/foreground?propagationPolicy=Foreground`);
  t.deepEqual(foreground.json().metadata.finalizers, ['foregroundDeletion']);
  await create('background');
  await api.delete(`${MAPS}/background`, { propagationPolicy: 'Background' });
  t.is((await api.get(`${MAPS}/background`)).status, 404);
  await create('confused');
  const both = await api.delete(`${MAPS}/confused`, { propagationPolicy: 'Orphan', orphanDependents: true });
  t.is(both.status, 422);
  const unknown = await api.delete(`${MAPS}/confused`, { propagationPolicy: 'Sideways' });
  t.regex(String(unknown.json().message), /propagationPolicy: Unsupported value: "Sideways"/);
});

test('a collection is deleted as far as the selector goes', async (t) => {
  const other = '/api/v1/namespaces/kube-public/configmaps';
  for (const name of ['a1', 'a2', 'b1']) {
    await api.post(other, { metadata: { name, labels: { group: name.slice(0, 1) } } });
  }
  const answer = await api.delete(`${other}?labelSelector=group%3Da`);
  t.is(answer.status, 200);
  t.deepEqual(
    (answer.json().items as JsonBody[]).map((item) => item.metadata.name),
    ['a1', 'a2'],
  );
  const left = (await api.get(other)).json().items as JsonBody[];
  t.deepEqual(
    left.map((item) => item.metadata.name),
    ['b1'],
  );
});

test('deleting what is not there is NotFound', async (t) => {
  const answer = await api.delete(`${MAPS}/never`);
  t.is(answer.status, 404);
});

test('of many deletions of one object at once, one succeeds', async (t) => {
  await create('contested');
  const answers = await Promise.all(Array.from({ length: 10 }, () => api.delete(`${MAPS}/contested`)));
  t.is(answers.filter(({ status }) => status === 200).length, 1);
  t.is(answers.filter(({ status }) => status === 404).length, 9);
});
