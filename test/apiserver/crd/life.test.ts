import test from 'ava';
import { MemoryStorage } from '../../../src/storage/memory/memory-storage.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import type { JsonBody } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

interface Version {
  name: string;
  storage?: boolean;
  properties?: object;
}

function definition(group: string, versions: Version[]) {
  return {
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing', shortNames: ['th'], categories: ['all'] },
      versions: versions.map(({ name, storage = false, properties = {} }) => ({
        name,
        served: true,
        storage,
        schema: {
          openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } },
        },
      })),
    },
  };
}

const A = { a: { type: 'string' } };
const things = (group: string, version = 'v1') => `/apis/${group}/${version}/namespaces/default/things`;

async function start(t: { teardown: (fn: () => Promise<void>) => void }, storage?: MemoryStorage) {
  const plane = await startControlPlane(storage ? { storage } : {});
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  return { plane, api };
}

interface Conditions extends JsonBody {
  status: { conditions?: Array<{ type: string; status: string; reason: string }>; storedVersions: string[] };
}

async function condition(api: RawApi, group: string, type: string) {
  const answer = await api.get(`${CRDS}/things.${group}`);
  const { conditions = [] } = (answer.json() as Conditions).status;
  return conditions.find((each) => each.type === type);
}

async function establish(api: RawApi, group: string, versions: Version[]): Promise<void> {
  const created = await api.post(CRDS, definition(group, versions));
  if (created.status !== 201) throw new Error(created.body.toString());
  await waitFor('Established', async () => (await condition(api, group, 'Established'))?.status === 'True');
}

test('an established kind is in both discoveries and in OpenAPI, and leaves them with its definition', async (t) => {
  const { api } = await start(t);
  const group = 'shown.example.com';
  await establish(api, group, [{ name: 'v1', storage: true, properties: A }]);
  const list = (await api.get(`/apis/${group}/v1`)).json() as JsonBody & { resources: object[] };
  t.like(list.resources[0], { name: 'things', kind: 'Thing', shortNames: ['th'], categories: ['all'] });
  const aggregated = await api.get('/apis', {
    accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  });
  t.true(aggregated.body.toString().includes(`"name":"${group}"`));
  const v3 = await api.get(`/openapi/v3/apis/${group}/v1`);
  t.true(v3.body.toString().includes('"com.example.shown.v1.Thing"'));
  const v2 = await api.get('/openapi/v2');
  t.true(v2.body.toString().includes('"com.example.shown.v1.ThingList"'));
  await api.delete(`${CRDS}/things.${group}`);
  await waitFor('the end', async () => (await api.get(`${CRDS}/things.${group}`)).status === 404);
  t.is((await api.get(`/apis/${group}/v1`)).status, 404);
  t.is((await api.get(`/openapi/v3/apis/${group}/v1`)).status, 404);
  t.false((await api.get('/openapi/v2')).body.toString().includes('com.example.shown'));
});

test('a definition that is deleted takes its objects along, and their watches end', async (t) => {
  const { api } = await start(t);
  const group = 'gone.example.com';
  await establish(api, group, [{ name: 'v1', storage: true, properties: A }]);
  await api.post(things(group), { metadata: { name: 'one' }, spec: { a: 'x' } });
  await api.post(things(group), { metadata: { name: 'held', finalizers: ['example.com/hold'] } });
  const watch = await api.watch(`${things(group)}?watch=true`);
  t.is((await watch.take(2)).length, 2);
  await api.delete(`${CRDS}/things.${group}`);
  const [first, second] = await watch.take(2);
  const seen = [first?.type, second?.type];
  t.true(seen.includes('DELETED') && seen.includes('MODIFIED'), String(seen));
  t.is((await condition(api, group, 'Terminating'))?.reason, 'InstanceDeletionInProgress');
  const late = await api.post(things(group), { metadata: { name: 'late' } });
  t.is(late.status, 405);
  t.is(late.json().message, 'create not allowed while custom resource definition is terminating');
  await api.patch(`${things(group)}/held`, 'merge', { metadata: { finalizers: null } });
  t.is((await watch.next())?.type, 'DELETED');
  t.is(await watch.next(), undefined, 'the stream ends when the kind goes');
  await waitFor('the end', async () => (await api.get(`${CRDS}/things.${group}`)).status === 404);
  t.is((await api.get(things(group))).status, 404);
});

