import { request as httpsRequest, type RequestOptions } from 'node:https';
import test, { type ExecutionContext } from 'ava';
import { SUBJECTACCESSREVIEWS, TOKENREVIEWS } from '../../src/api/gen/resources.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { FakeRuntime } from '../../src/kubelet/cri/fake-runtime.ts';
import { Authenticator } from '../../src/kubelet/server/authentication.ts';
import { Authorizer, subresourcesOf } from '../../src/kubelet/server/authorization.ts';
import { KubeletServer } from '../../src/kubelet/server/kubelet-server.ts';
import { KubeletRoutes } from '../../src/kubelet/server/routes.ts';
import { createCertificateAuthority, issueCertificate, type Identity } from '../../src/pki/issue.ts';
import { podOf } from './pods.ts';
import { startSpdyServer } from './spdy-server.ts';

const clock = systemClock;
const ca = createCertificateAuthority({ commonName: 'kubernetes', clock });
const stranger = createCertificateAuthority({ commonName: 'stranger', clock });

function client(commonName: string, organizations: string[] = [], by: Identity = ca): Identity {
  return issueCertificate({
    ca: by,
    commonName,
    organizations,
    usages: ['digital signature', 'client auth'],
    clock,
  });
}

const admin = client('root', ['system:masters']);

interface Served {
  port: number;
  runtime: FakeRuntime;
  reviews: () => number;
  get: (path: string, options?: RequestOptions) => Promise<{ status: number; body: string; headers: object }>;
}

async function serve(t: ExecutionContext): Promise<Served> {
  const api = new MemoryClient(clock);
  const create = api.create.bind(api);
  let reviews = 0;
  api.create = (async (resource: unknown, object: { spec: Record<string, unknown> }) => {
    if (resource === TOKENREVIEWS) {
      const known = object.spec.token === 'good';
      return { ...object, status: known ? { authenticated: true, user: { username: 'robot' } } : {} };
    }
    if (resource === SUBJECTACCESSREVIEWS) {
      reviews += 1;
      const { user, resourceAttributes } = object.spec as {
        user: string;
        resourceAttributes: { subresource: string };
      };
      const allowed = user === 'robot' && resourceAttributes.subresource === 'metrics';
      return { ...object, status: { allowed } };
    }
    return create(resource as never, object as never);
  }) as typeof api.create;
  const runtime = new FakeRuntime(clock);
  const routes = new KubeletRoutes({
    runtime,
    pods: () => [podOf()],
    status: () => ({ phase: 'Running' }),
    healthy: () => undefined,
    metrics: async () => 'metric 1\n',
    summary: async () => ({ node: {} }),
    clock,
    log: silentLogger,
  });
  const serving = issueCertificate({
    ca,
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
    usages: ['digital signature', 'server auth'],
    ipAddresses: ['127.0.0.1'],
    clock,
  });
  const server = new KubeletServer({
    address: '127.0.0.1',
    port: 0,
    certificate: { cert: serving.certPem, key: serving.keyPem },
    clientCa: ca.certPem,
    authenticator: new Authenticator(api, clock),
    authorizer: new Authorizer({ client: api, clock, nodeName: 'n1' }),
    routes,
    log: silentLogger,
  });
  const port = await server.listen();
  t.teardown(() => server.close());
  const get: Served['get'] = (path, options = {}) =>
    new Promise((resolve, reject) => {
      const request = httpsRequest({
        host: '127.0.0.1',
        port,
        path,
        ca: ca.certPem,
        agent: false,
        ...options,
      });
      request.on('response', (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
        );
      });
      request.on('upgrade', (response, socket) => {
        socket.destroy();
        resolve({ status: response.statusCode ?? 0, body: '', headers: response.headers });
      });
      request.on('error', reject);
      request.end();
    });
  return { port, runtime, reviews: () => reviews, get };
}

const as = (identity: Identity): RequestOptions => ({ cert: identity.certPem, key: identity.keyPem });
const bearer = (token: string): RequestOptions => ({ headers: { authorization: `Bearer ${token}` } });

