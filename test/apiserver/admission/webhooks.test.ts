import test from 'ava';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { loopbackEndpoints } from '../../helpers/loopback-service.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { patchOf, reviewAnswer, WebhookServer } from '../../helpers/webhook-server.ts';
import type { WebhookHandler } from '../../helpers/webhook-server.ts';

// What upstream's conformance suite asks of webhooks (test/e2e/apimachinery/webhook.go), and more.

const BASE = '/apis/admissionregistration.k8s.io/v1';
const MUTATING = `${BASE}/mutatingwebhookconfigurations`;
const VALIDATING = `${BASE}/validatingwebhookconfigurations`;

let plane: TestControlPlane;
let api: RawApi;
let server: WebhookServer;
let serial = 0;

test.before(async () => {
  server = await WebhookServer.start(['hooks.hooks.svc']);
  plane = await startControlPlane();
  api = new RawApi(plane);
});

test.after.always(async () => {
  api.close();
  await plane.close();
  await server.close();
});

/** A namespace of its own, labelled with its name, that webhooks select. */
async function namespace(): Promise<string> {
  const name = `hooked-${(serial += 1)}`;
  const made = await api.post('/api/v1/namespaces', { metadata: { name, labels: { unique: name } } });
  if (made.status !== 201) throw new Error(made.body.toString());
  await api.post(`/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } });
  return name;
}

interface Registered {
  path: string;
  configuration: string;
}

async function register(
  kind: 'mutating' | 'validating',
  ns: string,
  handler: WebhookHandler,
  webhook: object = {},
): Promise<Registered> {
  const name = `c${(serial += 1)}`;
  const path = `/${name}`;
  server.handlers.set(path, handler);
  const body = {
    metadata: { name },
    webhooks: [
      {
        name: `${name}.example.com`,
        clientConfig: server.clientConfig(path),
        rules: [rule(['CREATE', 'UPDATE'], '', 'configmaps')],
        sideEffects: 'None',
        admissionReviewVersions: ['v1', 'v1beta1'],
        namespaceSelector: { matchLabels: { unique: ns } },
        ...webhook,
      },
    ],
  };
  const collection = kind === 'mutating' ? MUTATING : VALIDATING;
  const made = await api.post(collection, body);
  if (made.status !== 201) throw new Error(made.body.toString());
  return { path, configuration: `${collection}/${name}` };
}

function rule(operations: string[], group: string, ...resources: string[]): object {
  return { operations, apiGroups: [group], apiVersions: ['*'], resources };
}

const allow: WebhookHandler = (request) => reviewAnswer(request, { allowed: true });
const deny =
  (message: string): WebhookHandler =>
  (request) =>
    reviewAnswer(request, { allowed: false, status: { message } });

const configMap = (name: string, data: Record<string, string> = {}) => ({ metadata: { name }, data });
const pod = (name: string) => ({ metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } });

test('webhook resources are in discovery', async (t) => {
  const groups = (await api.get('/apis')).json().groups as Array<{ name: string }>;
  t.true(groups.some(({ name }) => name === 'admissionregistration.k8s.io'));
  const resources = (await api.get(BASE)).json().resources as Array<{ name: string }>;
  const names = resources.map(({ name }) => name);
  t.true(names.includes('mutatingwebhookconfigurations'));
  t.true(names.includes('validatingwebhookconfigurations'));
});

test('a webhook denies what it is for, in the moment in which it is registered, and no other namespace', async (t) => {
  const [ns, other] = [await namespace(), await namespace()];
  const { path } = await register(
    'validating',
    ns,
    (request) => {
      const { object } = request.body.request;
      const bad = object?.data?.['webhook-e2e-test'] === 'webhook-disallow';
      if (!bad) return reviewAnswer(request, { allowed: true });
      const message = 'the configmap contains unwanted key and value';
      return reviewAnswer(request, { allowed: false, status: { message, reason: 'denied' } });
    },
    {
      rules: [rule(['CREATE', 'UPDATE'], '', 'configmaps', 'pods')],
      admissionReviewVersions: ['v1'],
    },
  );
  const bad = configMap('bad', { 'webhook-e2e-test': 'webhook-disallow' });
  const refused = await api.post(`/api/v1/namespaces/${ns}/configmaps`, bad);
  t.is(refused.status, 400);
  t.regex(
    String(refused.json().message),
    /denied the request: the configmap contains unwanted key and value/,
  );
  t.is((await api.post(`/api/v1/namespaces/${other}/configmaps`, bad)).status, 201);
  t.is((await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('good'))).status, 201);
  const [update, patch] = [
    await api.put(`/api/v1/namespaces/${ns}/configmaps/good`, configMap('good', bad.data)),
    await api.patch(`/api/v1/namespaces/${ns}/configmaps/good`, 'merge', { data: bad.data }),
  ];
  t.is(update.status, 400);
  t.is(patch.status, 400);
  const [first] = server.to(path);
  const review = first?.body.request;
  t.like(review, {
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
    name: 'bad',
    namespace: ns,
    operation: 'CREATE',
    dryRun: false,
    oldObject: null,
    userInfo: { username: 'test-admin' },
  });
  t.is(review.options.kind, 'CreateOptions');
  t.is(review.object.kind, 'ConfigMap');
  t.is(first?.headers['content-type'], 'application/json');
  t.is(first?.query, 'timeout=10s');
  const updated = server.to(path).find(({ body }) => body.request.operation === 'UPDATE');
  t.is(updated?.body.request.oldObject.metadata.name, 'good');
});

test('a webhook may refuse that someone attaches to a pod', async (t) => {
  const ns = await namespace();
  const { path } = await register(
    'validating',
    ns,
    deny("attaching to pod 'to-be-attached-pod' is not allowed"),
    {
      rules: [rule(['CONNECT'], '', 'pods/attach')],
    },
  );
  await api.post(`/api/v1/namespaces/${ns}/pods`, pod('to-be-attached-pod'));
  const refused = await api.post(
    `/api/v1/namespaces/${ns}/pods/to-be-attached-pod/attach?container=c&stdin=true`,
    undefined,
  );
  t.is(refused.status, 400);
  t.regex(String(refused.json().message), /attaching to pod 'to-be-attached-pod' is not allowed/);
  t.like(server.to(path)[0]?.body.request, {
    operation: 'CONNECT',
    subResource: 'attach',
    name: 'to-be-attached-pod',
    kind: { group: '', version: 'v1', kind: 'PodAttachOptions' },
    object: { kind: 'PodAttachOptions', container: 'c', stdin: true },
  });
});

test('a webhook that cannot be reached refuses everything it is for', async (t) => {
  const ns = await namespace();
  await register('validating', ns, allow, {
    clientConfig: { service: { namespace: 'default', name: 'no-such-service', path: '/configmaps' } },
    failurePolicy: 'Fail',
  });
  const refused = await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('foo'));
  t.is(refused.status, 500);
  t.is(refused.json().reason, 'InternalError');
  t.regex(
    String(refused.json().message),
    /failed calling webhook "c\d+\.example\.com": failed to call webhook: Post "https:\/\/no-such-service\.default\.svc:443\/configmaps\?timeout=10s": service "no-such-service" not found/,
  );
});

test('mutating webhooks patch one after the other, by the names of their configurations', async (t) => {
  const ns = await namespace();
  const stage =
    (from: string, to: string): WebhookHandler =>
    (request) =>
      reviewAnswer(
        request,
        request.body.request.object.data[from] === 'yes'
          ? patchOf({ op: 'add', path: `/data/${to}`, value: 'yes' })
          : { allowed: true },
      );
  await register('mutating', ns, stage('mutation-start', 'mutation-stage-1'));
  await register('mutating', ns, stage('mutation-stage-1', 'mutation-stage-2'));
  const made = await api.post(
    `/api/v1/namespaces/${ns}/configmaps`,
    configMap('to-be-mutated', { 'mutation-start': 'yes' }),
  );
  t.is(made.status, 201, made.body.toString());
  t.deepEqual(made.json().data, {
    'mutation-start': 'yes',
    'mutation-stage-1': 'yes',
    'mutation-stage-2': 'yes',
  });
});

test('what a webhook adds to a pod gets its defaults', async (t) => {
  const ns = await namespace();
  const init = { name: 'webhook-added-init-container', image: 'webhook-added-image' };
  await register(
    'mutating',
    ns,
    (request) => reviewAnswer(request, patchOf({ op: 'add', path: '/spec/initContainers', value: [init] })),
    { rules: [rule(['CREATE'], '', 'pods')] },
  );
  const made = await api.post(`/api/v1/namespaces/${ns}/pods`, pod('webhook-to-be-mutated'));
  const [added] = (made.json().spec as { initContainers: object[] }).initContainers;
  t.like(added, {
    ...init,
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'Always',
  });
});

test('webhooks neither see nor hinder changes of webhook configurations', async (t) => {
  const rules = [rule(['*'], 'admissionregistration.k8s.io', '*')];
  const everywhere = { rules, namespaceSelector: {} };
  const seen = [
    await register('validating', '', deny('never'), everywhere),
    await register(
      'mutating',
      '',
      (request) => reviewAnswer(request, patchOf({ op: 'add', path: '/metadata/labels', value: { a: 'b' } })),
      everywhere,
    ),
  ];
  for (const collection of [VALIDATING, MUTATING]) {
    const made = await api.post(collection, { metadata: { name: 'plain' }, webhooks: [] });
    t.is(made.status, 201);
    t.is(made.json().metadata.labels, undefined);
    t.is((await api.delete(`${collection}/plain`)).status, 200);
  }
  for (const { path, configuration } of seen) {
    t.is(server.to(path).length, 0);
    t.is((await api.delete(configuration)).status, 200);
  }
});

test('a time limit is kept, and announced to the webhook', async (t) => {
  const ns = await namespace();
  const slow: WebhookHandler = () => undefined;
  const { path, configuration } = await register('validating', ns, slow, { timeoutSeconds: 1 });
  const failed = await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('slow'));
  t.is(failed.status, 500);
  t.regex(String(failed.json().message), /\?timeout=1s": context deadline exceeded/);
  t.is(server.to(path)[0]?.query, 'timeout=1s');
  const open = [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }];
  t.is((await api.patch(configuration, 'json', open)).status, 200);
  t.is((await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('slow'))).status, 201);
});

test('changes of a webhook count at once; a collection of them is deleted', async (t) => {
  const ns = await namespace();
  const { configuration, path } = await register('validating', ns, deny('no'), {
    rules: [rule(['UPDATE'], '', 'configmaps')],
  });
  const create = (name: string) => api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap(name));
  t.is((await create('a')).status, 201);
  const rules = [{ op: 'replace', path: '/webhooks/0/rules/0/operations', value: ['CREATE'] }];
  t.is((await api.patch(configuration, 'json', rules)).status, 200);
  t.is((await create('b')).status, 400);
  await api.patch(configuration, 'merge', { metadata: { labels: { sweep: path.slice(1) } } });
  const listed = await api.get(`${VALIDATING}?labelSelector=sweep=${path.slice(1)}`);
  t.is((listed.json().items as object[]).length, 1);
  await api.request('DELETE', `${VALIDATING}?labelSelector=sweep=${path.slice(1)}`);
  t.is((await create('b')).status, 201);
});

test('a webhook denies CRDs', async (t) => {
  await register('validating', '', deny('the crd contains unwanted label'), {
    rules: [rule(['CREATE'], 'apiextensions.k8s.io', 'customresourcedefinitions')],
    namespaceSelector: {},
    objectSelector: { matchLabels: { 'webhook-e2e-test': 'webhook-disallow' } },
  });
  const crd = crdOf('denied', 'Denied');
  const metadata = { ...crd.metadata, labels: { 'webhook-e2e-test': 'webhook-disallow' } };
  const refused = await api.post(CRDS, { ...crd, metadata });
  t.is(refused.status, 400);
  t.regex(String(refused.json().message), /the crd contains unwanted label/);
});

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

function crdOf(plural: string, kind: string, versions: object[] = [versionOf('v1', true)]) {
  return {
    metadata: { name: `${plural}.webhook.example.com` },
    spec: {
      group: 'webhook.example.com',
      scope: 'Namespaced',
      names: { plural, kind },
      versions,
    },
  };
}

function versionOf(name: string, storage: boolean, data: object = PRESERVED): object {
  const schema = { openAPIV3Schema: { type: 'object', properties: { data } } };
  return { name, served: true, storage, schema };
}

const PRESERVED = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

async function makeCrd(crd: ReturnType<typeof crdOf>): Promise<string> {
  const made = await api.post(CRDS, crd);
  if (made.status !== 201) throw new Error(made.body.toString());
  const path = `/apis/webhook.example.com/v1`;
  const { plural } = crd.spec.names;
  await waitFor(
    'the custom resource is served',
    async () => (await api.get(`${path}/${plural}`)).status === 200,
  );
  return plural;
}

test('webhooks deny creation, update and deletion of custom resources', async (t) => {
  const ns = await namespace();
  const plural = await makeCrd(crdOf('guards', 'Guard'));
  const { path } = await register(
    'validating',
    ns,
    (request) => {
      const { object, oldObject, operation } = request.body.request;
      const shown = operation === 'DELETE' ? oldObject : object;
      const bad = shown?.data?.['webhook-e2e-test'] === 'webhook-disallow';
      const message = 'the custom resource contains unwanted data';
      return reviewAnswer(request, bad ? { allowed: false, status: { message } } : { allowed: true });
    },
    { rules: [rule(['CREATE', 'UPDATE', 'DELETE'], 'webhook.example.com', plural)] },
  );
  const collection = `/apis/webhook.example.com/v1/namespaces/${ns}/${plural}`;
  const object = (name: string, value: string) => ({
    apiVersion: 'webhook.example.com/v1',
    kind: 'Guard',
    metadata: { name },
    data: { 'webhook-e2e-test': value },
  });
  t.is((await api.post(collection, object('a', 'webhook-disallow'))).status, 400);
  t.is((await api.post(collection, object('a', 'fine'))).status, 201);
  const bad = { data: { 'webhook-e2e-test': 'webhook-disallow' } };
  const refused = await api.patch(`${collection}/a`, 'merge', bad);
  t.regex(String(refused.json().message), /the custom resource contains unwanted data/);
  const { configuration } = await register('mutating', ns, allow, {
    rules: [rule(['DELETE'], 'webhook.example.com', plural)],
  });
  t.truthy(configuration);
  t.is((await api.delete(`${collection}/a`)).status, 200);
  t.deepEqual(
    server.to(path).map(({ body }) => body.request.operation as string),
    ['CREATE', 'CREATE', 'UPDATE', 'DELETE'],
  );
});

for (const [title, data, kept] of [
  ['mutate custom resources', PRESERVED, true],
  [
    'mutate custom resources, which are pruned then',
    {
      type: 'object',
      properties: { 'mutation-start': { type: 'string' }, 'mutation-stage-1': { type: 'string' } },
    },
    false,
  ],
] as const) {
  test(`webhooks ${title}`, async (t) => {
    const ns = await namespace();
    const [plural, kind] = kept ? ['keepers', 'Keeper'] : ['pruners', 'Pruner'];
    await makeCrd(crdOf(plural, kind, [versionOf('v1', true, data)]));
    const rules = { rules: [rule(['CREATE', 'UPDATE'], 'webhook.example.com', plural)] };
    const add =
      (key: string): WebhookHandler =>
      (request) =>
        reviewAnswer(request, patchOf({ op: 'add', path: `/data/${key}`, value: 'yes' }));
    await register('mutating', ns, add('mutation-stage-1'), rules);
    await register('mutating', ns, add('mutation-stage-2'), rules);
    const made = await api.post(`/apis/webhook.example.com/v1/namespaces/${ns}/${plural}`, {
      apiVersion: 'webhook.example.com/v1',
      kind,
      metadata: { name: 'cr' },
      data: { 'mutation-start': 'yes' },
    });
    t.deepEqual(made.json().data, {
      'mutation-start': 'yes',
      'mutation-stage-1': 'yes',
      ...(kept ? { 'mutation-stage-2': 'yes' } : {}),
    });
  });
}

test('a custom resource is mutated whichever version is stored', async (t) => {
  const ns = await namespace();
  const plural = await makeCrd(crdOf('stored', 'Stored', [versionOf('v1', true), versionOf('v2', false)]));
  const { path } = await register(
    'mutating',
    ns,
    (request) => reviewAnswer(request, patchOf({ op: 'add', path: '/data/mutation-stage-1', value: 'yes' })),
    {
      rules: [
        {
          operations: ['CREATE', 'UPDATE'],
          apiGroups: ['webhook.example.com'],
          apiVersions: ['v1'],
          resources: [plural],
        },
      ],
    },
  );
  const at = (version: string) => `/apis/webhook.example.com/${version}/namespaces/${ns}/${plural}`;
  const object = { apiVersion: 'webhook.example.com/v1', kind: 'Stored', metadata: { name: 'cr' }, data: {} };
  t.deepEqual((await api.post(at('v1'), object)).json().data, { 'mutation-stage-1': 'yes' });
  const flip = [
    { op: 'replace', path: '/spec/versions/0/storage', value: false },
    { op: 'replace', path: '/spec/versions/1/storage', value: true },
  ];
  t.is((await api.patch(`${CRDS}/stored.webhook.example.com`, 'json', flip)).status, 200);
  const patched = await api.patch(`${at('v2')}/cr`, 'merge', { data: { dummy: 'test' } });
  t.is(patched.json().apiVersion, 'webhook.example.com/v2');
  t.deepEqual(patched.json().data, { 'mutation-stage-1': 'yes', dummy: 'test' });
  // The rule names v1 alone: the request for v2 was shown in v1.
  const last = server.to(path).at(-1)?.body.request;
  t.like(last, {
    kind: { group: 'webhook.example.com', version: 'v1', kind: 'Stored' },
    resource: { version: 'v1' },
    requestKind: { version: 'v2' },
    requestResource: { version: 'v2' },
  });
  t.is(last.object.apiVersion, 'webhook.example.com/v1');
  t.is(last.oldObject.apiVersion, 'webhook.example.com/v1');
});

test('a webhook that wants to see later changes is asked again, once', async (t) => {
  const ns = await namespace();
  const again = { reinvocationPolicy: 'IfNeeded' };
  const first = await register('mutating', ns, allow, again);
  const never = await register('mutating', ns, allow);
  const second = await register(
    'mutating',
    ns,
    (request) => {
      const { data = {} } = request.body.request.object;
      const next = String(Number(data.count ?? 0) + 1);
      return reviewAnswer(request, patchOf({ op: 'add', path: '/data/count', value: next }));
    },
    again,
  );
  const made = await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('m', { a: 'b' }));
  t.is(server.to(first.path).length, 2);
  t.is(server.to(never.path).length, 1);
  t.is(server.to(second.path).length, 1);
  t.deepEqual(made.json().data, { a: 'b', count: '1' });
  t.deepEqual(server.to(first.path)[1]?.body.request.object.data, { a: 'b', count: '1' });
});

test('a webhook that breaks managed fields is told so, and they stay', async (t) => {
  const ns = await namespace();
  const broken = { op: 'replace', path: '/metadata/managedFields/0/operation', value: 'Invent' };
  await register('mutating', ns, (request) => reviewAnswer(request, patchOf(broken)));
  const made = await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('m', { a: 'b' }));
  t.is(made.status, 201);
  const { managedFields } = made.json().metadata as { managedFields?: Array<{ operation: string }> };
  t.is(managedFields?.[0]?.operation, 'Update');
  t.regex(String(made.headers.warning), /managedFields was in an invalid state after admission/);
});

test('a dry run asks only webhooks without side effects, and tells them', async (t) => {
  const ns = await namespace();
  const { path } = await register('validating', ns, allow, { sideEffects: 'NoneOnDryRun' });
  t.is((await api.post(`/api/v1/namespaces/${ns}/configmaps?dryRun=All`, configMap('d'))).status, 201);
  t.true(server.to(path)[0]?.body.request.dryRun);
});

test('a webhook behind a Service is reached at its endpoints, under the name of the Service', async (t) => {
  const ns = await namespace();
  await api.post('/api/v1/namespaces', { metadata: { name: 'hooks' } });
  await api.post('/api/v1/namespaces/hooks/services', {
    metadata: { name: 'hooks' },
    spec: { ports: [{ name: 'https', port: 8443, targetPort: 9999 }] },
  });
  const service = { namespace: 'hooks', name: 'hooks', path: '/behind', port: 8443 };
  await register('validating', ns, allow, { clientConfig: { service, caBundle: server.caBundle } });
  server.handlers.set('/behind', deny('by the service'));
  const create = () => api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('s'));
  const none = await create();
  t.regex(String(none.json().message), /no endpoints available for service "hooks"/);
  await loopbackEndpoints(plane, api, { namespace: 'hooks', name: 'hooks', targetPort: server.port });
  await waitFor('the webhook is asked', async () => {
    const refused = await create();
    return String(refused.json().message).includes('denied the request: by the service');
  });
  const { headers } = server.to('/behind')[0]!;
  t.is(headers.host, 'hooks.hooks.svc:8443');
});

test('match conditions decide whether a webhook is asked; such that do not compile are refused', async (t) => {
  const ns = await namespace();
  const matchConditions = [{ name: 'skip-me', expression: "object.metadata.name != 'skip-me'" }];
  const { configuration, path } = await register('validating', ns, deny('matched'), { matchConditions });
  const create = (name: string) => api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap(name));
  t.is((await create('skip-me')).status, 201);
  t.is((await create('other')).status, 400);
  const change = (value: object[]) =>
    api.patch(configuration, 'json', [{ op: 'replace', path: '/webhooks/0/matchConditions', value }]);
  t.is((await change([{ name: 'fails', expression: "object.data.missing == 'x'" }])).status, 200);
  const failed = await create('other');
  t.is(failed.status, 403);
  t.is(
    (await change([{ name: 'by-user', expression: "request.userInfo.username == 'nobody'" }])).status,
    200,
  );
  t.is((await create('other')).status, 201);
  t.is(server.to(path).length, 1);
  for (const kind of ['mutating', 'validating'] as const) {
    const bad = [{ name: 'bad', expression: '... [] bad expression' }];
    const refused = await t.throwsAsync(register(kind, ns, allow, { matchConditions: bad }));
    t.regex(refused?.message ?? '', /matchConditions\[0\]\.expression: Invalid value: .*compilation failed/);
  }
});

test('connections are kept, and one that was closed while idle is replaced without a failure', async (t) => {
  const ns = await namespace();
  const { path } = await register('validating', ns, allow);
  for (let index = 0; index < 5; index++) {
    await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap(`k${index}`));
    server.closeIdle();
  }
  t.is(server.to(path).length, 5);
  for (let index = 5; index < 10; index++) {
    t.is((await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap(`k${index}`))).status, 201);
  }
  const connections = server
    .to(path)
    .slice(-5)
    .map(({ connection }) => connection);
  t.is(new Set(connections).size, 1);
});

test('validating webhooks are asked side by side', async (t) => {
  const ns = await namespace();
  let waiting = 0;
  let release = () => {};
  const all = new Promise<void>((resolve) => {
    release = resolve;
  });
  const together: WebhookHandler = async (request) => {
    if ((waiting += 1) === 3) release();
    await all;
    return reviewAnswer(request, { allowed: true });
  };
  for (let index = 0; index < 3; index++) await register('validating', ns, together);
  t.is((await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('p'))).status, 201);
});

test('an answer without end is cut off, and the request refused', async (t) => {
  const ns = await namespace();
  await register('validating', ns, (_request, response) => {
    const chunk = Buffer.alloc(1024 * 1024, 0x20);
    response.writeHead(200, { 'content-type': 'application/json' });
    const pour = () => {
      while (!response.destroyed && response.write(chunk));
      if (!response.destroyed) response.once('drain', pour);
    };
    pour();
    return undefined;
  });
  const refused = await api.post(`/api/v1/namespaces/${ns}/configmaps`, configMap('h'));
  t.is(refused.status, 500);
  t.regex(String(refused.json().message), /the answer is longer than \d+ bytes/);
});
