import { connect } from 'node:tls';
import test from 'ava';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import type { WriteResult } from '../../src/storage/storage.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { ControlPlaneOptions } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';
import type { RawAnswer } from '../helpers/raw-api.ts';
import type { ExecutionContext } from 'ava';

const MAPS = '/api/v1/namespaces/default/configmaps';

async function plane(t: ExecutionContext, options: ControlPlaneOptions = {}) {
  const control = await startControlPlane(options);
  const api = new RawApi(control);
  const api1 = new RawApi(control, { http1: true });
  t.teardown(async () => {
    api.close();
    api1.close();
    await control.close();
  });
  return { control, api, api1 };
}

/** A store whose writes wait while the gate is closed. */
class GatedStorage extends MemoryStorage {
  closed = false;
  #waiting: Array<() => void> = [];

  override async put(key: string, value: Buffer, expected?: number): Promise<WriteResult> {
    if (this.closed && key.includes('/configmaps/'))
      await new Promise<void>((open) => this.#waiting.push(open));
    return super.put(key, value, expected);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  open(): void {
    this.closed = false;
    for (const open of this.#waiting.splice(0)) open();
  }
}

test('a request that takes too long is answered 504', async (t) => {
  const storage = new GatedStorage();
  const { api } = await plane(t, { storage, server: { limits: { requestTimeoutMs: 200 } } });
  storage.closed = true;
  const answer = await api.post(MAPS, { metadata: { name: 'slow' } });
  storage.open();
  t.is(answer.status, 504);
  t.like(answer.json(), {
    reason: 'Timeout',
    message: 'Timeout: request did not complete within the allotted timeout',
  });
});

test('a request that asks for less time gets no more', async (t) => {
  const storage = new GatedStorage();
  const { api } = await plane(t, { storage });
  storage.closed = true;
  const answer = await api.post(`${MAPS}?timeout=100ms`, { metadata: { name: 'slow' } });
  storage.open();
  t.is(answer.status, 504);
});

test('writes beyond the limit get 429 and the time to come back; health and reads go on', async (t) => {
  const storage = new GatedStorage();
  const { api, control } = await plane(t, { storage, server: { priorityAndFairness: false } });
  storage.closed = true;
  const answers: Array<Promise<RawAnswer>> = [];
  // A connection has 100 requests at once at most.
  const clients = [api, new RawApi(control), new RawApi(control)];
  t.teardown(() => clients.forEach((client) => client.close()));
  for (let i = 0; i < 210; i++) {
    answers.push(clients[i % 3]!.post(MAPS, { metadata: { name: `many-${i}` } }));
  }
  const first = await Promise.race(answers);
  t.is(first.status, 429);
  t.is(first.headers['retry-after'], '1');
  t.is((await api.get('/readyz')).status, 200);
  t.is((await api.get(MAPS)).status, 200);
  storage.open();
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  t.is(statuses.filter((status) => status === 201).length, 200);
  t.is(statuses.filter((status) => status === 429).length, 10);
});

test('headers may be large, up to a limit', async (t) => {
  const { api1, api } = await plane(t);
  for (const on of [api, api1]) {
    const fits = await on.get('/readyz', { 'x-long': 'y'.repeat(40_000) });
    t.is(fits.status, 200);
  }
});

test('a client that sends its headers too slowly is cut off', async (t) => {
  const { control } = await plane(t, { server: { limits: { headersTimeoutMs: 300 } } });
  const socket = connect({
    port: control.server.port,
    host: '127.0.0.1',
    ca: control.ca.certPem,
    ALPNProtocols: ['http/1.1'],
  });
  const ended = new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
  socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n');
  t.regex(await ended, /^HTTP\/1\.1 408 Request Timeout/);
});

test('one HTTP/2 connection may have 100 streams at once', async (t) => {
  const { control } = await plane(t);
  const http2 = await import('node:http2');
  const session = http2.connect(control.url, {
    ca: control.ca.certPem,
    cert: control.admin.certPem,
    key: control.admin.keyPem,
  });
  const settings = await new Promise<{ maxConcurrentStreams?: number }>((resolve) =>
    session.on('remoteSettings', resolve),
  );
  session.destroy();
  t.is(settings.maxConcurrentStreams, 100);
});

test('a certificate of another authority is no identity', async (t) => {
  const { control } = await plane(t);
  const other = await startControlPlane();
  const stranger = new RawApi(control, { identity: other.admin });
  t.teardown(async () => {
    stranger.close();
    await other.close();
  });
  t.is((await stranger.get(MAPS)).status, 401);
});

test('a name in the path that cannot be one is NotFound, not an error of ours', async (t) => {
  const { api } = await plane(t);
  for (const name of ['%00', 'a%2Fb', '%F0%28%8C%28', '..%2F..']) {
    const answer = await api.get(`${MAPS}/${name}`);
    t.is(answer.status, 404, name);
  }
});