test('a change of a definition takes effect at once, for new objects and for old ones', async (t) => {
  const { api } = await start(t);
  const group = 'changed.example.com';
  await establish(api, group, [{ name: 'v1', storage: true, properties: { ...A, b: { type: 'string' } } }]);
  await api.post(things(group), { metadata: { name: 'old' }, spec: { a: 'x', b: 'y' } });
  const watch = await api.watch(`${things(group)}?watch=true`);
  await watch.take(1);
  const properties = { a: { type: 'string' }, d: { type: 'string', default: 'D' } };
  await api.patch(`${CRDS}/things.${group}`, 'merge', {
    spec: {
      versions: definition(group, [
        { name: 'v1', storage: true, properties },
        { name: 'v2', properties },
      ]).spec.versions,
    },
  });
  t.is(await watch.next(), undefined, 'watchers begin again with the new form');
  const old = await api.get(`${things(group)}/old`);
  t.deepEqual(old.json().spec, { a: 'x', d: 'D' });
  const fresh = await api.post(things(group, 'v2'), { metadata: { name: 'new' }, spec: { b: 'z' } });
  t.deepEqual([fresh.json().apiVersion, fresh.json().spec], [`${group}/v2`, { d: 'D' }]);
  const listed = (await api.get(things(group))).json() as JsonBody & { items: JsonBody[] };
  t.deepEqual(
    listed.items.map((item) => [item.metadata.name, item.apiVersion, item.spec]),
    [
      ['new', `${group}/v1`, { d: 'D' }],
      ['old', `${group}/v1`, { a: 'x', d: 'D' }],
    ],
  );
});

test('the storage version moves on, and what was stored before is still served', async (t) => {
  const { api } = await start(t);
  const group = 'moved.example.com';
  await establish(api, group, [
    { name: 'v1', storage: true, properties: A },
    { name: 'v2', properties: A },
  ]);
  await api.post(things(group), { metadata: { name: 'first' }, spec: { a: '1' } });
  const { versions } = definition(group, [
    { name: 'v1', properties: A },
    { name: 'v2', storage: true, properties: A },
  ]).spec;
  await api.patch(`${CRDS}/things.${group}`, 'merge', { spec: { versions } });
  const crd = (await api.get(`${CRDS}/things.${group}`)).json() as Conditions;
  t.deepEqual(crd.status.storedVersions, ['v1', 'v2']);
  await api.post(things(group), { metadata: { name: 'second' }, spec: { a: '2' } });
  for (const version of ['v1', 'v2']) {
    const list = (await api.get(things(group, version))).json() as JsonBody & { items: JsonBody[] };
    t.deepEqual(
      list.items.map(({ apiVersion, metadata, spec }) => [apiVersion, metadata.name, spec]),
      [
        [`${group}/${version}`, 'first', { a: '1' }],
        [`${group}/${version}`, 'second', { a: '2' }],
      ],
    );
  }
});

test('custom resources are served again after a restart over the same store', async (t) => {
  const storage = new MemoryStorage();
  const group = 'again.example.com';
  const before: TestControlPlane = await startControlPlane({ storage });
  const first = new RawApi(before);
  await establish(first, group, [{ name: 'v1', storage: true, properties: A }]);
  for (const name of ['a', 'b', 'c'])
    await first.post(things(group), { metadata: { name }, spec: { a: name } });
  first.close();
  await before.close();
  const { api } = await start(t, storage);
  const list = (await api.get(things(group))).json() as JsonBody & { items: JsonBody[] };
  t.deepEqual(
    list.items.map(({ metadata }) => metadata.name),
    ['a', 'b', 'c'],
  );
  const patched = await api.patch(`${things(group)}/a`, 'merge', { spec: { a: 'z' } });
  t.deepEqual(patched.json().spec, { a: 'z' });
  t.is(patched.json().metadata.generation, 2);
});

test('names that are freed are given to who waited for them', async (t) => {
  const { api } = await start(t);
  const group = 'freed.example.com';
  await establish(api, group, [{ name: 'v1', storage: true }]);
  const other = definition(group, [{ name: 'v1', storage: true }]);
  other.metadata.name = `others.${group}`;
  Object.assign(other.spec.names, { plural: 'others' });
  await api.post(CRDS, other);
  const accepted = async () => {
    const { conditions = [] } = ((await api.get(`${CRDS}/others.${group}`)).json() as Conditions).status;
    return conditions.find(({ type }) => type === 'NamesAccepted');
  };
  t.like(await waitFor('NamesAccepted', accepted), { status: 'False', reason: 'ListKindConflict' });
  await api.delete(`${CRDS}/things.${group}`);
  await waitFor('the other to be accepted', async () => (await accepted())?.status === 'True');
  t.is((await api.get(`/apis/${group}/v1/namespaces/default/others`)).status, 200);
});
