import { createServer } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import test from 'ava';
import type { ExecutionContext, TestFn } from 'ava';
import type { Identity } from '../../../src/pki/issue.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { read } from './rows.ts';
import { TlsKubelet } from './tls-kubelet.ts';

interface Context {
  plane: TestControlPlane;
  api: RawApi;
}
const run = test as TestFn<Context>;
const PODS = '/api/v1/namespaces/default/pods';

run.before(async (t) => {
  let client: Identity | undefined;
  const plane = await startControlPlane({
    server: {
      kubelet: () => {
        client ??= t.context.plane.identity('kube-apiserver-kubelet-client');
        return { caPem: t.context.plane.ca.certPem, certPem: client.certPem, keyPem: client.keyPem };
      },
    },
  });
  t.context = { plane, api: new RawApi(plane) };
  await t.context.api.post('/api/v1/namespaces/default/serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default' },
  });
});
run.after.always(async (t) => {
  t.context.api?.close();
  await t.context.plane?.close();
});

/** A node with a kubelet, and a pod with two containers on it; both are named after the test's subject. */
async function running(
  t: ExecutionContext<Context>,
  name: string,
  make = (ca: Identity) => TlsKubelet.start(ca),
) {
  const { api, plane } = t.context;
  const kubelet = await make(plane.ca);
  t.teardown(() => kubelet.close());
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: {
      addresses: [
        { type: 'Hostname', address: 'nowhere.invalid' },
        { type: 'InternalIP', address: '127.0.0.1' },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } },
    },
  };
  const madeNode = await api.post('/api/v1/nodes', node);
  t.is(madeNode.status, 201, madeNode.body.toString());
  const containers = [
    { name: 'main', image: 'i' },
    { name: 'side', image: 'i' },
  ];
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { nodeName: name, containers } };
  const madePod = await api.post(PODS, pod);
  t.is(madePod.status, 201, madePod.body.toString());
  return kubelet;
}

