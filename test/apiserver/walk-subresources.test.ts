/**
 * Every subresource and verb of it that upstream's discovery lists by default, asked for: parts in JSON and in protobuf
 * with each patch, actions, and what kubelets, pods and services answer, by stand-ins with real connections.
 */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { decodeProtobuf, encodeProtobuf } from '../../src/api/protobuf/envelope.ts';
import type { Identity } from '../../src/pki/issue.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';
import type { RawAnswer } from '../helpers/raw-api.ts';
import { collectionOf, servedKinds } from './maximal/answers.ts';
import type { Json, Served } from './maximal/answers.ts';
import { TlsKubelet } from './resources/tls-kubelet.ts';
import { objectOf } from './walk-objects.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
/** Kinds without a protobuf form, and parts that are themselves of another kind. */
const JSON_ONLY = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io']);
const CORE = '/api/v1/namespaces/default';
const METHODS: Readonly<Record<string, string>> = {
  get: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
};
const address = Object.values(networkInterfaces())
  .flat()
  .find((one) => one && !one.internal && one.family === 'IPv4')?.address;

class Walk {
  readonly t: ExecutionContext;
  readonly api: RawApi;
  readonly #plane: TestControlPlane;
  /** `resource/subresource verb`, as they are asked for. */
  readonly walked = new Set<string>();

  constructor(t: ExecutionContext, api: RawApi, plane: TestControlPlane) {
    this.t = t;
    this.api = api;
    this.#plane = plane;
  }

  async ask(what: string, method: string, path: string, body?: unknown, headers = {}): Promise<RawAnswer> {
    const answer = await this.api.request(method, path, { body, headers });
    this.t.true(
      answer.status < 300,
      `${what} is answered ${answer.status} ${answer.body.toString().slice(0, 300)}`,
    );
    return answer;
  }

  /** A part of an object: read and written in both forms, and patched in every way. */
  async part(served: Served, path: string, name: string, verbs: readonly string[]): Promise<void> {
    const what = (verb: string): string =>
      `${served.resource}.${served.version}.${served.group}/${name} ${verb}`;
    const whole = `${path}/${name}`;
    for (const wire of ['json', 'protobuf'] as const) {
      if (wire === 'protobuf' && JSON_ONLY.has(served.group)) continue;
      const type = wire === 'json' ? 'application/json' : PROTOBUF;
      const headers = { accept: type, 'content-type': type };
      const decode = ({ body }: RawAnswer): Json =>
        (wire === 'json' ? JSON.parse(body.toString()) : decodeProtobuf(body)) as Json;
      const readable = verbs.includes('get');
      const get = async () =>
        decode(await this.ask(what('get'), 'GET', readable ? whole : path, undefined, headers));
      const now = await get();
      if (readable) this.walked.add(what('get'));
      if (verbs.includes('update')) {
        const put = await this.#overwrite(what('update'), whole, get, (object) =>
          wire === 'json' ? { body: object, headers } : { body: encodeProtobuf(object), headers },
        );
        this.t.is(decode(put).metadata.name, now.metadata.name, what('update'));
        this.walked.add(what('update'));
      }
      if (!verbs.includes('patch')) continue;
      const { apiVersion, kind } = now;
      const body = (
        name === 'scale' ? { spec: { replicas: 2 } } : { metadata: { annotations: { a: wire } } }
      ) as object;
      const add =
        name === 'scale'
          ? { op: 'replace', path: '/spec/replicas', value: 3 }
          : { op: 'add', path: '/metadata/annotations', value: { b: wire } };
      const applied = {
        apiVersion,
        kind,
        metadata: { name: now.metadata.name },
        ...(name === 'scale' ? body : {}),
      };
      const patches: Array<[type: string, query: string, body: unknown]> = [
        ['merge-patch+json', '', body],
        ...(served.group === 'apiextensions.k8s.io'
          ? []
          : ([['strategic-merge-patch+json', '', body]] as Array<[string, string, unknown]>)),
        ['json-patch+json', '', [add]],
        ['apply-patch+yaml', '?fieldManager=walk&force=true', applied],
      ];
      for (const [patch, query, sent] of patches) {
        const given = { accept: type, 'content-type': `application/${patch}` };
        await this.ask(`${what('patch')} ${patch}`, 'PATCH', `${whole}${query}`, sent, given);
      }
      this.walked.add(what('patch'));
    }
  }

  /** Writes back what was read, again where the server itself has written in between. */
  async #overwrite(
    what: string,
    path: string,
    get: () => Promise<Json>,
    request: (object: Json) => { body: unknown; headers: Record<string, string> },
  ): Promise<RawAnswer> {
    for (;;) {
      const answer = await this.api.request('PUT', path, request(await get()));
      if (answer.status === 409) continue;
      this.t.is(answer.status, 200, `${what}: ${answer.body.toString().slice(0, 300)}`);
      return answer;
    }
  }

  /** What goes through to another server: each verb by its method. */
  async through(name: string, path: string, verbs: readonly string[], expected: string): Promise<void> {
    for (const verb of verbs) {
      const answer = await this.ask(
        `${name} ${verb}`,
        METHODS[verb]!,
        path,
        verb === 'get' ? undefined : 'x',
        {
          'content-type': 'text/plain',
        },
      );
      this.t.is(answer.body.toString(), `${METHODS[verb]} ${expected}`, `${name} ${verb}`);
      this.walked.add(`${name} ${verb}`);
    }
  }

  /** Switches protocols, as exec and its like do; GET is a WebSocket's, POST is SPDY's. */
  async upgrade(name: string, path: string, verbs: readonly string[]): Promise<void> {
    const { url, ca, admin } = this.#plane;
    for (const verb of verbs) {
      const upgrade = verb === 'get' ? 'websocket' : 'SPDY/3.1';
      const status = await new Promise<number>((resolve, reject) => {
        const outgoing = httpsRequest(`${url}${path}`, {
          method: METHODS[verb],
          headers: {
            connection: 'Upgrade',
            upgrade,
            'sec-websocket-version': '13',
            'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
            'sec-websocket-protocol': 'v5.channel.k8s.io',
          },
          ca: ca.certPem,
          cert: admin.certPem,
          key: admin.keyPem,
          agent: false,
        });
        outgoing.on('upgrade', (answer, socket) => {
          socket.destroy();
          resolve(answer.statusCode ?? 0);
        });
        outgoing.on('response', (answer) => resolve(answer.statusCode ?? 0));
        outgoing.on('error', reject);
        outgoing.end();
      });
      this.t.is(status, 101, `${name} ${verb}`);
      this.walked.add(`${name} ${verb}`);
    }
  }
}

