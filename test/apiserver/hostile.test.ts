/** What hostile clients send is refused in the right way, whoever else asks is answered, and no memory is lost to it. */
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { ControlPlaneOptions } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const YAML = { 'content-type': 'application/yaml' };
const PROTOBUF = { 'content-type': 'application/vnd.kubernetes.protobuf' };
const MIB = 1024 * 1024;

async function start(t: ExecutionContext, options: ControlPlaneOptions = {}) {
  const plane = await startControlPlane(options);
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  return { plane, api };
}

test('large bodies are read beside the loop, and what is wrong with them is said as of small ones', async (t) => {
  const { api } = await start(t);
  const filler = 'x'.repeat(200_000);
  const rows: Array<
    [what: string, body: string | Buffer, headers: Record<string, string>, code: number, message: RegExp]
  > = [
    ['broken JSON', `{"data":{"a":"${filler}"}`, {}, 400, /unexpected end of JSON input/],
    [
      'a wrong type',
      `{"kind":"ConfigMap","apiVersion":"v1","data":{"a":["${filler}"]}}`,
      {},
      400,
      /cannot be handled as a ConfigMap/,
    ],
    ['deep JSON', '['.repeat(300_000), {}, 400, /exceeded max depth/],
    ['a kind that is another', `{"kind":"Pod","apiVersion":"v1","x":"${filler}"}`, {}, 400, /./],
    ['broken YAML', `a: [${filler}`, YAML, 400, /yaml/],
    [
      'YAML in a wrong type',
      `kind: ConfigMap\napiVersion: v1\ndata: [${'a,'.repeat(20_000)}]`,
      YAML,
      400,
      /cannot be handled as a ConfigMap/,
    ],
    ['no protobuf', Buffer.alloc(200_000, 'k'), PROTOBUF, 400, /./],
  ];
  for (const [what, body, headers, code, message] of rows) {
    const answer = await api.post(MAPS, body, headers);
    t.is(answer.status, code, what);
    t.regex(String(answer.json()['message']), message, what);
  }
  const good = await api.post(MAPS, { metadata: { name: 'large' }, data: { filler } });
  t.is(good.status, 201);
  const patched = await api.patch(`${MAPS}/large`, 'merge', { data: { other: filler } });
  t.is(patched.status, 200);
  const inYaml = await api.post(MAPS, `metadata: {name: in-yaml}\ndata: {a: ${filler}}\n`, YAML);
  t.is(inYaml.status, 201);
  const applied = await api.request('PATCH', `${MAPS}/applied?fieldManager=m`, {
    body: `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {a: ${filler}}\n`,
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
  t.is(applied.status, 201, applied.body.toString().slice(0, 300));
});

test('while a body takes long to read, others are answered', async (t) => {
  const { api } = await start(t);
  const slow = new RawApi((await start(t)).plane);
  t.teardown(() => slow.close());
  // Some seconds of work for the YAML library.
  const heavy = `data: [${'a,'.repeat(MIB)}]`;
  let isRead = false;
  const read = api.post(MAPS, heavy, YAML).then((answer) => {
    isRead = true;
    return answer;
  });
  const other = await api.get('/readyz');
  t.is(other.status, 200);
  t.is((await api.post(MAPS, { metadata: { name: 'meanwhile' } })).status, 201);
  t.false(isRead, 'the heavy body is still being read');
  t.is((await read).status, 400);
});

test('YAML whose aliases multiply is refused', async (t) => {
  const { api } = await start(t);
  const names = 'abcdefghij'.split('');
  const lines = names.map((name, index) => {
    const item = index === 0 ? 'x' : `*${names[index - 1]}`;
    return `${name}: &${name} [${Array<string>(9).fill(item).join(', ')}]`;
  });
  const answer = await api.post(MAPS, lines.join('\n'), YAML);
  t.is(answer.status, 400);
  t.regex(String(answer.json()['message']), /excessive aliasing/);
});

test.serial('protobuf that lies about its lengths is refused before anything is taken for it', async (t) => {
  const { api } = await start(t);
  const type = Buffer.from([
    0x0a,
    0x0f,
    0x0a,
    0x02,
    ...Buffer.from('v1'),
    0x12,
    0x09,
    ...Buffer.from('ConfigMap'),
  ]);
  const magic = Buffer.from('k8s\0');
  const rows: Array<[what: string, body: Buffer]> = [
    ['no magic', Buffer.from('v1')],
    ['cut off', Buffer.concat([magic, type, Buffer.from([0x12, 0x20, 1])])],
    ['four gigabytes', Buffer.concat([magic, type, Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f])])],
    ['an endless number', Buffer.concat([magic, type, Buffer.alloc(20, 0xff)])],
  ];
  const before = process.memoryUsage().arrayBuffers;
  for (const [what, body] of rows) t.is((await api.post(MAPS, body, PROTOBUF)).status, 400, what);
  t.true(process.memoryUsage().arrayBuffers - before < 64 * MIB);
});

