import test from 'ava';
import type { TestFn } from 'ava';
import { createCertificateRequest } from '../../../src/pki/issue.ts';
import { generateKeyPair } from '../../../src/pki/keys.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import type { JsonBody } from '../../helpers/raw-api.ts';
import { read } from './rows.ts';

/** One real server for all tests; each works in a namespace of its own. */
const run = test as TestFn<{ plane: TestControlPlane; api: RawApi }>;

run.before(async (t) => {
  const plane = await startControlPlane();
  t.context = { plane, api: new RawApi(plane) };
});
run.after.always(async (t) => {
  t.context.api?.close();
  await t.context.plane?.close();
});

async function namespace(api: RawApi, name: string): Promise<string> {
  const made = await api.post('/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  });
  if (made.status !== 201) throw new Error(made.body.toString());
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await api.post(`/api/v1/namespaces/${name}/serviceaccounts`, account);
  return `/api/v1/namespaces/${name}`;
}

const pod = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec: { containers: [{ name: 'main', image: 'nginx:1' }], ...spec },
});

run('a pod is stored with defaults, generation, QoS class and its token volume', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'stored');
  const made = await api.post(`${base}/pods`, pod('web'));
  t.is(made.status, 201, made.body.toString());
  const object = made.json();
  t.is(read(object, 'status.phase'), 'Pending');
  t.is(read(object, 'status.qosClass'), 'BestEffort');
  t.is(object.metadata.generation, 1);
  t.is(read(object, 'spec.priority'), 0);
  t.is(read(object, 'spec.serviceAccountName'), 'default');
  t.regex(String(read(object, 'spec.volumes[0].name')), /^kube-api-access-[a-z0-9]{5}$/);
  t.is((read(object, 'spec.tolerations') as unknown[]).length, 2);
});

run('an invalid pod is refused with every field that is wrong', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'refused');
  const answer = await api.post(
    `${base}/pods`,
    pod('web', { containers: [{ name: 'B', image: '' }], restartPolicy: 'X' }),
  );
  t.is(answer.status, 422);
  const status = answer.json();
  t.like(status, { kind: 'Status', reason: 'Invalid', code: 422 });
  const causes = read(status, 'details.causes') as Array<{ field: string; reason: string }>;
  t.deepEqual(
    causes.map(({ field, reason }) => `${field} ${reason}`),
    [
      'spec.containers[0].name FieldValueInvalid',
      'spec.containers[0].image FieldValueRequired',
      'spec.restartPolicy FieldValueNotSupported',
    ],
  );
});

run('a pod is bound once, and an update cannot move it', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'bound');
  await api.post(`${base}/pods`, pod('web'));
  const binding = (node: string) => ({
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'web' },
    target: { kind: 'Node', name: node },
  });
  const first = await api.post(`${base}/pods/web/binding`, binding('n1'));
  t.is(first.status, 201, first.body.toString());
  const bound = (await api.get(`${base}/pods/web`)).json();
  t.is(read(bound, 'spec.nodeName'), 'n1');
  t.like(read(bound, 'status.conditions[0]'), { type: 'PodScheduled', status: 'True' });
  const second = await api.post(`${base}/pods/web/binding`, binding('n2'));
  t.is(second.status, 409);
  t.is(
    second.json()['message'],
    'Operation cannot be fulfilled on pods/binding "web": pod web is already assigned to node "n1"',
  );
  const moved = await api.patch(`${base}/pods/web`, 'merge', { spec: { nodeName: 'n2' } });
  t.is(moved.status, 422);
  const image = await api.patch(`${base}/pods/web`, 'strategic', {
    spec: { containers: [{ name: 'main', image: 'nginx:2' }] },
  });
  t.is(image.status, 200, image.body.toString());
  t.is(image.json().metadata.generation, 2);
});

