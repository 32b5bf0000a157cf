import test from 'ava';
import type { ExecutionContext } from 'ava';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { runControllerManager } from '../../../src/controllers/manager.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';

/** A server and its controllers, a namespace with one quota whose usage is known. */
async function withQuota(t: ExecutionContext, spec: object, known = true): Promise<RawApi> {
  const plane = await startControlPlane();
  const stop = new AbortController();
  const running = runControllerManager(
    { client: plane.client(), clock: systemClock, log: silentLogger, identity: 'test', leaderElect: false },
    stop.signal,
  );
  const api = new RawApi(plane);
  t.teardown(async () => {
    stop.abort();
    await running.catch(() => undefined);
    api.close();
    await plane.close();
  });
  await api.post('/api/v1/namespaces', { metadata: { name: 'q' } });
  await api.post('/api/v1/namespaces/q/serviceaccounts', { metadata: { name: 'default' } });
  await api.post('/api/v1/namespaces/q/resourcequotas', { metadata: { name: 'quota' }, spec });
  await waitFor('the usage of the quota', async () => {
    const { hard, used = {} } = await statusOf(api);
    return hard && (!known || Object.keys(hard).every((name) => used[name] !== undefined));
  });
  return api;
}

async function statusOf(
  api: RawApi,
): Promise<{ hard?: Record<string, string>; used?: Record<string, string> }> {
  return (await api.get('/api/v1/namespaces/q/resourcequotas/quota')).json()['status'] ?? {};
}

const pod = (name: string, resources: object = {}, spec: object = {}) => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i', resources }], ...spec },
});

test('what is over the quota is refused in upstream’s words, and what is under it is charged', async (t) => {
  const api = await withQuota(t, { hard: { pods: '1', 'requests.cpu': '1', 'limits.memory': '1Gi' } });
  const pods = '/api/v1/namespaces/q/pods';
  const without = await api.post(pods, pod('a'));
  t.is(
    without.json()['message'],
    'pods "a" is forbidden: failed quota: quota: must specify limits.memory for: c; requests.cpu for: c',
  );
  const amounts = { requests: { cpu: '500m' }, limits: { memory: '512Mi' } };
  t.is((await api.post(pods, pod('a', amounts))).status, 201);
  t.deepEqual((await statusOf(api)).used, { pods: '1', 'requests.cpu': '500m', 'limits.memory': '512Mi' });
  const second = await api.post(pods, pod('b', { requests: { cpu: '600m' }, limits: { memory: '1Mi' } }));
  t.is(second.status, 403);
  t.is(
    second.json()['message'],
    'pods "b" is forbidden: exceeded quota: quota, requested: pods=1,requests.cpu=600m, ' +
      'used: pods=1,requests.cpu=500m, limited: pods=1,requests.cpu=1',
  );
  await api.request('DELETE', `${pods}/a?gracePeriodSeconds=0`);
  await waitFor('the usage of the quota', async () => (await statusOf(api)).used?.['pods'] === '0');
  t.is((await api.post(pods, pod('b', amounts))).status, 201);
});

test('fifty creates at once never exceed a quota, and a trial charges nothing', async (t) => {
  const api = await withQuota(t, { hard: { 'count/configmaps': '7' } });
  const maps = '/api/v1/namespaces/q/configmaps';
  // The certificates of the cluster are not given out here: nothing else makes ConfigMaps.
  t.is((await api.post(`${maps}?dryRun=All`, { metadata: { name: 'trial' } })).status, 201);
  t.is((await statusOf(api)).used?.['count/configmaps'], '0');
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => api.post(maps, { metadata: { name: `m${index}` } })),
  );
  t.is(answers.filter(({ status }) => status === 201).length, 7);
  t.is(answers.filter(({ status }) => status === 403).length, 43);
  t.is((await statusOf(api)).used?.['count/configmaps'], '7');
});

test('custom kinds are counted, and what is deleted is given back', async (t) => {
  const api = await withQuota(t, { hard: { 'count/widgets.example.com': '1' } }, false);
  const schema = { openAPIV3Schema: { type: 'object' } };
  await api.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  const widgets = '/apis/example.com/v1/namespaces/q/widgets';
  const widget = (name: string) => ({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name } });
  await waitFor(
    'the usage of the quota',
    async () => (await statusOf(api)).used?.['count/widgets.example.com'] === '0',
  );
  t.is((await api.post(widgets, widget('a'))).status, 201);
  t.regex(
    String((await api.post(widgets, widget('b'))).json()['message']),
    /exceeded quota: quota, requested: count\/widgets/,
  );
  await api.request('DELETE', `${widgets}/a`);
  await waitFor(
    'the usage of the quota',
    async () => (await statusOf(api)).used?.['count/widgets.example.com'] === '0',
  );
  t.is((await api.post(widgets, widget('b'))).status, 201);
});

test('a quota of a scope counts only what is in it', async (t) => {
  const api = await withQuota(t, { hard: { pods: '1' }, scopes: ['BestEffort'] });
  const pods = '/api/v1/namespaces/q/pods';
  const busy = { requests: { cpu: '1' } };
  t.is((await api.post(pods, pod('a', busy))).status, 201);
  t.is((await api.post(pods, pod('b', busy))).status, 201);
  t.is((await api.post(pods, pod('c'))).status, 201);
  t.is((await api.post(pods, pod('d'))).status, 403);
  t.deepEqual((await statusOf(api)).used, { pods: '1' });
});

test('claims are charged for the devices of each class that they may get', async (t) => {
  const name = 'gold.deviceclass.resource.k8s.io/devices';
  const api = await withQuota(t, {
    hard: {
      [name]: '40',
      'count/resourceclaims.resource.k8s.io': '3',
      'silver.deviceclass.resource.k8s.io/devices': '9',
    },
  });
  const claims = '/apis/resource.k8s.io/v1/namespaces/q/resourceclaims';
  const claim = (of: string, ...requests: object[]) => ({
    metadata: { name: of },
    spec: { devices: { requests } },
  });
  const exactly = (deviceClassName: string, more: object) => ({
    name: `r-${deviceClassName}`,
    exactly: { deviceClassName, ...more },
  });
  const eight = await api.post(
    claims,
    claim('a', exactly('gold', { count: 8 }), exactly('silver', { count: 2 })),
  );
  t.is(eight.status, 201, eight.body.toString());
  const all = await api.post(claims, claim('b', exactly('gold', { allocationMode: 'All' })));
  t.is(all.status, 201, all.body.toString());
  t.like(await statusOf(api), { used: { [name]: '40', 'count/resourceclaims.resource.k8s.io': '2' } });
  const either = {
    name: 'either',
    firstAvailable: [
      { name: 'x', deviceClassName: 'silver', count: 3 },
      { name: 'y', deviceClassName: 'silver', count: 8 },
    ],
  };
  const refused = await api.post(claims, claim('c', either));
  t.is(refused.status, 403);
  t.is(
    refused.json()['message'],
    'resourceclaims.resource.k8s.io "c" is forbidden: exceeded quota: quota, requested: ' +
      'silver.deviceclass.resource.k8s.io/devices=8, used: silver.deviceclass.resource.k8s.io/devices=2, limited: ' +
      'silver.deviceclass.resource.k8s.io/devices=9',
  );
  await api.delete(`${claims}/b`);
  await waitFor('what the claim held', async () => (await statusOf(api)).used?.[name] === '8');
});