/** A node whose kubelet says what it was asked. */
async function startKubelet(t: ExecutionContext, plane: TestControlPlane): Promise<TlsKubelet> {
  const kubelet = await TlsKubelet.start(plane.ca);
  t.teardown(() => kubelet.close());
  kubelet.answer = (request, response) => {
    request.resume();
    request.on('end', () => response.end(`${request.method} ${request.url}`));
  };
  kubelet.upgrade = (request, socket) => {
    socket.end(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\n`,
    );
  };
  return kubelet;
}

async function startEcho(t: ExecutionContext, host: string): Promise<number> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(`${request.method} ${request.url}`));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

const pod = (name: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'a', image: 'x:1' }], ...spec },
});

async function walkActions(walk: Walk): Promise<void> {
  const { walked } = walk;
  const target = { apiVersion: 'v1', kind: 'Node', name: 'worker' };
  const make = (name: string) => walk.ask('create a pod', 'POST', `${CORE}/pods`, pod(name));
  await make('bound');
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'bound' }, target };
  await walk.ask('bind', 'POST', `${CORE}/pods/bound/binding`, encodeProtobuf(binding), {
    'content-type': PROTOBUF,
  });
  walked.add('pods.v1./binding create');
  walk.t.like((await walk.api.get(`${CORE}/pods/bound`)).json(), { spec: { nodeName: 'worker' } });
  await make('bound-too');
  const other = { ...binding, metadata: { name: 'bound-too' } };
  await walk.ask('bindings', 'POST', `${CORE}/bindings`, other);
  walk.t.like((await walk.api.get(`${CORE}/pods/bound-too`)).json(), { spec: { nodeName: 'worker' } });
  await make('evicted');
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'evicted' } };
  await walk.ask('evict', 'POST', `${CORE}/pods/evicted/eviction`, eviction);
  walk.t.is((await walk.api.get(`${CORE}/pods/evicted`)).status, 404);
  walked.add('pods.v1./eviction create');
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: {},
    spec: { audiences: [] },
  };
  const token = await walk.ask('token', 'POST', `${CORE}/serviceaccounts/default/token`, request);
  walk.t.regex(JSON.stringify(token.json()['status']), /"token":"ey/);
  walked.add('serviceaccounts.v1./token create');
}

async function walkStreams(
  walk: Walk,
  kubelet: TlsKubelet,
  verbsOf: (name: string) => readonly string[],
): Promise<void> {
  const port = kubelet.port;
  await walk.ask('a node', 'POST', '/api/v1/nodes', {
    metadata: { name: 'worker' },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  });
  await walk.ask('a pod', 'POST', `${CORE}/pods`, pod('streams', { nodeName: 'worker' }));
  const at = `${CORE}/pods/streams`;
  await walk.through(
    'pods.v1./log',
    `${at}/log`,
    verbsOf('pods/log'),
    '/containerLogs/default/streams/a?stream=All',
  );
  await walk.upgrade('pods.v1./exec', `${at}/exec?command=sh&stdout=1`, verbsOf('pods/exec'));
  await walk.upgrade('pods.v1./attach', `${at}/attach?stdout=1`, verbsOf('pods/attach'));
  await walk.upgrade('pods.v1./portforward', `${at}/portforward?ports=80`, verbsOf('pods/portforward'));
  const nodes = '/api/v1/nodes/worker/proxy/any/path?a=b';
  await walk.through('nodes.v1./proxy', nodes, verbsOf('nodes/proxy'), '/any/path?a=b');
}

async function walkProxies(
  walk: Walk,
  host: string,
  verbsOf: (name: string) => readonly string[],
): Promise<void> {
  const port = await startEcho(walk.t, host);
  const status = { status: { podIP: host, podIPs: [{ ip: host }] } };
  await walk.ask('an address', 'PATCH', `${CORE}/pods/streams/status`, status, {
    'content-type': 'application/merge-patch+json',
  });
  const pods = `${CORE}/pods/streams:${port}/proxy/a?b=c`;
  await walk.through('pods.v1./proxy', pods, verbsOf('pods/proxy'), '/a?b=c');
  await walk.ask('a service', 'POST', `${CORE}/services`, {
    metadata: { name: 'proxied' },
    spec: { ports: [{ name: 'http', port: 80, targetPort: port }] },
  });
  await walk.ask('its endpoints', 'POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { name: 'proxied-1', labels: { 'kubernetes.io/service-name': 'proxied' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port }],
    endpoints: [{ addresses: [host], conditions: { ready: true } }],
  });
  const services = `${CORE}/services/proxied:http/proxy/a?b=c`;
  await walk.through('services.v1./proxy', services, verbsOf('services/proxy'), '/a?b=c');
}

const ACTIONS = new Set(['binding', 'eviction', 'token', 'log', 'exec', 'attach', 'portforward', 'proxy']);

test('every subresource that is served is asked for by each of its verbs', async (t) => {
  t.timeout(120_000);
  let client: Identity | undefined;
  const plane = await startControlPlane({
    server: {
      kubelet: () => {
        client ??= plane.identity('kube-apiserver-kubelet-client');
        return { caPem: plane.ca.certPem, certPem: client.certPem, keyPem: client.keyPem };
      },
    },
  });
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  const walk = new Walk(t, api, plane);
  await walk.ask('an account', 'POST', `${CORE}/serviceaccounts`, { metadata: { name: 'default' } });
  const kinds = servedKinds().filter(({ subresources }) => subresources.length > 0);
  for (const served of kinds) {
    const parts = served.subresources.filter(({ name }) => !ACTIONS.has(name));
    if (parts.length === 0) continue;
    const object = objectOf(served) as Json | undefined;
    if (!object) throw new Error(`there is no object of ${served.resource}`);
    await walk.ask(`create ${served.resource}`, 'POST', collectionOf(served), object);
    const path = `${collectionOf(served)}/${encodeURIComponent(object.metadata.name ?? '')}`;
    for (const { name, verbs } of parts) await walk.part(served, path, name, verbs);
    await walk.ask(`delete ${served.resource}`, 'DELETE', `${path}?gracePeriodSeconds=0`);
  }
  const verbsOf = (which: string): readonly string[] => {
    const [resource, name] = which.split('/');
    const found = kinds.find((one) => one.group === '' && one.resource === resource);
    return found?.subresources.find((one) => one.name === name)?.verbs ?? [];
  };
  await walkStreams(walk, await startKubelet(t, plane), verbsOf);
  await walkActions(walk);
  // Validation lets no pod be on loopback, and proxies reach nobody there.
  if (address === undefined)
    t.log('without an address of its own this machine shows nothing of proxies to pods');
  else await walkProxies(walk, address, verbsOf);
  const listed = kinds.flatMap(({ group, version, resource, subresources }) =>
    subresources.flatMap(({ name, verbs }) =>
      verbs.map((verb) => `${resource}.${version}.${group}/${name} ${verb}`),
    ),
  );
  const left = listed.filter((one) => !walk.walked.has(one));
  t.deepEqual(
    left.filter((one) => address !== undefined || !one.includes('/proxy')),
    [],
  );
  t.log(`${listed.length} verbs of subresources`);
  t.true(listed.length > 100);
});