run('a bound pod is deleted with grace, an unbound one at once', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'graceful');
  await api.post(`${base}/pods`, pod('free'));
  await api.delete(`${base}/pods/free`);
  t.is((await api.get(`${base}/pods/free`)).status, 404);
  await api.post(`${base}/pods`, pod('busy', { nodeName: 'n1', terminationGracePeriodSeconds: 7 }));
  const going = (await api.delete(`${base}/pods/busy`)).json();
  t.truthy(going.metadata.deletionTimestamp);
  t.is(going.metadata.deletionGracePeriodSeconds, 7);
  await api.delete(`${base}/pods/busy?gracePeriodSeconds=0`);
  t.is((await api.get(`${base}/pods/busy`)).status, 404);
});

run('an eviction needs what the disruption budget allows', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'budget');
  await api.post(`${base}/pods`, pod('web', { nodeName: 'n1' }));
  const ready = [{ type: 'Ready', status: 'True' }];
  await api.patch(`${base}/pods/web/status`, 'merge', { status: { phase: 'Running', conditions: ready } });
  const budgets = '/apis/policy/v1/namespaces/budget/poddisruptionbudgets';
  const budget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
  };
  await api.post(budgets, budget);
  const set = (disruptionsAllowed: number) =>
    api.patch(`${budgets}/web/status`, 'merge', {
      status: {
        observedGeneration: 1,
        disruptionsAllowed,
        currentHealthy: 1,
        desiredHealthy: 1,
        expectedPods: 1,
      },
    });
  const evict = () =>
    api.post(`${base}/pods/web/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'web' },
    });
  await set(0);
  const refused = await evict();
  t.is(refused.status, 429, refused.body.toString());
  t.like(read(refused.json(), 'details.causes[0]'), {
    reason: 'DisruptionBudget',
    message: 'The disruption budget web needs 1 healthy pods and has 1 currently',
  });
  await set(1);
  const allowed = await evict();
  t.is(allowed.status, 201, allowed.body.toString());
  const after = (await api.get(`${base}/pods/web`)).json();
  t.truthy(after.metadata.deletionTimestamp);
  const conditions = read(after, 'status.conditions') as Array<{ type: string }>;
  t.true(conditions.some(({ type }) => type === 'DisruptionTarget'));
  t.is(read((await api.get(`${budgets}/web`)).json(), 'status.disruptionsAllowed'), 0);
});

const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { ports: [{ port: 80 }], ...spec },
});

run('services get addresses and node ports of their own, and give them back', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'services');
  const made = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      api.post(`${base}/services`, service(`s${index}`, { type: 'NodePort' })),
    ),
  );
  for (const answer of made) t.is(answer.status, 201, answer.body.toString());
  const objects = made.map((answer) => answer.json());
  const addresses = objects.map((object) => String(read(object, 'spec.clusterIP')));
  const ports = objects.map((object) => Number(read(object, 'spec.ports[0].nodePort')));
  t.is(new Set(addresses).size, 20);
  t.is(new Set(ports).size, 20);
  t.true(ports.every((port) => port >= 30000 && port <= 32767));
  t.is((await api.get(`/apis/networking.k8s.io/v1/ipaddresses/${addresses[0]}`)).status, 200);

  const sameIp = await api.post(`${base}/services`, service('thief', { clusterIP: addresses[0] }));
  t.is(sameIp.status, 422);
  t.is(
    sameIp.json()['message'],
    `Service "thief" is invalid: spec.clusterIPs: Invalid value: ["${addresses[0]}"]: failed to allocate IP ${addresses[0]}: provided IP is already allocated`,
  );
  const samePort = await api.post(
    `${base}/services`,
    service('thief', { type: 'NodePort', ports: [{ port: 80, nodePort: ports[1] }] }),
  );
  t.is(
    samePort.json()['message'],
    `Service "thief" is invalid: spec.ports[0].nodePort: Invalid value: ${ports[1]}: provided port is already allocated`,
  );
  const outside = await api.post(
    `${base}/services`,
    service('thief', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
  );
  t.is(
    outside.json()['message'],
    'Service "thief" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
  );

  await api.delete(`${base}/services/s0`);
  const heir = await api.post(
    `${base}/services`,
    service('heir', { type: 'NodePort', clusterIP: addresses[0], ports: [{ port: 80, nodePort: ports[0] }] }),
  );
  t.is(heir.status, 201, heir.body.toString());
});

run('a service changes its type and keeps or sheds what it holds', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'types');
  const made = (await api.post(`${base}/services`, service('web', {}))).json();
  const address = read(made, 'spec.clusterIP');
  const nodePort = (await api.patch(`${base}/services/web`, 'merge', { spec: { type: 'NodePort' } })).json();
  t.is(read(nodePort, 'spec.clusterIP'), address);
  t.truthy(read(nodePort, 'spec.ports[0].nodePort'));
  const back = (await api.patch(`${base}/services/web`, 'merge', { spec: { type: 'ClusterIP' } })).json();
  t.falsy(read(back, 'spec.ports[0].nodePort'));
  const external = await api.patch(`${base}/services/web`, 'merge', {
    spec: { type: 'ExternalName', externalName: 'a.example.com' },
  });
  t.is(external.status, 200, external.body.toString());
  t.falsy(read(external.json(), 'spec.clusterIP'));
  t.is((await api.get(`/apis/networking.k8s.io/v1/ipaddresses/${String(address)}`)).status, 404);
});

run('a service-account token works until what it is bound to goes', async (t) => {
  const { api, plane } = t.context;
  const base = await namespace(api, 'tokens');
  const made = (await api.post(`${base}/pods`, pod('web'))).json();
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: made.metadata.uid };
  const answer = await api.post(`${base}/serviceaccounts/default/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { boundObjectRef },
  });
  t.is(answer.status, 201, answer.body.toString());
  const token = String(read(answer.json(), 'status.token'));
  const nobody = new RawApi(plane, { identity: null });
  t.teardown(() => nobody.close());
  const authorization = { authorization: `Bearer ${token}` };
  const self = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const who = await nobody.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', self, authorization);
  t.is(who.status, 201, who.body.toString());
  t.is(read(who.json(), 'status.userInfo.username'), 'system:serviceaccount:tokens:default');
  t.like(read(who.json(), 'status.userInfo.extra'), { 'authentication.kubernetes.io/pod-name': ['web'] });
  const pods = await nobody.get(`${base}/pods`, authorization);
  t.is(pods.status, 403);
  t.is(
    pods.json()['message'],
    'pods is forbidden: User "system:serviceaccount:tokens:default" cannot list resource "pods" in API group "" in the namespace "tokens"',
  );
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
  const reviewed = (await api.post('/apis/authentication.k8s.io/v1/tokenreviews', review)).json();
  t.is(read(reviewed, 'status.authenticated'), true);
  await api.delete(`${base}/pods/web`);
  t.is((await nobody.get('/api/v1', authorization)).status, 401);
  const later = (await api.post('/apis/authentication.k8s.io/v1/tokenreviews', review)).json();
  t.falsy(read(later, 'status.authenticated'));
  t.regex(String(read(later, 'status.error')), /pod web does not exist/);
  const short = await api.post(`${base}/serviceaccounts/default/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: 60 },
  });
  t.is(short.status, 422);
});

run('without credentials only health and version answer', async (t) => {
  const nobody = new RawApi(t.context.plane, { identity: null });
  t.teardown(() => nobody.close());
  for (const path of ['/livez', '/readyz', '/healthz', '/version'])
    t.is((await nobody.get(path)).status, 200, path);
  for (const path of ['/api', '/apis', '/metrics', '/api/v1/pods', '/openid/v1/jwks'])
    t.is((await nobody.get(path)).status, 401, path);
  t.is((await nobody.get('/api', { authorization: 'Bearer nonsense' })).status, 401);
});

run('a bootstrap token asks for a certificate, and an approver and a signer give it', async (t) => {
  const { api, plane } = t.context;
  const data = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
  };
  await api.post('/api/v1/namespaces/kube-system/secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'bootstrap-token-abcdef' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: data,
  });
  await api.post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'kubeadm:kubelet-bootstrap' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-bootstrapper' },
    subjects: [{ kind: 'Group', name: 'system:bootstrappers:kubeadm:default-node-token' }],
  });
  const joiner = new RawApi(plane, { identity: null });
  t.teardown(() => joiner.close());
  const authorization = { authorization: 'Bearer abcdef.0123456789abcdef' };
  const keys = generateKeyPair();
  const pem = createCertificateRequest({
    commonName: 'system:node:n9',
    organizations: ['system:nodes'],
    keyPem: keys.privateKeyPem,
  });
  const csrs = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
  const csr = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'n9' },
    spec: {
      request: Buffer.from(pem).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature', 'client auth'],
      username: 'forged',
    },
  };
  const made = await joiner.post(csrs, csr, authorization);
  t.is(made.status, 201, made.body.toString());
  t.is(read(made.json(), 'spec.username'), 'system:bootstrap:abcdef');
  const object = made.json();
  const approved = await api.put(`${csrs}/n9/approval`, {
    ...object,
    status: { conditions: [{ type: 'Approved', status: 'True', reason: 'Test' }] },
  });
  t.is(approved.status, 200, approved.body.toString());
  t.truthy(read(approved.json(), 'status.conditions[0].lastUpdateTime'));
  const undone = await api.put(`${csrs}/n9/approval`, { ...object, metadata: { name: 'n9' }, status: {} });
  t.is(undone.status, 422);
  const issued = await api.patch(`${csrs}/n9/status`, 'merge', {
    status: { certificate: Buffer.from(plane.ca.certPem).toString('base64') },
  });
  t.is(issued.status, 200, issued.body.toString());
});

run('a kubelet sees its own node and pods alone', async (t) => {
  const { api, plane } = t.context;
  const base = await namespace(api, 'kubelets');
  const kubelet = new RawApi(plane, { identity: plane.identity('system:node:n1', 'system:nodes') });
  t.teardown(() => kubelet.close());
  const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  const registered = await kubelet.post('/api/v1/nodes', node('n1'));
  t.is(registered.status, 201, registered.body.toString());
  t.deepEqual(read(registered.json(), 'spec.taints'), [
    { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
  ]);
  t.is((await kubelet.post('/api/v1/nodes', node('n2'))).status, 403);
  await api.post(`${base}/secrets`, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'mine' } });
  t.is((await kubelet.get(`${base}/secrets/mine`)).status, 403);
  await api.post(
    `${base}/pods`,
    pod('web', { nodeName: 'n1', volumes: [{ name: 'a', secret: { secretName: 'mine' } }] }),
  );
  t.is((await kubelet.get(`${base}/secrets/mine`)).status, 200);
  t.is((await kubelet.get(`${base}/secrets`)).status, 403);
  const status = await kubelet.patch(`${base}/pods/web/status`, 'strategic', {
    status: { phase: 'Running' },
  });
  t.is(status.status, 200, status.body.toString());
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'n1' },
    spec: { holderIdentity: 'n1', leaseDurationSeconds: 40 },
  };
  const renewed = await kubelet.post('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', lease);
  t.is(renewed.status, 201, renewed.body.toString());
});

run('roles are aggregated, and nobody grants more than they hold', async (t) => {
  const { api, plane } = t.context;
  await namespace(api, 'grants');
  const view = (await api.get('/apis/rbac.authorization.k8s.io/v1/clusterroles/view')).json();
  t.true((view['rules'] as unknown[]).length > 10);
  const rbac = (kind: string, rest: object) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind,
    metadata: { name: 'x' },
    ...rest,
  });
  const bindings = '/apis/rbac.authorization.k8s.io/v1/namespaces/grants/rolebindings';
  const subjects = [{ kind: 'User', name: 'ann' }];
  const bound = await api.post(
    bindings,
    rbac('RoleBinding', { roleRef: { kind: 'ClusterRole', name: 'admin' }, subjects }),
  );
  t.is(bound.status, 201, bound.body.toString());
  const ann = new RawApi(plane, { identity: plane.identity('ann') });
  t.teardown(() => ann.close());
  t.is((await ann.get('/api/v1/namespaces/grants/pods')).status, 200);
  t.is((await ann.get('/api/v1/namespaces/default/pods')).status, 403);
  const roles = '/apis/rbac.authorization.k8s.io/v1/namespaces/grants/roles';
  const rules = (verbs: string[], resources: string[]) => [{ verbs, apiGroups: [''], resources }];
  t.is((await ann.post(roles, rbac('Role', { rules: rules(['get'], ['pods']) }))).status, 201);
  const refused = await ann.post(roles, {
    ...rbac('Role', { rules: rules(['get'], ['nodes']) }),
    metadata: { name: 'y' },
  });
  t.is(refused.status, 403);
  t.regex(
    String(refused.json()['message']),
    /attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["nodes"\], Verbs:\["get"\]\}/,
  );
  const may = async (resource: string): Promise<unknown> => {
    const spec = { resourceAttributes: { namespace: 'grants', verb: 'list', resource } };
    const answer = await ann.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec,
    });
    return read(answer.json(), 'status.allowed');
  };
  t.is(await may('pods'), true);
  t.is(await may('nodes'), false);
});

run('both groups of events see the same objects', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'events');
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'events' },
    reason: 'R',
    message: 'M',
    type: 'Normal',
    source: { component: 'c' },
    count: 2,
  };
  t.is((await api.post(`${base}/events`, event)).status, 201);
  const other = (await api.get('/apis/events.k8s.io/v1/namespaces/events/events/e')).json();
  t.like(other, {
    apiVersion: 'events.k8s.io/v1',
    note: 'M',
    reason: 'R',
    deprecatedCount: 2,
    deprecatedSource: { component: 'c' },
    regarding: { kind: 'Pod', name: 'p', namespace: 'events' },
  });
  const selected = (await api.get(`${base}/events?fieldSelector=involvedObject.name%3Dp,reason%3DR`)).json();
  t.is((selected['items'] as unknown[]).length, 1);
});

run('a table shows what kubectl prints', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'tables');
  await api.post(`${base}/pods`, pod('web'));
  const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const table = (await api.get(`${base}/pods`, accept)).json();
  const names = (table['columnDefinitions'] as Array<{ name: string }>).map(({ name }) => name);
  t.deepEqual(names, [
    'Name',
    'Ready',
    'Status',
    'Restarts',
    'Age',
    'IP',
    'Node',
    'Nominated Node',
    'Readiness Gates',
  ]);
  const cells = read(table, 'rows[0].cells') as unknown[];
  t.deepEqual(
    [...cells.slice(0, 4), ...cells.slice(5)],
    ['web', '0/1', 'Pending', '0', '<none>', '<none>', '<none>', '<none>'],
  );
});

run('an immutable config map stays, and a namespace that ends takes nothing new', async (t) => {
  const { api } = t.context;
  const base = await namespace(api, 'ending');
  const config = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'c' },
    data: { a: 'b' },
    immutable: true,
  };
  await api.post(`${base}/configmaps`, config);
  t.is((await api.patch(`${base}/configmaps/c`, 'merge', { data: { a: 'c' } })).status, 422);
  const ending = (await api.delete(base)).json();
  t.is(read(ending, 'status.phase'), 'Terminating');
  const late = await api.post(`${base}/configmaps`, { ...config, metadata: { name: 'd' } });
  t.is(late.status, 403);
  t.is(read(late.json(), 'details.causes[0].reason'), 'NamespaceTerminating');
  const current: JsonBody = (await api.get(base)).json();
  const finalized = await api.put(`${base}/finalize`, { ...current, spec: { finalizers: [] } });
  t.is(finalized.status, 200, finalized.body.toString());
  t.is((await api.get(base)).status, 404);
  t.is((await api.delete('/api/v1/namespaces/kube-system')).status, 403);
});
