import test from 'ava';
import { decodeProtobuf, encodeProtobuf } from '../../src/api/protobuf/envelope.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';
import type { JsonBody } from '../helpers/raw-api.ts';

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
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

const deployment = (name: string, replicas = 1) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'main', image: 'busybox', env: [{ name: 'A', value: '1' }] }] },
    },
  },
});

test('a strategic patch merges lists by their key, a merge patch replaces them', async (t) => {
  await api.post(DEPLOYMENTS, deployment('patched'));
  const strategic = await api.patch(`${DEPLOYMENTS}/patched`, 'strategic', {
    spec: { template: { spec: { containers: [{ name: 'main', env: [{ name: 'B', value: '2' }] }] } } },
  });
  t.is(strategic.status, 200);
  const [container] = containersOf(strategic.json());
  t.is(container?.image, 'busybox');
  t.deepEqual(container?.env?.map(({ name }) => name).sort(), ['A', 'B']);
  const merged = await api.patch(`${DEPLOYMENTS}/patched`, 'merge', {
    spec: { template: { spec: { containers: [{ name: 'main', image: 'other' }] } } },
  });
  t.is(containersOf(merged.json())[0]?.env, undefined);
});

interface Container {
  image?: string;
  env?: Array<{ name: string }>;
}

function containersOf(object: JsonBody): Container[] {
  return (object.spec as { template: { spec: { containers: Container[] } } }).template.spec.containers;
}

test('a JSON patch applies all of its operations or none', async (t) => {
  await api.post(MAPS, { metadata: { name: 'json-patched' }, data: { a: '1' } });
  const path = `${MAPS}/json-patched`;
  const failed = await api.patch(path, 'json', [
    { op: 'replace', path: '/data/a', value: '2' },
    { op: 'test', path: '/data/a', value: 'nine' },
  ]);
  t.is(failed.status, 422);
  t.is(failed.json().reason, 'Invalid');
  t.deepEqual((await api.get(path)).json().data, { a: '1' });
  const done = await api.patch(path, 'json', [
    { op: 'test', path: '/data/a', value: '1' },
    { op: 'add', path: '/data/b', value: '2' },
  ]);
  t.deepEqual(done.json().data, { a: '1', b: '2' });
  const many = Array.from({ length: 10_001 }, () => ({ op: 'add', path: '/data/b', value: '3' }));
  t.is((await api.patch(path, 'json', many)).status, 413);
  t.is((await api.patch(path, 'json', { not: 'a list' })).status, 400);
});

test('a patch with a resourceVersion is refused when it is not the newest', async (t) => {
  const created = (await api.post(MAPS, { metadata: { name: 'locked' }, data: {} })).json();
  await api.patch(`${MAPS}/locked`, 'merge', { data: { a: '1' } });
  const { resourceVersion } = created.metadata;
  const stale = await api.patch(`${MAPS}/locked`, 'merge', {
    metadata: { resourceVersion },
    data: { a: '2' },
  });
  t.is(stale.status, 409);
});

test('concurrent patches without a version all take effect', async (t) => {
  await api.post(MAPS, { metadata: { name: 'busy' }, data: {} });
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      api.patch(`${MAPS}/busy`, 'merge', { data: { [`k${i}`]: String(i) } }),
    ),
  );
  t.true(answers.every(({ status }) => status === 200));
  t.is(Object.keys((await api.get(`${MAPS}/busy`)).json().data as object).length, 30);
});

test('a patch of an unknown type is refused', async (t) => {
  const answer = await api.request('PATCH', `${MAPS}/busy`, {
    body: {},
    headers: { 'content-type': 'text/plain' },
  });
  t.is(answer.status, 415);
  t.is(answer.json().message, '415: Unsupported Media Type');
});