test('nobody without a certificate of the cluster or a known token is let in', async (t) => {
  const { get } = await serve(t);
  t.is((await get('/pods')).status, 401);
  t.is((await get('/pods', as(client('root', ['system:masters'], stranger)))).status, 401);
  t.is((await get('/pods', bearer('bad'))).status, 401);
  t.is((await get('/healthz')).status, 401);
  t.is((await get('/pods', as(admin))).status, 200);
});

test('a known user may do what a review allows, and the answer is remembered', async (t) => {
  const { get, reviews } = await serve(t);
  t.like(await get('/metrics', bearer('good')), { status: 200, body: 'metric 1\n' });
  await get('/metrics', bearer('good'));
  t.is(reviews(), 1);
  const refused = await get('/exec/default/web/app?command=sh&output=1', {
    method: 'POST',
    ...bearer('good'),
  });
  t.is(refused.status, 403);
  t.is(refused.body, 'Forbidden (user=robot, verb=create, resource=nodes, subresource(s)=[proxy])\n');
  t.is((await get('/pods', bearer('good'))).status, 403);
  t.is(reviews(), 4, 'pods is asked by its own right and by nodes/proxy');
});

test('paths and the rights that open them', (t) => {
  t.deepEqual(subresourcesOf('/stats/summary'), ['stats']);
  t.deepEqual(subresourcesOf('/containerLogs/a/b/c'), ['proxy']);
  t.deepEqual(subresourcesOf('/healthz'), ['healthz', 'proxy']);
});

test('answers: pods with their status, health, and what is not there', async (t) => {
  const { get } = await serve(t);
  const pods = JSON.parse((await get('/pods', as(admin))).body) as { kind: string; items: object[] };
  t.like(pods, { kind: 'PodList' });
  t.like(pods.items[0], { metadata: { name: 'web' }, status: { phase: 'Running' } });
  t.is((await get('/healthz', as(admin))).body, 'ok');
  t.is((await get('/none', as(admin))).status, 404);
  t.like(await get('/containerLogs/default/none/app', as(admin)), {
    status: 404,
    body: 'pod "none" not found\n',
  });
  t.like(await get('/containerLogs/default/web/none', as(admin)), {
    status: 404,
    body: 'container "none" not found in pod "web"\n',
  });
  t.is((await get('/containerLogs/default/web/app?tailLines=x', as(admin))).status, 422);
});

const upgrade = (protocols: string): RequestOptions => ({
  ...as(admin),
  headers: {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': protocols,
  },
});

test('upgrades: the protocol is chosen, kubectl’s tunnel included; unknown ones are refused', async (t) => {
  const { get, runtime } = await serve(t);
  const labels = { 'io.kubernetes.pod.uid': 'uid-1' };
  const streaming = await startSpdyServer(() => undefined);
  t.teardown(() => streaming.close());
  runtime.listContainers = async () =>
    [{ id: 'c', name: 'app', state: 'Running', createdAtMs: 1, labels }] as never;
  runtime.listPodSandbox = async () => [{ id: 's', ready: true }] as never;
  runtime.exec = async () => streaming.url;
  runtime.portForward = async () => streaming.url;
  const exec = await get(
    '/exec/default/web/app?command=ls&output=1',
    upgrade('v5.channel.k8s.io, v4.channel.k8s.io'),
  );
  t.like(exec, { status: 101, headers: { 'sec-websocket-protocol': 'v5.channel.k8s.io' } });
  const tunnel = await get('/portForward/default/web', upgrade('SPDY/3.1+portforward.k8s.io'));
  t.like(tunnel, { status: 101, headers: { 'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io' } });
  t.is((await get('/exec/default/web/app?command=ls&output=1', upgrade('v9'))).status, 403);
  t.is((await get('/exec/default/web/app?command=ls', upgrade('v5.channel.k8s.io'))).status, 400);
  t.is((await get('/exec/default/web/other?command=ls&output=1', upgrade('v5.channel.k8s.io'))).status, 404);
  const anonymous = upgrade('v5.channel.k8s.io');
  t.is((await get('/exec/default/web/app?command=ls&output=1', { headers: anonymous.headers })).status, 401);
});
