import { readFileSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';

interface Row {
  expression: string;
  code: number;
  message?: string;
}

const ROWS = JSON.parse(
  readFileSync('test/fixtures/upstream/device-selectors.json', 'utf8'),
) as readonly Row[];
const RESOURCE = '/apis/resource.k8s.io/v1';

async function start(t: ExecutionContext): Promise<RawApi> {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  return api;
}

test('expressions that choose devices are compiled, and refused in the words of upstream’s server', async (t) => {
  const api = await start(t);
  for (const [index, { expression, code, message }] of ROWS.entries()) {
    const body = { metadata: { name: `c-${index}` }, spec: { selectors: [{ cel: { expression } }] } };
    const answer = await api.post(`${RESOURCE}/deviceclasses`, body);
    t.is(answer.status, code, expression);
    if (message !== undefined) t.is(answer.json()['message'], message);
  }
  const none = { metadata: { name: 'none' }, spec: { selectors: [{ cel: {} }] } };
  t.is((await api.post(`${RESOURCE}/deviceclasses`, none)).status, 422);
  t.true(ROWS.filter(({ code }) => code === 422).length > 10);
});

const claim = (name: string, exactly: object) => ({
  metadata: { name },
  spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c', ...exactly } }] } },
});

test('selectors of claims and templates are compiled too, and a costly one is refused', async (t) => {
  const api = await start(t);
  const wrong = { selectors: [{ cel: { expression: '1' } }] };
  const claims = `${RESOURCE}/namespaces/default/resourceclaims`;
  const refused = await api.post(claims, claim('a', wrong));
  t.is(
    refused.json()['message'],
    'ResourceClaim.resource.k8s.io "a" is invalid: spec.devices.requests[0].exactly.selectors[0].cel.expression: ' +
      'Invalid value: "1": must evaluate to bool or the unknown type, not int',
  );
  const template = { metadata: { name: 'a' }, spec: { spec: claim('a', wrong).spec } };
  t.is((await api.post(`${RESOURCE}/namespaces/default/resourceclaimtemplates`, template)).status, 422);
  const nested = (depth: number): string =>
    depth === 0
      ? 'device.driver == "x"'
      : `device.attributes.all(a${depth}, device.attributes[a${depth}].all(b${depth}, ${nested(depth - 1)}))`;
  const costly = await api.post(claims, claim('b', { selectors: [{ cel: { expression: nested(4) } }] }));
  t.regex(String(costly.json()['message']), /cel\.expression: Forbidden: too complex, exceeds cost limit$/);
});

test('admin access to devices needs a namespace that is labelled for it', async (t) => {
  const api = await start(t);
  const admin = { adminAccess: true };
  const template = { metadata: { name: 'a' }, spec: { spec: claim('a', admin).spec } };
  const inNamespace = (name: string) => `${RESOURCE}/namespaces/${name}`;
  await api.post('/api/v1/namespaces', { metadata: { name: 'plain' } });
  await api.post('/api/v1/namespaces', {
    metadata: { name: 'admins', labels: { 'resource.kubernetes.io/admin-access': 'true' } },
  });
  const refused = await api.post(`${inNamespace('plain')}/resourceclaims`, claim('a', admin));
  t.is(
    refused.json()['message'],
    'ResourceClaim.resource.k8s.io "a" is invalid: spec.devices.requests[0].adminAccess: Forbidden: admin access to ' +
      'devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace',
  );
  t.is((await api.post(`${inNamespace('plain')}/resourceclaimtemplates`, template)).status, 422);
  t.is((await api.post(`${inNamespace('plain')}/resourceclaims`, claim('b', {}))).status, 201);
  t.is((await api.post(`${inNamespace('admins')}/resourceclaims`, claim('a', admin))).status, 201);
  t.is((await api.post(`${inNamespace('admins')}/resourceclaimtemplates`, template)).status, 201);
  const status = {
    status: {
      allocation: {
        devices: {
          results: [{ request: 'r', driver: 'd.example.com', pool: 'p', device: 'x', adminAccess: true }],
        },
      },
    },
  };
  const smuggled = await api.patch(`${inNamespace('plain')}/resourceclaims/b/status`, 'merge', status);
  t.is(smuggled.status, 422);
  t.regex(
    String(smuggled.json()['message']),
    /status\.allocation\.devices\.results\[0\]\.adminAccess: Forbidden: admin access/,
  );
  t.is((await api.patch(`${inNamespace('admins')}/resourceclaims/a/status`, 'merge', status)).status, 200);
});

test('who writes the status of a claim needs the rights to bind it, and to speak for its drivers', async (t) => {
  const plane = await startControlPlane();
  const admin = new RawApi(plane);
  const jane = new RawApi(plane, { identity: plane.identity('jane') });
  t.teardown(async () => {
    admin.close();
    jane.close();
    await plane.close();
  });
  const claims = `${RESOURCE}/namespaces/default/resourceclaims`;
  await admin.post(claims, claim('a', {}));
  const grant = async (name: string, rule: object) => {
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const rules = [{ apiGroups: ['resource.k8s.io'], ...rule }];
    t.is((await admin.post(`${rbac}/clusterroles`, { metadata: { name }, rules })).status, 201);
    await admin.post(`${rbac}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
    });
  };
  const status = `${claims}/a/status`;
  await grant('status', { resources: ['resourceclaims/status'], verbs: ['patch'] });
  const device = { driver: 'd.example.com', pool: 'p', device: 'x' };
  const allocation = { devices: { results: [{ request: 'r', ...device }] } };
  const bind = () => jane.patch(status, 'merge', { status: { allocation } });
  const refused = await bind();
  t.is(
    refused.json()['message'],
    'ResourceClaim.resource.k8s.io "a" is invalid: status.allocation: Forbidden: changing status.allocation or ' +
      'status.reservedFor requires resource="resourceclaims/binding", verb="patch" permission: ' +
      'resourceclaims.resource.k8s.io is forbidden: User "jane" cannot patch resource "resourceclaims/binding" in API ' +
      'group "resource.k8s.io" at the cluster scope',
  );
  await grant('bind', { resources: ['resourceclaims/binding'], verbs: ['patch'] });
  const bound = await bind();
  t.is(bound.status, 200, bound.body.toString());
  const speak = () => jane.patch(status, 'merge', { status: { devices: [{ ...device, conditions: [] }] } });
  const silenced = await speak();
  t.is(
    silenced.json()['message'],
    'ResourceClaim.resource.k8s.io "a" is invalid: status.devices: Forbidden: changing status.devices requires ' +
      'resource="resourceclaims/driver", verb="[arbitrary-node:patch]" permission: resourceclaims.resource.k8s.io ' +
      '"d.example.com" is forbidden: User "jane" cannot arbitrary-node:patch resource "resourceclaims/driver" in API ' +
      'group "resource.k8s.io" in the namespace "default"',
  );
  await grant('speak', {
    resources: ['resourceclaims/driver'],
    verbs: ['arbitrary-node:patch'],
    resourceNames: ['d.example.com'],
  });
  t.is((await speak()).status, 200);
});