test('unknown and repeated fields are dropped, warned of or refused, as the client wants it', async (t) => {
  const body = '{"metadata":{"name":"strict"},"data":{"a":"1","a":"2"},"foo":1}';
  const ignored = await api.post(`${MAPS}?fieldValidation=Ignore&dryRun=All`, body);
  t.is(ignored.status, 201);
  t.is(ignored.headers.warning, undefined);
  t.false('foo' in ignored.json());
  const warned = await api.post(`${MAPS}?dryRun=All`, body);
  t.is(warned.status, 201);
  t.deepEqual(
    String(warned.headers.warning),
    '299 - "duplicate field \\"data.a\\"", 299 - "unknown field \\"foo\\""',
  );
  const refused = await api.post(`${MAPS}?fieldValidation=Strict&dryRun=All`, body);
  t.is(refused.status, 400);
  t.is(
    refused.json().message,
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ' +
      'duplicate field "data.a", unknown field "foo"',
  );
  const patch = await api.request('PATCH', `${DEPLOYMENTS}/none?fieldValidation=Strict`, {
    body: { foo: 1 },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  t.is(patch.status, 404);
});

test('YAML bodies are read, and their repeated keys are found with line and key', async (t) => {
  const yaml = 'metadata:\n  name: yaml\ndata:\n  a: "1"\n  a: "2"\n';
  const headers = { 'content-type': 'application/yaml' };
  const created = await api.post(`${MAPS}?fieldValidation=Ignore`, yaml, headers);
  t.is(created.status, 201);
  const refused = await api.post(`${MAPS}?fieldValidation=Strict`, yaml, headers);
  t.is(refused.status, 400);
  t.regex(String(refused.json().message), /line 5: key "a" already set in map/);
  const read = await api.get(`${MAPS}/yaml`, { accept: 'application/yaml' });
  t.is(read.headers['content-type'], 'application/yaml');
  t.regex(read.body.toString(), /^kind: ConfigMap\napiVersion: v1\n/);
});

test('objects come and go in protobuf', async (t) => {
  const type = 'application/vnd.kubernetes.protobuf';
  const sent = encodeProtobuf({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'proto' },
    data: { a: '1' },
  } as object);
  const created = await api.post(MAPS, sent, { 'content-type': type, accept: type });
  t.is(created.status, 201);
  t.like(decodeProtobuf(created.body), { kind: 'ConfigMap', data: { a: '1' } });
  t.deepEqual((await api.get(`${MAPS}/proto`)).json().data, { a: '1' });
  const error = await api.post(MAPS, sent, { 'content-type': type, accept: type });
  t.is(error.status, 409);
  t.like(decodeProtobuf(error.body), { kind: 'Status', reason: 'AlreadyExists' });
  const options = encodeProtobuf({
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy: 'Background',
  } as object);
  const deleted = await api.request('DELETE', `${MAPS}/proto`, {
    body: options,
    headers: { 'content-type': type },
  });
  t.is(deleted.status, 200);
  for (const garbage of [Buffer.from('k8s\0\xff\xff\xff\xff\xff', 'latin1'), Buffer.from('nonsense')]) {
    t.is((await api.post(MAPS, garbage, { 'content-type': type })).status, 400);
  }
});

test('bodies that are no objects of the kind are refused with upstream words', async (t) => {
  const cases: Array<[string, RegExp]> = [
    [
      '{',
      /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: unexpected end of JSON input/,
    ],
    ['{"kind":"Pod","apiVersion":"v1"}', /^Pod in version "v1" cannot be handled as a ConfigMap/],
    [
      '{"kind":"ConfigMap","apiVersion":"v1","data":[]}',
      /^ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal array into Go struct field ConfigMap.data of type map\[string\]string/,
    ],
    ['{"kind":"ConfigMap","apiVersion":"v2"}', /no kind "ConfigMap" is registered for version "v2"/],
  ];
  for (const [body, message] of cases) {
    const answer = await api.post(MAPS, body);
    t.is(answer.status, 400, body);
    t.regex(String(answer.json().message), message);
  }
  const type = await api.post(MAPS, '<a/>', { 'content-type': 'application/xml' });
  t.is(type.status, 415);
});

for (const http1 of [false, true]) {
  test(`a body over 3 MiB is refused while it streams over HTTP/${http1 ? '1.1' : '2'}`, async (t) => {
    const on = http1 ? api1 : api;
    const big = JSON.stringify({ metadata: { name: 'big' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } });
    const answer = await on.post(MAPS, big);
    t.is(answer.status, 413);
    t.is(answer.json().reason, 'RequestEntityTooLarge');
    t.is((await on.get(MAPS)).status, 200);
  });
}

test('deeply nested JSON is refused, and the server lives on', async (t) => {
  const deep = `{"metadata":{"name":"deep"},"data":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
  t.is((await api.post(MAPS, deep)).status, 400);
  const raw = `{"metadata":{"name":"prototype"},"data":{"__proto__":"x"}}`;
  const created = await api.post(`${MAPS}?dryRun=All`, raw);
  t.is(created.status, 201);
  t.is((await api.get('/readyz')).status, 200);
});

test('generation counts changes of the spec alone', async (t) => {
  const created = (await api.post(DEPLOYMENTS, deployment('counted'))).json();
  t.is(created.metadata.generation, 1);
  const labelled = await api.patch(`${DEPLOYMENTS}/counted`, 'merge', {
    metadata: { labels: { a: 'b' }, generation: 9 },
  });
  t.is(labelled.json().metadata.generation, 1);
  const scaled = await api.patch(`${DEPLOYMENTS}/counted`, 'merge', { spec: { replicas: 2 } });
  t.is(scaled.json().metadata.generation, 2);
});

test('status is written through /status alone, and nothing else is', async (t) => {
  await api.post(DEPLOYMENTS, { ...deployment('split'), status: { replicas: 7 } });
  const path = `${DEPLOYMENTS}/split`;
  const fresh = (await api.get(path)).json();
  t.is((fresh.status as { replicas?: number }).replicas, undefined);
  const main = await api.patch(path, 'merge', { status: { replicas: 3 } });
  t.is((main.json().status as { replicas?: number }).replicas, undefined);
  const status = await api.patch(`${path}/status`, 'merge', {
    status: { replicas: 3 },
    spec: { replicas: 9 },
  });
  t.is(status.status, 200);
  t.is((status.json().status as { replicas?: number }).replicas, 3);
  t.is((status.json().spec as { replicas?: number }).replicas, 1);
  t.is(status.json().metadata.generation, 1);
  t.is((await api.get(`${path}/status`)).json().kind, 'Deployment');
});