test('an object of a hundred thousand keys is refused in the time of its bytes', async (t) => {
  const { api } = await start(t);
  const data = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`k${n}`, 'v'.repeat(12)]));
  const answer = await api.post(MAPS, { metadata: { name: 'many' }, data });
  t.is(answer.status, 422);
  t.regex(String(answer.json()['message']), /Too long: may not be more than 1048576 bytes/);
});

test('keys and numbers that JavaScript would take for its own come back as they were', async (t) => {
  const { api } = await start(t);
  const made = await api.post(
    MAPS,
    '{"metadata":{"name":"proto"},"data":{"__proto__":"a","constructor":"b"}}',
  );
  t.is(made.status, 201);
  t.regex((await api.get(`${MAPS}/proto`)).body.toString(), /"__proto__":"a","constructor":"b"/);
  t.is(({} as { a?: string }).a, undefined);
  const revision = '{"metadata":{"name":"r"},"revision":9007199254740993,"data":{"n":9007199254740995}}';
  const revisions = '/apis/apps/v1/namespaces/default/controllerrevisions';
  t.is((await api.post(revisions, revision)).status, 201);
  const text = (await api.get(`${revisions}/r`)).body.toString();
  t.regex(text, /"revision":9007199254740993/);
  t.regex(text, /"n":9007199254740995/);
});

test('JSON patches of too many operations, or of copies that multiply, are refused', async (t) => {
  const { api } = await start(t);
  await api.post(MAPS, { metadata: { name: 'a' }, data: { a: 'x'.repeat(1000) } });
  const operation = { op: 'test', path: '/data/a', value: 'x' };
  t.is(
    (
      await api.patch(
        `${MAPS}/a`,
        'json',
        Array.from({ length: 10_001 }, () => operation),
      )
    ).status,
    413,
  );
  const copies = Array.from({ length: 40 }, (_, n) => ({ op: 'copy', from: '/data', path: `/data/k${n}` }));
  t.is((await api.patch(`${MAPS}/a`, 'json', copies)).status, 422);
});

test.serial('bodies of hundreds of megabytes leave no more than what is taken of them', async (t) => {
  const { plane } = await start(t);
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const pour = async (): Promise<number> => {
    const session = connectHttp2(plane.url, {
      ca: plane.ca.certPem,
      cert: plane.admin.certPem,
      key: plane.admin.keyPem,
    });
    session.on('error', () => undefined);
    const stream = session.request({ ':method': 'POST', ':path': MAPS, 'content-type': 'application/json' });
    stream.on('error', () => undefined);
    stream.resume();
    const status = new Promise<number>((resolve) =>
      stream.on('response', (head) => resolve(Number(head[':status']))),
    );
    for (let sent = 0; sent < 40 * MIB && !stream.destroyed; sent += chunk.length) {
      if (!stream.write(chunk)) {
        await new Promise<void>((resolve) => {
          stream.once('drain', resolve);
          stream.once('close', resolve);
        });
      }
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    session.destroy();
    return status;
  };
  t.deepEqual(await Promise.all(Array.from({ length: 8 }, pour)), Array(8).fill(413));
  // Eight bodies up to the limit, what is on the way, and what the collector has not seen yet; 320 MiB were sent.
  t.true(most < 200 * MIB, `${Math.round(most / MIB)} MiB`);
});

test.serial('watchers that do not read hold one copy of a large object between them', async (t) => {
  const { plane, api } = await start(t);
  await api.post(MAPS, { metadata: { name: 'large' }, data: { a: 'x'.repeat(900_000) } });
  const before = process.memoryUsage().arrayBuffers;
  const session = connectHttp2(plane.url, {
    ca: plane.ca.certPem,
    cert: plane.admin.certPem,
    key: plane.admin.keyPem,
    settings: { initialWindowSize: 1 },
  });
  session.on('error', () => undefined);
  t.teardown(() => session.destroy());
  const open = Array.from({ length: 90 }, () => {
    const stream = session.request({ ':path': `${MAPS}?watch=1&resourceVersion=0` });
    stream.on('error', () => undefined);
    return new Promise<number>((resolve) =>
      stream.on('response', (head) => resolve(Number(head[':status']))),
    );
  });
  t.deepEqual(await Promise.all(open), Array(90).fill(200));
  await api.get(`${MAPS}/large`);
  const taken = process.memoryUsage().arrayBuffers - before;
  t.true(taken < 30 * MIB, `${Math.round(taken / MIB)} MiB for 90 watchers`);
});

test('a connection that is idle is closed, in HTTP/1.1 and in HTTP/2', async (t) => {
  const { plane } = await start(t, { server: { limits: { idleTimeoutMs: 200, headersTimeoutMs: 200 } } });
  const session = connectHttp2(plane.url, { ca: plane.ca.certPem });
  session.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => session.on('close', resolve));
  const socket = connectTls({ port: plane.server.port, host: '127.0.0.1', ca: plane.ca.certPem });
  socket.on('error', () => undefined);
  socket.resume();
  const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  await Promise.all([closed, ended]);
  t.pass();
});
