import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { LogSink } from '../../../src/apiserver/audit/log-sink.ts';
import { AuditPolicy } from '../../../src/apiserver/audit/policy.ts';
import type { AuditOptions } from '../../../src/apiserver/audit/auditor.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { WebhookServer } from '../../helpers/webhook-server.ts';

interface AuditEvent {
  level: string;
  auditID: string;
  stage: string;
  requestURI: string;
  verb: string;
  user: { username?: string; groups?: string[] };
  impersonatedUser?: { username: string };
  sourceIPs: string[];
  objectRef?: Record<string, string>;
  responseStatus?: { code: number; status?: string; message?: string; reason?: string };
  requestObject?: Record<string, unknown>;
  responseObject?: Record<string, unknown>;
  annotations?: Record<string, string>;
}

const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  - level: None
    users: ['system:apiserver']
  - level: RequestResponse
    resources: [{ group: '', resources: [configmaps] }]
  - level: Request
    resources: [{ group: '', resources: [serviceaccounts] }]
    omitStages: [ResponseStarted]
  - level: Metadata
    omitStages: []
`;

async function start(
  t: ExecutionContext,
  options: Partial<AuditOptions> = {},
): Promise<{ plane: TestControlPlane; api: RawApi; events: AuditEvent[] }> {
  const events: AuditEvent[] = [];
  const sink = {
    write: (text: string) => void events.push(JSON.parse(text) as AuditEvent),
    close: () => Promise.resolve(),
  };
  const plane = await startControlPlane({
    server: { audit: { policy: POLICY, sinks: [sink], ...options } },
  });
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  return { plane, api, events };
}

test('an event tells who did what, from where, how it was decided and how it ended', async (t) => {
  const { api, events } = await start(t);
  const answer = await api.post(
    '/api/v1/namespaces?fieldManager=me',
    { metadata: { name: 'audited' } },
    { 'user-agent': 'test/1', 'x-forwarded-for': '203.0.113.7' },
  );
  const event = events.find(({ verb }) => verb === 'create')!;
  t.like(event, {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: String(answer.headers['audit-id']),
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces?fieldManager=me',
    verb: 'create',
    userAgent: 'test/1',
    sourceIPs: ['203.0.113.7', '127.0.0.1'],
    objectRef: { resource: 'namespaces', name: 'audited', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
  });
  t.is(event.user.username, 'test-admin');
  t.deepEqual(event.annotations, {
    'authorization.k8s.io/decision': 'allow',
    'authorization.k8s.io/reason': '',
  });
  t.is(event.requestObject, undefined);
  t.is(event.responseObject, undefined);
});

test('bodies are recorded as they came and as they were answered, at the levels that want them', async (t) => {
  const { api, events } = await start(t);
  const base = '/api/v1/namespaces/default';
  const data = { secretless: 'yes' };
  await api.post(`${base}/configmaps`, { metadata: { name: 'a' }, data }, { 'accept-encoding': 'gzip' });
  await api.patch(`${base}/configmaps/a`, 'merge', { data: { more: '1' } });
  await api.request('PATCH', `${base}/configmaps/b?fieldManager=x`, {
    body: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {c: d}\n',
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
  await api.get(`${base}/configmaps`, { accept: 'application/vnd.kubernetes.protobuf' });
  await api.post(`${base}/serviceaccounts`, { metadata: { name: 's' } });
  const [create, patch, apply, list] = events.filter(({ objectRef }) => objectRef?.resource === 'configmaps');
  t.deepEqual(create?.requestObject, { metadata: { name: 'a' }, data, kind: 'ConfigMap', apiVersion: 'v1' });
  t.like(create?.responseObject, { kind: 'ConfigMap', data });
  const { metadata } = create!.responseObject as { metadata: object };
  t.false('managedFields' in metadata);
  t.true('uid' in metadata);
  t.deepEqual(patch?.requestObject, { data: { more: '1' } });
  t.like(patch?.responseObject, { data: { ...data, more: '1' } });
  t.like(apply?.requestObject, { kind: 'ConfigMap', data: { c: 'd' } });
  t.is((list!.responseObject as { items: object[] }).items.length, 2);
  const account = events.find(({ objectRef }) => objectRef?.resource === 'serviceaccounts')!;
  t.is(account.level, 'Request');
  t.like(account.requestObject, { kind: 'ServiceAccount' });
  t.is(account.responseObject, undefined);
});

test('what is refused is recorded with the reason; who failed to sign in, too', async (t) => {
  const { plane, api, events } = await start(t);
  const nobody = new RawApi(plane, { identity: plane.identity('nobody') });
  const anonymous = new RawApi(plane, { identity: null });
  t.teardown(() => {
    nobody.close();
    anonymous.close();
  });
  await nobody.get('/api/v1/namespaces/default/secrets');
  await anonymous.get('/api/v1/pods', { authorization: 'Bearer nonsense' });
  await anonymous.get('/api/v1/pods');
  await api.get('/api/v1/namespaces/default/secrets/none');
  const [forbidden, bearer, none, missing] = events;
  t.is(forbidden?.annotations?.['authorization.k8s.io/decision'], 'forbid');
  t.like(forbidden?.responseStatus, { code: 403, status: 'Failure', reason: 'Forbidden' });
  t.regex(forbidden?.responseStatus?.message ?? '', /secrets is forbidden: User "nobody" cannot list/);
  t.like(bearer, { stage: 'ResponseStarted', user: {}, responseStatus: { code: 401 } });
  t.is(bearer?.responseStatus?.message, 'Authentication failed, attempted: bearer');
  t.is(none?.responseStatus?.message, 'Authentication failed, no credentials provided');
  t.like(missing?.responseStatus, { code: 404, reason: 'NotFound' });
  t.is(missing?.objectRef?.name, 'none');
});

test('a watch is recorded when it starts and when it ends; who impersonates, as both', async (t) => {
  const { api, events } = await start(t);
  const watch = await api.watch('/api/v1/namespaces/default/configmaps?watch=1', {
    'impersonate-user': 'someone',
    'impersonate-group': 'system:masters',
  });
  await waitFor('the start is recorded', () => events.some(({ stage }) => stage === 'ResponseStarted'));
  t.false(events.some(({ stage }) => stage === 'ResponseComplete'));
  watch.close();
  await waitFor('the end is recorded', () => events.some(({ stage }) => stage === 'ResponseComplete'));
  const [started, complete] = events;
  t.is(started?.auditID, complete?.auditID);
  t.is(complete?.user.username, 'test-admin');
  t.is(complete?.impersonatedUser?.username, 'someone');
  t.is(complete?.responseObject, undefined);
});

test('webhooks annotate events', async (t) => {
  const { api, events } = await start(t);
  const server = await WebhookServer.start();
  t.teardown(() => server.close());
  server.handlers.set('/w', ({ body }) => ({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    response: { uid: body.request.uid as string, allowed: true, auditAnnotations: { key: 'value' } },
  }));
  await api.post('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
    metadata: { name: 'w' },
    webhooks: [
      {
        name: 'w.example.com',
        clientConfig: server.clientConfig('/w'),
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  });
  await api.post('/api/v1/namespaces/default/secrets', { metadata: { name: 's' } });
  const { annotations } = events.find(({ objectRef }) => objectRef?.resource === 'secrets')!;
  t.is(annotations?.['w.example.com/key'], 'value');
  t.is(
    annotations?.['mutation.webhook.admission.k8s.io/round_0_index_0'],
    '{"configuration":"w","webhook":"w.example.com","mutated":false}',
  );
});

test('events go to a webhook in batches, in their order, again after a failure', async (t) => {
  const server = await WebhookServer.start();
  t.teardown(() => server.close());
  let failures = 1;
  server.handlers.set('/audit', (_request, response) => {
    if (failures-- > 0) {
      response.writeHead(500).end();
      return undefined;
    }
    return {};
  });
  const { url } = server.clientConfig('/audit');
  const { api } = await start(t, {
    webhook: {
      target: { url, caPem: server.caPem },
      batchMaxSize: 3,
      batchMaxWaitMs: 60_000,
      initialBackoffMs: 1,
    },
  });
  for (let index = 0; index < 3; index++) await api.get(`/api/v1/namespaces/n${index}`);
  await waitFor('the batch has come twice', () => server.to('/audit').length === 2);
  const [failed, sent] = server.to('/audit');
  t.deepEqual(failed?.body, sent?.body);
  t.like(sent?.body, { kind: 'EventList', apiVersion: 'audit.k8s.io/v1' });
  t.deepEqual(
    (sent!.body.items as AuditEvent[]).map(({ requestURI }) => requestURI.at(-1)),
    ['0', '1', '2'],
  );
});

test('events that find no space are counted as lost', async (t) => {
  let lost = 0;
  const sink = new LogSink({
    path: '/dev/full',
    maxAgeDays: 0,
    maxBackups: 0,
    maxSizeBytes: 2 ** 20,
    clock: systemClock,
    log: silentLogger,
    lost: (events) => (lost += events),
  });
  sink.write('{"a":1}');
  sink.write('{"a":2}');
  await sink.close();
  t.is(lost, 2);
});

test('the log is put aside when it is full; of old files only so many stay', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-audit-'));
  t.teardown(() => rm(directory, { recursive: true }));
  let now = Date.UTC(2026, 0, 1);
  const clock = { ...systemClock, now: () => (now += 1000) };
  const sink = new LogSink({
    path: join(directory, 'audit.log'),
    maxAgeDays: 0,
    maxBackups: 2,
    maxSizeBytes: 100,
    clock,
    log: silentLogger,
  });
  const names = async () => (await readdir(directory)).sort();
  for (let index = 0; index < 8; index++) {
    sink.write(JSON.stringify({ index, filler: 'x'.repeat(60) }));
    await waitFor('it is written', async () =>
      (await readFile(join(directory, 'audit.log'), 'utf8').catch(() => '')).includes(`"index":${index},`),
    );
  }
  await sink.close();
  t.deepEqual(await names(), [
    'audit-2026-01-01T00-00-06.000.log',
    'audit-2026-01-01T00-00-07.000.log',
    'audit.log',
  ]);
  t.is((await stat(join(directory, 'audit.log'))).mode & 0o777, 0o600);
  const lines = (await readFile(join(directory, 'audit.log'), 'utf8')).trim().split('\n');
  t.deepEqual(
    lines.map((line) => (JSON.parse(line) as { index: number }).index),
    [7],
  );
});

test('every event of a burst is in the log when the server has stopped', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-audit-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const path = join(directory, 'audit.log');
  const log = { path, maxAgeDays: 0, maxBackups: 0, maxSizeBytes: 1e9 };
  const plane = await startControlPlane({ server: { audit: { policy: POLICY, log } } });
  const api = new RawApi(plane);
  await Promise.all(Array.from({ length: 200 }, (_, index) => api.get(`/api/v1/namespaces/n${index}`)));
  api.close();
  await plane.close();
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  const uris = new Set(lines.map((line) => (JSON.parse(line) as AuditEvent).requestURI));
  for (let index = 0; index < 200; index++) t.true(uris.has(`/api/v1/namespaces/n${index}`));
});

const A = { name: 'a', groups: [] as string[], extra: {} };
const attributes = {
  verb: 'get',
  isResourceRequest: true,
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'n',
  name: 'x',
  path: '/api/v1/namespaces/n/pods/x',
};
const health = {
  ...attributes,
  isResourceRequest: false,
  resource: '',
  namespace: '',
  name: '',
  path: '/healthz/ping',
};

for (const [rule, what, level] of [
  ["users: ['a']", { ...attributes, user: A }, 'Metadata'],
  ["users: ['b']", { ...attributes, user: A }, 'None'],
  ["userGroups: ['g']", { ...attributes, user: { ...A, groups: ['f', 'g'] } }, 'Metadata'],
  ["userGroups: ['g']", attributes, 'None'],
  ["verbs: ['list']", attributes, 'None'],
  ["namespaces: ['n']", attributes, 'Metadata'],
  ["namespaces: ['n']", health, 'None'],
  ["namespaces: ['']", attributes, 'None'],
  ["resources: [{ group: '' }]", attributes, 'Metadata'],
  ['resources: [{ group: apps }]', attributes, 'None'],
  ["resources: [{ group: '*', resources: ['*'] }]", attributes, 'Metadata'],
  ["resources: [{ resources: ['pods/log'] }]", { ...attributes, subresource: 'log' }, 'Metadata'],
  ["resources: [{ resources: ['pods'] }]", { ...attributes, subresource: 'log' }, 'None'],
  ["resources: [{ resources: ['*/log'] }]", { ...attributes, subresource: 'log' }, 'Metadata'],
  ["resources: [{ resources: ['pods/*'] }]", { ...attributes, subresource: 'log' }, 'Metadata'],
  ['resources: [{ resources: [pods], resourceNames: [other] }]', attributes, 'None'],
  ["nonResourceURLs: ['/healthz*']", health, 'Metadata'],
  ["nonResourceURLs: ['/healthz']", health, 'None'],
  ["nonResourceURLs: ['*']", attributes, 'None'],
  ['', health, 'Metadata'],
] as const) {
  test(`the rule {${rule}} says ${level} of ${what.path}`, (t) => {
    const policy = AuditPolicy.parse(
      `{ apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{ level: Metadata, ${rule} }] }`,
    );
    t.is(policy.decide(what as Parameters<AuditPolicy['decide']>[0]).level, level);
  });
}

for (const [text, why] of [
  ['rules: []', /loaded illegal policy with 0 rules/],
  ['rules: [{ level: Loud }]', /rules\[0\]\.level: Unsupported value: "Loud": supported values: "None"/],
  ['rules: [{}]', /rules\[0\]\.level: Required value/],
  ["rules: [{ level: None, nonResourceURLs: ['healthz'] }]", /must begin with a '\/'/],
  ["rules: [{ level: None, nonResourceURLs: ['/a'], namespaces: [b] }]", /cannot apply to both/],
  ['rules: [{ level: None, omitStages: [Never] }]', /allowed stages are RequestReceived/],
] as const) {
  test(`a policy with {${text}} is refused`, (t) => {
    t.throws(() => AuditPolicy.parse(`{ apiVersion: audit.k8s.io/v1, kind: Policy, ${text} }`), {
      message: why,
    });
  });
}