/** Asks for an upgrade, and resolves with the answer and, where it was granted, the connection. */
function upgrade(
  t: ExecutionContext<Context>,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
) {
  const { plane } = t.context;
  return new Promise<{ answer: IncomingMessage; socket?: Duplex; head?: Buffer }>((resolve, reject) => {
    const outgoing = httpsRequest(`${plane.url}${path}`, {
      method,
      headers: { connection: 'Upgrade', ...headers },
      ca: plane.ca.certPem,
      cert: plane.admin.certPem,
      key: plane.admin.keyPem,
      agent: false,
    });
    outgoing.on('upgrade', (answer, socket, head) => resolve({ answer, socket, head }));
    outgoing.on('response', (answer) => resolve({ answer }));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function collect(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

run('a log is read from the kubelet with the options given, as this server', async (t) => {
  const kubelet = await running(t, 'log');
  kubelet.answer = (_, response) => response.end('one\ntwo\n');
  const query = 'container=main&tailLines=2&timestamps=true&previous=false&sinceSeconds=60&limitBytes=100';
  const answer = await t.context.api.get(`${PODS}/log/log?${query}`);
  t.is(answer.status, 200, answer.body.toString());
  t.is(answer.headers['content-type'], 'text/plain');
  t.is(answer.body.toString(), 'one\ntwo\n');
  const [seen] = kubelet.seen;
  t.is(seen?.user, 'kube-apiserver-kubelet-client');
  const url = new URL(seen?.url ?? '', 'https://kubelet');
  t.is(url.pathname, '/containerLogs/default/log/main');
  t.deepEqual(Object.fromEntries(url.searchParams), {
    timestamps: 'true',
    sinceSeconds: '60',
    tailLines: '2',
    limitBytes: '100',
    stream: 'All',
  });
});

run('a followed log comes line by line, and ends at the kubelet when the client leaves', async (t) => {
  const kubelet = await running(t, 'follow');
  let line: (text: string) => void = () => {};
  const left = new Promise<void>((resolve) => {
    kubelet.answer = (_, response) => {
      line = (text) => response.write(text);
      response.on('close', resolve);
      line('first\n');
    };
  });
  const { status, stream, close } = await t.context.api.open(
    'GET',
    `${PODS}/follow/log?follow=true&container=side`,
  );
  t.is(status, 200);
  const chunks = stream[Symbol.asyncIterator]();
  t.is(String((await chunks.next()).value), 'first\n');
  line('second\n');
  t.is(String((await chunks.next()).value), 'second\n');
  close();
  await left;
  t.pass();
});

run('a log that breaks off at the kubelet does not look whole', async (t) => {
  const kubelet = await running(t, 'broken');
  kubelet.answer = (_, response) => {
    response.write('half a li');
    setImmediate(() => response.destroy());
  };
  await t.throwsAsync(t.context.api.get(`${PODS}/broken/log?container=main`));
});

run('log requests that cannot be right are refused before any kubelet is asked', async (t) => {
  const { api } = t.context;
  const kubelet = await running(t, 'refusals');
  const rows: Array<[query: string, status: number, message: RegExp]> = [
    ['', 400, /^a container name must be specified for pod refusals, choose one of: \[main side\]$/],
    ['?container=other', 400, /^container other is not valid for pod refusals$/],
    ['?container=main&tailLines=-1', 422, /tailLines: Invalid value: -1: must be greater than or equal to 0/],
    ['?container=main&limitBytes=0', 422, /limitBytes: Invalid value: 0: must be greater than 0/],
  ];
  for (const [query, status, message] of rows) {
    const answer = await api.get(`${PODS}/refusals/log${query}`);
    t.is(answer.status, status, query);
    t.regex(String(answer.json()['message']), message);
  }
  t.is((await api.get(`${PODS}/absent/log`)).status, 404);
  t.deepEqual(kubelet.seen, []);
});

run('what the kubelet answers to a log request as an error comes back as a Status', async (t) => {
  const { api } = t.context;
  const kubelet = await running(t, 'errors');
  const rows: Array<[kubelet: number, code: number, reason: string]> = [
    [400, 400, 'BadRequest'],
    [404, 404, 'NotFound'],
    [403, 403, 'Forbidden'],
    [500, 500, 'InternalError'],
  ];
  for (const [code, status, reason] of rows) {
    kubelet.answer = (_, response) => {
      response.statusCode = code;
      response.end('container "main" is waiting to start: ContainerCreating\n');
    };
    const answer = await api.get(`${PODS}/errors/log?container=main`);
    t.is(answer.status, status);
    t.like(answer.json(), { kind: 'Status', status: 'Failure', code: status, reason });
    t.regex(answer.body.toString(), /is waiting to start: ContainerCreating/);
  }
});

run('a kubelet whose certificate the CA did not sign is told nothing', async (t) => {
  const kubelet = await running(t, 'stranger', (ca) => TlsKubelet.stranger(ca));
  const answer = await t.context.api.get(`${PODS}/stranger/log?container=main`);
  t.is(answer.status, 500);
  t.regex(String(answer.json()['message']), /error dialing backend: .*certificate/);
  t.deepEqual(kubelet.seen, []);
});

for (const [protocol, method, headers] of [
  [
    'websocket',
    'GET',
    {
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': 'v5.channel.k8s.io',
    },
  ],
  ['spdy', 'POST', { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' }],
] as const) {
  run(`exec over ${protocol} goes through byte for byte, both ways`, async (t) => {
    const name = `exec-${protocol}`;
    const kubelet = await running(t, name);
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    kubelet.upgrade = (request, socket) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n` +
          'X-Of-The-Kubelet: yes\r\n\r\n',
      );
      // Says it all again once it has it all, and hangs up: nothing of that may be lost on the way.
      const heard: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => {
        heard.push(chunk);
        const all = Buffer.concat(heard);
        if (all.length === sent.length) socket.end(all);
      });
    };
    const path = `${PODS}/${name}/exec?container=main&command=sh&command=-c&command=echo+a%26b&stdin=true&stdout=true&tty=false`;
    const { answer, socket, head } = await upgrade(t, path, headers, method);
    t.is(answer.statusCode, 101);
    t.is(answer.headers['x-of-the-kubelet'], 'yes');
    t.is(answer.headers.upgrade, headers.upgrade);
    t.is(head?.length, 0);
    if (!socket) return;
    socket.write(sent);
    t.true((await collect(socket)).equals(sent));
    const [seen] = kubelet.seen;
    t.is(seen?.method, method);
    t.is(seen?.url, `/exec/default/${name}/main?input=1&output=1&command=sh&command=-c&command=echo+a%26b`);
    t.is(seen?.user, 'kube-apiserver-kubelet-client');
    for (const [header, value] of Object.entries(headers)) t.is(seen?.headers[header], value, header);
  });
}

run('attach and port-forward find their paths at the kubelet', async (t) => {
  const kubelet = await running(t, 'paths');
  kubelet.upgrade = (_, socket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n');
  };
  for (const path of [
    'attach?container=side&stdout=1&stderr=1&tty=1',
    'portforward',
    'portforward?ports=80',
  ]) {
    const { answer, socket } = await upgrade(t, `${PODS}/paths/${path}`, { upgrade: 'SPDY/3.1' }, 'POST');
    t.is(answer.statusCode, 101, path);
    socket?.destroy();
  }
  t.deepEqual(
    kubelet.seen.map(({ url }) => url),
    [
      '/attach/default/paths/side?output=1&error=1&tty=1',
      '/portForward/default/paths',
      '/portForward/default/paths?port=80',
    ],
  );
});

run('where the kubelet will not switch protocols, the client gets a Status', async (t) => {
  const kubelet = await running(t, 'unwilling');
  kubelet.upgrade = (_, socket) => {
    const text = 'container not found ("main")';
    socket.end(
      `HTTP/1.1 404 Not Found\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
    );
  };
  const path = `${PODS}/unwilling/exec?container=main&command=sh&stdout=1`;
  const { answer, socket } = await upgrade(t, path, { upgrade: 'SPDY/3.1' }, 'POST');
  t.is(socket, undefined);
  t.is(answer.statusCode, 404);
  const status = JSON.parse((await collect(answer)).toString()) as object;
  t.like(status, { kind: 'Status', reason: 'NotFound' });
  t.is(read(status, 'details.causes[0].message'), 'container not found ("main")');

  const plain = await t.context.api.post(path, undefined);
  t.is(plain.status, 400);
  t.is(plain.json()['message'], 'Upgrade request required');
});

run('nodes/proxy reaches the kubelet for those who may, with path, query and body', async (t) => {
  const { api, plane } = t.context;
  const kubelet = await running(t, 'proxied');
  kubelet.answer = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('content-type', 'application/x-test');
      response.setHeader('location', '/elsewhere?x=1');
      response.statusCode = 202;
      response.end(`got ${Buffer.concat(chunks).toString()}`);
    });
  };
  const path = '/api/v1/nodes/proxied/proxy';
  const answer = await api.post(`${path}/run/it?a=1&a=2`, 'abc', { 'content-type': 'text/plain' });
  t.is(answer.status, 202);
  t.is(answer.headers['content-type'], 'application/x-test');
  t.is(answer.headers['location'], `${path}/elsewhere?x=1`);
  t.is(answer.body.toString(), 'got abc');
  t.like(kubelet.seen[0], { method: 'POST', url: '/run/it?a=1&a=2', user: 'kube-apiserver-kubelet-client' });

  const nobody = new RawApi(plane, { identity: plane.identity('nobody') });
  t.teardown(() => nobody.close());
  const refused = await nobody.get(`${path}/pods`);
  t.is(refused.status, 403);
  t.is(
    refused.json()['message'],
    'nodes "proxied" is forbidden: User "nobody" cannot get resource "nodes/proxy" in API group "" at the cluster scope',
  );
  t.is(kubelet.seen.length, 1);
});

const address = Object.values(networkInterfaces())
  .flat()
  .find((one) => one && !one.internal && one.family === 'IPv4')?.address;
const runWithAddress = address === undefined ? run.skip : run;

runWithAddress('pods/proxy and services/proxy reach the pod, and never this machine itself', async (t) => {
  const { api } = t.context;
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? 'no credentials'}`);
    response.end('from the pod');
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  await running(t, 'web');
  const status = async (ip: string) => {
    const patched = await api.patch(`${PODS}/web/status`, 'merge', {
      status: { podIP: ip, podIPs: [{ ip }] },
    });
    t.is(patched.status, 200, patched.body.toString());
  };
  await status(address ?? '');
  const answer = await api.get(`${PODS}/web:${port}/proxy/a/b?c=d`);
  t.is(answer.body.toString(), 'from the pod');
  await status('127.0.0.1');
  t.is((await api.get(`${PODS}/web:${port}/proxy/`)).status, 400);

  const services = '/api/v1/namespaces/default/services';
  const spec = { ports: [{ name: 'http', port: 80, targetPort: port }] };
  await api.post(services, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec });
  t.is((await api.get(`${services}/web:http/proxy/`)).status, 503);
  await api.post('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  });
  for (const which of ['web', 'web:http', 'web:80', 'http:web:http']) {
    t.is((await api.get(`${services}/${which}/proxy/x`)).body.toString(), 'from the pod', which);
  }
  t.deepEqual(seen, ['GET /a/b?c=d no credentials', ...Array<string>(4).fill('GET /x no credentials')]);
});
