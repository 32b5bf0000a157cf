import test from 'ava';
import { decodeProtobuf } from '../../src/api/protobuf/envelope.ts';
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

async function filled(name: string, count: number): Promise<string> {
  await api.post('/api/v1/namespaces', { metadata: { name } });
  const maps = `/api/v1/namespaces/${name}/configmaps`;
  for (let i = 0; i < count; i++) {
    const metadata = { name: `m${String(i).padStart(3, '0')}`, labels: { parity: i % 2 ? 'odd' : 'even' } };
    await api.post(maps, { metadata, data: { n: String(i) } });
  }
  return maps;
}

const names = (list: JsonBody) => (list.items as JsonBody[]).map((item) => item.metadata.name);

test('a list holds all objects in the order of their keys, and the version at which it holds', async (t) => {
  const maps = await filled('whole', 5);
  const list = (await api.get(maps)).json();
  t.is(list.kind, 'ConfigMapList');
  t.is(list.apiVersion, 'v1');
  t.deepEqual(names(list), ['m000', 'm001', 'm002', 'm003', 'm004']);
  const newest = Math.max(...(list.items as JsonBody[]).map((item) => Number(item.metadata.resourceVersion)));
  t.true(Number(list.metadata.resourceVersion) >= newest);
});

test('chunks are of one version, whatever is written between them', async (t) => {
  const maps = await filled('chunks', 17);
  const seen: JsonBody[] = [];
  let token = '';
  let version = '';
  for (let page = 0; ; page++) {
    const list = (
      await api.get(`${maps}?limit=5${token && `&continue=${encodeURIComponent(token)}`}`)
    ).json();
    version ||= list.metadata.resourceVersion;
    t.is(list.metadata.resourceVersion, version);
    const items = list.items as JsonBody[];
    seen.push(...items);
    t.is(list.metadata.remainingItemCount, seen.length < 17 ? 17 - seen.length : undefined);
    // Everything changes meanwhile: objects are deleted, changed and added.
    await api.delete(`${maps}/m01${page}`);
    await api.post(maps, { metadata: { name: `m00${page}-late` } });
    await api.patch(`${maps}/m016`, 'merge', { data: { n: `changed ${page}` } });
    token = list.metadata.continue ?? '';
    if (token === '') break;
  }
  t.is(seen.length, 17);
  t.is(new Set(seen.map((item) => item.metadata.name)).size, 17);
  t.false(seen.some((item) => item.metadata.name?.includes('late')));
  t.deepEqual(seen.at(-1)?.data, { n: '16' });
});

test('chunks of a selection hold only what it selects, and give no count of the rest', async (t) => {
  const maps = await filled('selected', 11);
  const first = (await api.get(`${maps}?labelSelector=parity%3Dodd&limit=3`)).json();
  t.deepEqual(names(first), ['m001', 'm003', 'm005']);
  t.is(first.metadata.remainingItemCount, undefined);
  await api.post(maps, { metadata: { name: 'm006x', labels: { parity: 'odd' } } });
  const rest = (
    await api.get(`${maps}?labelSelector=parity%3Dodd&limit=3&continue=${first.metadata.continue}`)
  ).json();
  t.deepEqual(names(rest), ['m007', 'm009']);
  t.is(rest.metadata.continue, undefined);
});

test('an expired continue token gets 410 with a new one that goes on at the newest version', async (t) => {
  const maps = await filled('expired', 6);
  const first = (await api.get(`${maps}?limit=2`)).json();
  await api.post(maps, { metadata: { name: 'm003x' } });
  await plane.storage.compact(await plane.storage.currentRevision());
  const answer = await api.get(`${maps}?limit=2&continue=${first.metadata.continue}`);
  t.is(answer.status, 410);
  const status = answer.json();
  t.is(status.reason, 'Expired');
  t.regex(
    String(status.message),
    /^The provided continue parameter is too old to display a consistent list result/,
  );
  const next = (await api.get(`${maps}?limit=3&continue=${status.metadata.continue}`)).json();
  t.deepEqual(names(next), ['m002', 'm003', 'm003x']);
});

test('a list at an exact version shows the past', async (t) => {
  const maps = await filled('past', 3);
  const { resourceVersion } = (await api.get(maps)).json().metadata;
  await api.delete(`${maps}/m000`);
  await api.post(maps, { metadata: { name: 'm009' } });
  const past = (
    await api.get(`${maps}?resourceVersion=${resourceVersion}&resourceVersionMatch=Exact`)
  ).json();
  t.deepEqual(names(past), ['m000', 'm001', 'm002']);
  t.is(past.metadata.resourceVersion, resourceVersion);
  const notOlder = (
    await api.get(`${maps}?resourceVersion=${resourceVersion}&resourceVersionMatch=NotOlderThan`)
  ).json();
  t.deepEqual(names(notOlder), ['m001', 'm002', 'm009']);
});

