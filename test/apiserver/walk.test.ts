import { readFileSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { decodeProtobuf, decodeWatchEvent, encodeProtobuf } from '../../src/api/protobuf/envelope.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';
import type { RawAnswer } from '../helpers/raw-api.ts';
import { objectOf } from './walk-objects.ts';

/**
 * Every resource that upstream serves by default, walked through its verbs in JSON and in protobuf. The list
 * is upstream's discovery; the objects are those of the tables, and for kinds without one of walk-objects.ts.
 */
interface Served {
  group: string;
  version: string;
  resource: string;
  kind: string;
  scope: string;
  verbs: string[];
  subresources: Array<{ name: string; verbs: string[] }>;
}

type Body = Record<string, unknown> & { metadata: { name: string; resourceVersion?: string } };

const served = JSON.parse(
  readFileSync(new URL('../fixtures/api/served.json', import.meta.url), 'utf8'),
) as Served[];
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
/** Apply and patches of JSON itself are the same request for all; these kinds have no protobuf form. */
const JSON_ONLY = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io']);

function pathOf({ group, version, resource, scope }: Served): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return scope === 'Namespaced' ? `${root}/namespaces/default/${resource}` : `${root}/${resource}`;
}

async function firstLine(api: RawApi, url: string): Promise<{ type: string; object: Body }> {
  const reader = await api.watch(url);
  const event = await reader.next();
  reader.close();
  return event as { type: string; object: Body };
}

/** Of a watch in protobuf: four bytes of length, then the event. */
async function firstFrame(api: RawApi, url: string): Promise<{ type: string; object: Body }> {
  const headers = { accept: `${PROTOBUF};stream=watch` };
  const { stream, close } = await api.open('GET', url, { headers });
  let bytes: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) break;
  }
  close();
  const { type, object } = decodeWatchEvent(bytes.subarray(4, 4 + bytes.readUInt32BE(0)));
  return { type, object: decodeProtobuf(object) as Body };
}

async function walk(t: ExecutionContext, api: RawApi, one: Served, wire: 'json' | 'protobuf'): Promise<void> {
  const what = `${one.resource}.${one.version}.${one.group} in ${wire}`;
  const object = objectOf(one) as Body | undefined;
  t.truthy(object, `${what}: there is an object of the kind`);
  if (!object) return;
  const type = wire === 'json' ? 'application/json' : PROTOBUF;
  const headers = { accept: type, 'content-type': type };
  const encode = (body: object) =>
    wire === 'json' ? Buffer.from(JSON.stringify(body)) : encodeProtobuf(body);
  const decode = (bytes: Buffer) =>
    (wire === 'json' ? JSON.parse(bytes.toString()) : decodeProtobuf(bytes)) as Body;
  const path = pathOf(one);
  const named = `${path}/${encodeURIComponent(object.metadata.name)}`;
  const ask = async (verb: string, method: string, url: string, body?: object, given = headers) => {
    const answer = await api.request(
      method,
      url,
      body ? { body: encode(body), headers: given } : { headers: given },
    );
    t.true(
      answer.status < 300,
      `${what}: ${verb} is answered ${answer.status} ${answer.body.toString().slice(0, 300)}`,
    );
    return answer;
  };
  /** Writes back what is read, again where the server itself has written in between. */
  const overwrite = async (verb: string, url: string) => {
    let answer: RawAnswer;
    do {
      const now = decode((await ask('get', 'GET', url)).body);
      answer = await api.request('PUT', url, { body: encode(now), headers });
    } while (answer.status === 409);
    t.is(answer.status, 200, `${what}: ${verb} ${answer.body.toString().slice(0, 300)}`);
  };
  const made = decode((await ask('create', 'POST', path, object)).body);
  if (!one.verbs.includes('get')) return;
  const got = decode((await ask('get', 'GET', named)).body);
  t.is(got.metadata.name, made.metadata.name, what);
  const list = decode((await ask('list', 'GET', path)).body) as unknown as { items: Body[] };
  t.true(
    list.items.some(({ metadata }) => metadata.name === made.metadata.name),
    `${what}: list`,
  );
  if (one.verbs.includes('watch')) {
    const url = `${path}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3D${encodeURIComponent(object.metadata.name)}`;
    const event = wire === 'json' ? await firstLine(api, url) : await firstFrame(api, url);
    t.is(event.type, 'ADDED', `${what}: watch`);
    t.is(event.object.metadata.name, object.metadata.name, `${what}: watch`);
    // What a list and a watch give is one object.
    if (event.object.metadata.resourceVersion === got.metadata.resourceVersion)
      t.deepEqual(event.object, got, what);
  }
  if (one.verbs.includes('patch')) {
    const { apiVersion, kind } = object;
    const label = { metadata: { labels: { walked: wire } } };
    const patches: Array<[string, string, unknown]> = [
      ['strategic-merge-patch+json', named, label],
      ['merge-patch+json', named, label],
      ['json-patch+json', named, [{ op: 'add', path: '/metadata/labels/again', value: 'yes' }]],
      [
        'apply-patch+yaml',
        `${named}?fieldManager=walk`,
        { apiVersion, kind, metadata: { name: object.metadata.name, labels: { applied: wire } } },
      ],
    ];
    for (const [patch, url, body] of patches) {
      const given = { accept: type, 'content-type': `application/${patch}` };
      const answer = await api.request('PATCH', url, {
        body: Buffer.from(JSON.stringify(body)),
        headers: given,
      });
      t.is(answer.status, 200, `${what}: ${patch} ${answer.body.toString().slice(0, 300)}`);
    }
  }
  if (one.verbs.includes('update')) await overwrite('update', named);
  for (const { name, verbs } of one.subresources) {
    if (name !== 'status' && name !== 'scale') continue;
    if (verbs.includes('get') && verbs.includes('update'))
      await overwrite(`update ${name}`, `${named}/${name}`);
  }
  if (one.verbs.includes('delete')) await ask('delete', 'DELETE', `${named}?gracePeriodSeconds=0`);
  await letGo(api, named);
  if (!one.verbs.includes('deletecollection')) return;
  const labels = { walked: wire };
  await ask('create again', 'POST', path, { ...object, metadata: { ...object.metadata, labels } });
  await ask('deletecollection', 'DELETE', `${path}?labelSelector=walked%3D${wire}&gracePeriodSeconds=0`);
  await letGo(api, named);
  t.is((await api.get(named)).status, 404, `${what}: deletecollection`);
}

/** What protects itself goes when nothing holds it any more. */
async function letGo(api: RawApi, named: string): Promise<void> {
  const left = await api.get(named, { accept: 'application/json' });
  if (left.status === 200) await api.patch(named, 'merge', { metadata: { finalizers: null } });
}

for (const wire of ['json', 'protobuf'] as const) {
  test(`every served resource is walked through its verbs in ${wire}`, async (t) => {
    t.timeout(120_000);
    const plane = await startControlPlane();
    t.teardown(() => plane.close());
    const api = new RawApi(plane);
    t.teardown(() => api.close());
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
    await api.post('/api/v1/namespaces/default/serviceaccounts', account);
    t.true(served.length > 60);
    for (const one of served) {
      if (!one.verbs.includes('create') || one.resource === 'bindings') continue;
      if (wire === 'protobuf' && JSON_ONLY.has(one.group)) continue;
      await walk(t, api, one, wire);
    }
  });
}
