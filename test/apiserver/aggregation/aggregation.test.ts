import https from 'node:https';
import type { Duplex } from 'node:stream';
import test from 'ava';
import { systemClock } from '../../../src/base/clock.ts';
import { createCertificateAuthority, issueCertificate } from '../../../src/pki/issue.ts';
import type { Identity } from '../../../src/pki/issue.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { loopbackEndpoints, loopbackService } from '../../helpers/loopback-service.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { AggregatedServer, flunder } from './aggregated-server.ts';

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices';
const GROUP = 'wardle.example.com';
const BASE = `/apis/${GROUP}/v1alpha1`;

let plane: TestControlPlane;
let api: RawApi;
let backend: AggregatedServer;
let frontProxyCa: Identity;

test.before(async () => {
  frontProxyCa = createCertificateAuthority({ commonName: 'front-proxy-ca', clock: systemClock });
  const proxyClient = issueCertificate({
    ca: frontProxyCa,
    commonName: 'front-proxy-client',
    organizations: [],
    usages: ['digital signature', 'client auth'],
    clock: systemClock,
  });
  backend = await AggregatedServer.start(frontProxyCa.certPem, 'wardle.wardle.svc');
  plane = await startControlPlane({
    server: {
      proxyClient: () => proxyClient,
      requestHeader: { caPem: frontProxyCa.certPem, allowedNames: ['front-proxy-client'] },
    },
  });
  api = new RawApi(plane);
});

test.after.always(async () => {
  api.close();
  await plane.close();
  await backend.close();
});

function apiService(spec: object = {}): object {
  return {
    metadata: { name: `v1alpha1.${GROUP}` },
    spec: {
      group: GROUP,
      version: 'v1alpha1',
      groupPriorityMinimum: 2000,
      versionPriority: 200,
      service: { namespace: 'wardle', name: 'wardle', port: 7443 },
      caBundle: backend.caBundle,
      ...spec,
    },
  };
}

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

async function condition(name = `v1alpha1.${GROUP}`): Promise<Condition | undefined> {
  const { status } = (await api.get(`${APISERVICES}/${name}`)).json() as { status?: unknown };
  return (status as { conditions?: Condition[] } | undefined)?.conditions?.[0];
}

async function untilReason(reason: string): Promise<Condition> {
  await waitFor(`the reason is ${reason}`, async () => (await condition())?.reason === reason);
  return (await condition())!;
}