test('nonsense in the options is refused', async (t) => {
  const cases: Array<[string, number, RegExp]> = [
    [
      'resourceVersionMatch=Exact',
      422,
      /resourceVersionMatch is forbidden unless resourceVersion is provided/,
    ],
    ['resourceVersion=0&resourceVersionMatch=Exact', 422, /"exact" is forbidden for resourceVersion "0"/],
    ['resourceVersion=abc', 422, /resourceVersion: Invalid value: "abc"/],
    ['labelSelector=a%3D%3D%3Db', 400, /unable to parse requirement/],
    [
      'fieldSelector=spec.nonsense%3Da',
      400,
      /"spec.nonsense" is not a known field selector: only "metadata.name", "metadata.namespace"|field label not supported/,
    ],
    ['continue=%25%25', 400, /continue key is not valid/],
    ['limit=x', 400, /invalid syntax/],
  ];
  for (const [query, code, message] of cases) {
    const answer = await api.get(`/api/v1/configmaps?${query}`);
    t.is(answer.status, code, query);
    t.regex(String(answer.json().message), message, query);
  }
});

test('lists in namespaces whose names begin alike do not mix', async (t) => {
  const one = await filled('alike', 1);
  await filled('alike-not', 2);
  t.is(names((await api.get(one)).json()).length, 1);
});

test('a list as Table, as metadata and in protobuf', async (t) => {
  const maps = await filled('forms', 2);
  const table = (await api.get(maps, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })).json();
  t.is(table.kind, 'Table');
  t.is(table.apiVersion, 'meta.k8s.io/v1');
  t.is((table.columnDefinitions as Array<{ name: string }>)[0]?.name, 'Name');
  t.deepEqual(
    (table.rows as Array<{ cells: unknown[] }>).map((row) => row.cells[0]),
    ['m000', 'm001'],
  );
  const bare = (
    await api.get(`${maps}?includeObject=None`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
  ).json();
  t.false('object' in ((bare.rows as object[])[0] ?? {}));
  const metadata = (
    await api.get(maps, { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' })
  ).json();
  t.is(metadata.kind, 'PartialObjectMetadataList');
  t.deepEqual(Object.keys((metadata.items as object[])[0] ?? {}), ['kind', 'apiVersion', 'metadata']);
  const protobuf = await api.get(maps, { accept: 'application/vnd.kubernetes.protobuf' });
  t.is(protobuf.headers['content-type'], 'application/vnd.kubernetes.protobuf');
  const decoded = decodeProtobuf(protobuf.body) as unknown as JsonBody;
  t.deepEqual(names(decoded), ['m000', 'm001']);
});

test('what no form of ours fits is answered 406', async (t) => {
  const answer = await api.get('/api/v1/configmaps', { accept: 'application/xml' });
  t.is(answer.status, 406);
  t.regex(String(answer.json().message), /^only the following media types are accepted: application\/json/);
});

test('large answers are compressed for who can read that, and small ones are not', async (t) => {
  await api.post('/api/v1/namespaces', { metadata: { name: 'large' } });
  const maps = '/api/v1/namespaces/large/configmaps';
  for (let i = 0; i < 4; i++) {
    await api.post(maps, { metadata: { name: `m${i}` }, data: { text: 'words '.repeat(10_000) } });
  }
  const zipped = await api.get(maps, { 'accept-encoding': 'gzip' });
  t.is(zipped.headers['content-encoding'], 'gzip');
  const { gunzipSync } = await import('node:zlib');
  const plain = await api.get(maps);
  t.is(plain.headers['content-encoding'], undefined);
  const unzipped = JSON.parse(gunzipSync(zipped.body).toString()) as JsonBody;
  t.deepEqual(unzipped.items, plain.json().items);
  const small = await api.get(`${maps}?limit=1`, { 'accept-encoding': 'gzip' });
  t.is(small.headers['content-encoding'], undefined);
});

test('pretty printing is for people', async (t) => {
  const curl = await api.get('/api/v1/namespaces/default', { 'user-agent': 'curl/8.0' });
  t.regex(curl.body.toString(), /^\{\n {2}"kind": "Namespace",\n/);
  t.false((await api.get('/api/v1/namespaces/default')).body.toString().includes('\n  '));
});