test.serial(
  "the server's own groups are registered as local APIServices, with upstream's priorities",
  async (t) => {
    const list = (await api.get(APISERVICES)).json().items as Array<{
      metadata: { name: string; labels: Record<string, string> };
      spec: object;
      status: { conditions: Condition[] };
    }>;
    const apps = list.find(({ metadata }) => metadata.name === 'v1.apps')!;
    t.deepEqual(apps.spec, {
      group: 'apps',
      version: 'v1',
      groupPriorityMinimum: 17_800,
      versionPriority: 15,
    });
    t.deepEqual(apps.metadata.labels, { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' });
    t.like(apps.status.conditions[0], {
      type: 'Available',
      status: 'True',
      reason: 'Local',
      message: 'Local APIServices are always available',
    });
    const core = list.find(({ metadata }) => metadata.name === 'v1.')!;
    t.deepEqual(core.spec, { version: 'v1', groupPriorityMinimum: 18_000, versionPriority: 1 });
    t.false(list.some(({ metadata }) => metadata.name === 'v1.apiregistration.k8s.io'));
  },
);

test.serial('custom resources get an APIService, and lose it with their version', async (t) => {
  const version = (name: string, served: boolean) => ({
    name,
    served,
    storage: name === 'v1',
    schema: { openAPIV3Schema: { type: 'object' } },
  });
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const made = await api.post(crds, {
    metadata: { name: 'toys.custom.example.com' },
    spec: {
      group: 'custom.example.com',
      scope: 'Cluster',
      names: { plural: 'toys', kind: 'Toy' },
      versions: [version('v1', true), version('v2', true)],
    },
  });
  t.is(made.status, 201);
  const there = async (name: string) => (await api.get(`${APISERVICES}/${name}`)).status === 200;
  await waitFor('v2 is registered', () => there('v2.custom.example.com'));
  const { spec, metadata } = (await api.get(`${APISERVICES}/v2.custom.example.com`)).json();
  t.deepEqual(spec, {
    group: 'custom.example.com',
    version: 'v2',
    groupPriorityMinimum: 1000,
    versionPriority: 100,
  });
  t.deepEqual(metadata.labels, { 'kube-aggregator.kubernetes.io/automanaged': 'true' });
  await api.delete(`${APISERVICES}/v2.custom.example.com`);
  await waitFor('it is made again', () => there('v2.custom.example.com'));
  await api.patch(`${crds}/toys.custom.example.com`, 'json', [
    { op: 'replace', path: '/spec/versions/1/served', value: false },
  ]);
  await waitFor('v2 is gone', async () => !(await there('v2.custom.example.com')));
  t.true(await there('v1.custom.example.com'));
  await api.delete(`${crds}/toys.custom.example.com`);
  await waitFor('v1 is gone', async () => !(await there('v1.custom.example.com')));
});

test.serial(
  'an APIService becomes available as what is behind it does, and says what is missing',
  async (t) => {
    t.is((await api.post(APISERVICES, apiService())).status, 201);
    t.is((await untilReason('ServiceNotFound')).message, 'service/wardle in "wardle" is not present');
    const unavailable = await api.get(`${BASE}/flunders`);
    t.is(unavailable.status, 503);
    t.is(unavailable.body.toString(), 'service unavailable\n');
    await api.post('/api/v1/namespaces', { metadata: { name: 'wardle' } });
    await api.post('/api/v1/namespaces/wardle/services', {
      metadata: { name: 'wardle' },
      spec: { ports: [{ name: 'https', port: 443 }] },
    });
    t.is(
      (await untilReason('ServicePortError')).message,
      'service/wardle in "wardle" is not listening on port 7443',
    );
    await api.patch('/api/v1/namespaces/wardle/services/wardle', 'json', [
      { op: 'replace', path: '/spec/ports/0/port', value: 7443 },
    ]);
    t.is(
      (await untilReason('EndpointsNotFound')).message,
      'cannot find endpointslices for service/wardle in "wardle"',
    );
    backend.broken = 500;
    await loopbackEndpoints(plane, api, { namespace: 'wardle', name: 'wardle', targetPort: backend.port });
    const failing = await untilReason('FailedDiscoveryCheck');
    t.is(failing.status, 'False');
    const url = `https://127.0.0.1:${backend.port}${BASE}`;
    t.is(failing.message, `failing or missing response from ${url}: bad status from ${url}: 500`);
    backend.broken = 0;
    const passed = await untilReason('Passed');
    t.like(passed, { status: 'True', message: 'all checks passed' });
  },
);

test.serial('requests go on to the server behind, with who asks', async (t) => {
  const list = await api.get(`${BASE}/namespaces/default/flunders?limit=5`, {
    'x-remote-user': 'mallory',
    'x-remote-group': 'system:masters',
    'x-remote-extra-power': 'all',
  });
  t.is(list.status, 200);
  t.is(list.json().kind, 'FlunderList');
  // The server itself asks for documents meanwhile.
  const seen = backend.requests.findLast(({ url }) => url.includes('limit=5'))!;
  t.is(seen.headers['audit-id'], String(list.headers['audit-id']));
  t.is(seen.url, `${BASE}/namespaces/default/flunders?limit=5`);
  t.is(seen.client, 'front-proxy-client');
  t.is(seen.headers['x-remote-user'], 'test-admin');
  t.is(seen.headers['x-remote-group'], 'system:masters, system:authenticated');
  t.is(seen.headers['x-remote-extra-power'], undefined);
  t.regex(
    String(seen.headers['x-remote-extra-authentication.kubernetes.io%2fcredential-id']),
    /^X509SHA256=/,
  );
  const made = await api.post(`${BASE}/namespaces/default/flunders`, flunder('b'));
  t.is(made.status, 201);
  t.true(made.json().made);
  const redirected = await api.get(`${BASE}/redirect`);
  t.is(redirected.status, 502);
});

test.serial('who may not, is refused before the server behind hears of it', async (t) => {
  const nobody = new RawApi(plane, { identity: plane.identity('nobody') });
  t.teardown(() => nobody.close());
  const before = backend.requests.filter(({ url }) => url.includes('/flunders')).length;
  const refused = await nobody.get(`${BASE}/namespaces/default/flunders`);
  t.is(refused.status, 403);
  t.regex(
    String(refused.json().message),
    /cannot list resource "flunders" in API group "wardle\.example\.com"/,
  );
  t.is(backend.requests.filter(({ url }) => url.includes('/flunders')).length, before);
});

test.serial('a watch is a stream, and ends behind when the client goes', async (t) => {
  const watch = await api.watch(`${BASE}/flunders?watch=1`);
  t.like((await watch.next())?.object, flunder('first'));
  const [response] = backend.watches;
  response?.write(`${JSON.stringify({ type: 'ADDED', object: flunder('second') })}\n`);
  t.like((await watch.next())?.object, flunder('second'));
  watch.close();
  await waitFor('the watch behind has ended', () => backend.watches.size === 0);
});

test.serial('an upgrade goes through, byte for byte', async (t) => {
  const { certPem, keyPem } = plane.admin;
  const socket = await new Promise<Duplex>((resolve, reject) => {
    const request = https.request(`${plane.url}${BASE}/namespaces/default/flunders/a/exec`, {
      ca: plane.ca.certPem,
      cert: certPem,
      key: keyPem,
      headers: { connection: 'Upgrade', upgrade: 'echo' },
    });
    request.on('upgrade', (_answer, upgraded, head) => {
      if (head.length > 0) upgraded.unshift(head);
      resolve(upgraded);
    });
    request.on('error', reject);
    request.end();
  });
  t.teardown(() => socket.destroy());
  socket.write('world');
  let text = '';
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString();
    if (text.length >= 'hello world'.length) break;
  }
  t.is(text, 'hello world');
  const upgraded = backend.requests.findLast(({ url }) => url.endsWith('/exec'));
  t.is(upgraded?.headers['x-remote-user'], 'test-admin');
});

test.serial('discovery, old and new, and OpenAPI show what the server behind serves', async (t) => {
  interface Group {
    name?: string;
    metadata?: { name?: string };
    versions: Array<{ version: string; freshness?: string; resources?: object[] }>;
  }
  const groups = (await api.get('/apis')).json().groups as Group[];
  t.true(groups.some(({ name }) => name === GROUP));
  t.is((await api.get(`/apis/${GROUP}`)).json().kind, 'APIGroup');
  t.is((await api.get(BASE)).json().kind, 'APIResourceList');
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const find = async () => {
    const { items } = (await api.get('/apis', { accept })).json() as { items?: unknown };
    return (items as Group[]).find(({ metadata }) => metadata?.name === GROUP)?.versions[0];
  };
  await waitFor('aggregated discovery has it', async () => (await find())?.freshness === 'Current');
  const version = await find();
  t.like(version?.resources?.[0], {
    resource: 'flunders',
    scope: 'Namespaced',
    singularResource: 'flunder',
    shortNames: ['fl'],
    responseKind: { group: GROUP, version: 'v1alpha1', kind: 'Flunder' },
    subresources: [{ subresource: 'status', verbs: ['get'] }],
  });
  const index = (await api.get('/openapi/v3')).json().paths as Record<string, { serverRelativeURL: string }>;
  const { serverRelativeURL } = index[`apis/${GROUP}/v1alpha1`]!;
  t.is((await api.get(serverRelativeURL)).json().openapi, '3.0.0');
  const v2 = (await api.get('/openapi/v2')).json() as { paths?: object; definitions?: object };
  t.true(`${BASE}/flunders` in v2.paths!);
  t.false('/apis/other/v1/things' in v2.paths!);
  t.true('wardle.Spec' in v2.definitions!);
  t.false('wardle.Unused' in v2.definitions!);
});

test.serial(
  'a server that has gone is shown as stale, and its APIService is deleted without a trace',
  async (t) => {
    await api.delete('/apis/discovery.k8s.io/v1/namespaces/wardle/endpointslices/wardle-1');
    await untilReason('EndpointsNotFound');
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const text = (await api.get('/apis', { accept })).body.toString();
    t.regex(text, /"version":"v1alpha1","resources":\[\{"resource":"flunders".*?"freshness":"Stale"/);
    t.is((await api.delete(`${APISERVICES}/v1alpha1.${GROUP}`)).status, 200);
    t.is((await api.get(BASE)).status, 404);
    t.false((await api.get('/apis')).body.toString().includes(GROUP));
  },
);

test.serial('another certificate than that of caBundle is no way to a server', async (t) => {
  await loopbackService(plane, api, {
    namespace: 'other',
    name: 'other',
    port: 443,
    targetPort: backend.port,
  });
  const spec = { service: { namespace: 'other', name: 'other' } };
  t.is((await api.post(APISERVICES, apiService(spec))).status, 201);
  const failing = await untilReason('FailedDiscoveryCheck');
  t.regex(failing.message, /x509: certificate is valid for wardle\.wardle\.svc, not other\.other\.svc/);
  await api.patch(`${APISERVICES}/v1alpha1.${GROUP}`, 'merge', {
    spec: { insecureSkipTLSVerify: true, caBundle: null },
  });
  await untilReason('Passed');
  await api.delete(`${APISERVICES}/v1alpha1.${GROUP}`);
});

test.serial('an APIService that makes no sense is refused', async (t) => {
  const refused = await api.post(APISERVICES, {
    metadata: { name: 'wrong' },
    spec: { group: 'g.h', version: 'v1', groupPriorityMinimum: 0, versionPriority: 2000, service: {} },
  });
  t.is(refused.status, 422);
  const causes = (refused.json().details as { causes: Array<{ field: string }> }).causes;
  t.deepEqual(
    causes.map(({ field }) => field),
    [
      'metadata.name',
      'spec.groupPriorityMinimum',
      'spec.versionPriority',
      'spec.service.namespace',
      'spec.service.name',
    ],
  );
});

test.serial('others are told whom to trust', async (t) => {
  const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
  const { data } = (await api.get(path)).json() as { data?: unknown };
  t.deepEqual(data, {
    'client-ca-file': plane.ca.certPem,
    'requestheader-allowed-names': '["front-proxy-client"]',
    'requestheader-client-ca-file': frontProxyCa.certPem,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-uid-headers': '["X-Remote-Uid"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  });
});
