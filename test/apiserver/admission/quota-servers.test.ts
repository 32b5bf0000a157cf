import test from 'ava';
import type { ExecutionContext } from 'ava';
import {
  DEFAULT_ADMISSION,
  parseAdmissionConfig,
} from '../../../src/apiserver/admission/admission-config.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { EtcdStorage } from '../../../src/storage/etcd/etcd-storage.ts';
import type { Storage } from '../../../src/storage/storage.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { etcdBinary, startEtcd } from '../../helpers/etcd.ts';
import { RawApi } from '../../helpers/raw-api.ts';

const withEtcd = etcdBinary() ? test : test.skip;
const LIMIT = 25;

/** A namespace with a quota whose status is known, as its controller would have written it. */
async function quota(api: RawApi, hard: Record<string, string>, spec: object = {}): Promise<void> {
  const quotas = '/api/v1/namespaces/q/resourcequotas';
  const answer = await api.post(quotas, { metadata: { name: 'quota' }, spec: { hard, ...spec } });
  const used = Object.fromEntries(Object.keys(hard).map((name) => [name, '0']));
  await api.patch(`${quotas}/quota/status`, 'merge', { status: { hard, used } });
  if (answer.status !== 201) throw new Error(answer.body.toString());
}

withEtcd('servers that write at once to one etcd never exceed a quota together', async (t) => {
  const [member] = await startEtcd();
  t.teardown(() => member?.stop());
  const stores: Storage[] = [];
  const apis: RawApi[] = [];
  for (const advertiseAddress of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
    const storage = await EtcdStorage.open({ endpoints: [member?.url ?? ''], clock: systemClock });
    const plane = await startControlPlane({ storage, server: { advertiseAddress } });
    const api = new RawApi(plane);
    stores.push(storage);
    apis.push(api);
    t.teardown(async () => {
      api.close();
      await plane.close();
      await storage.close();
    });
  }
  const [first] = apis as [RawApi];
  await first.post('/api/v1/namespaces', { metadata: { name: 'q' } });
  await quota(first, { configmaps: String(LIMIT) });
  const maps = '/api/v1/namespaces/q/configmaps';
  const answers = await Promise.all(
    Array.from({ length: 3 * LIMIT }, (_, index) =>
      apis[index % apis.length]!.post(maps, { metadata: { name: `map-${index}` } }),
    ),
  );
  const codes = answers.map(({ status: code }) => code);
  const stored = ((await first.get(maps)).json()['items'] as unknown[]).length;
  t.true(stored <= LIMIT, `${stored} of ${LIMIT}`);
  t.is(stored, codes.filter((code) => code === 201).length);
  t.true(stored >= LIMIT - 1, codes.join());
  t.true(
    codes.every((code) => code === 201 || code === 403 || code === 409),
    codes.join(),
  );
  const status = (await first.get('/api/v1/namespaces/q/resourcequotas/quota')).json()['status'];
  t.deepEqual((status as { used: object }).used, { configmaps: String(stored) });
});

async function limitedServer(t: ExecutionContext, limitedResources: object[]): Promise<RawApi> {
  const document = {
    kind: 'AdmissionConfiguration',
    plugins: [{ name: 'ResourceQuota', configuration: { limitedResources } }],
  };
  const config = await parseAdmissionConfig(document, () => Promise.resolve(undefined));
  const plane = await startControlPlane({ server: { admission: { ...DEFAULT_ADMISSION, ...config } } });
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  await api.post('/api/v1/namespaces', { metadata: { name: 'q' } });
  await api.post('/api/v1/namespaces/q/serviceaccounts', { metadata: { name: 'default' } });
  return api;
}

test('what is limited by default needs a quota that covers it', async (t) => {
  const part = '.storageclass.storage.k8s.io/requests.storage';
  const api = await limitedServer(t, [{ resource: 'persistentvolumeclaims', matchContains: [part] }]);
  const claims = '/api/v1/namespaces/q/persistentvolumeclaims';
  const claim = (name: string, storageClassName?: string) => ({
    metadata: { name },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      ...(storageClassName === undefined ? {} : { storageClassName }),
    },
  });
  const refused = await api.post(claims, claim('gold-1', 'gold'));
  t.is(refused.status, 403);
  t.is(
    refused.json()['message'],
    `persistentvolumeclaims "gold-1" is forbidden: insufficient quota to consume: gold${part}`,
  );
  t.is((await api.post(claims, claim('plain'))).status, 201);
  await quota(api, { [`gold${part}`]: '2Gi' });
  t.is((await api.post(claims, claim('gold-1', 'gold'))).status, 201);
  t.is((await api.post(claims, claim('gold-2', 'gold'))).status, 201);
  t.regex(
    String((await api.post(claims, claim('gold-3', 'gold'))).json()['message']),
    /exceeded quota: quota, requested: gold\.storageclass/,
  );
  t.is((await api.post(claims, claim('silver-1', 'silver'))).status, 403);
});

test('a scope that is limited by default needs a quota of that scope', async (t) => {
  const scope = { scopeName: 'PriorityClass', operator: 'In', values: ['high'] };
  const api = await limitedServer(t, [{ resource: 'pods', matchScopes: [scope] }]);
  await api.post('/apis/scheduling.k8s.io/v1/priorityclasses', { metadata: { name: 'high' }, value: 1000 });
  const pods = '/api/v1/namespaces/q/pods';
  const pod = (name: string, more: object = {}) => ({
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i' }], ...more },
  });
  const high = { priorityClassName: 'high' };
  const refused = await api.post(pods, pod('a', high));
  t.is(refused.status, 500);
  t.is(refused.json()['message'], 'insufficient quota to match these scopes: [{PriorityClass In [high]}]');
  t.is((await api.post(pods, pod('b'))).status, 201);
  await quota(api, { pods: '1' }, { scopeSelector: { matchExpressions: [scope] } });
  t.is((await api.post(pods, pod('a', high))).status, 201);
  t.regex(String((await api.post(pods, pod('c', high))).json()['message']), /exceeded quota: quota/);
});

test('a configuration of quotas that is none is refused', async (t) => {
  for (const limitedResources of [
    'x',
    [{ resource: 1 }],
    [{ resource: 'pods', matchScopes: [{ scopeName: 'x' }] }],
  ]) {
    const document = {
      kind: 'AdmissionConfiguration',
      plugins: [{ name: 'ResourceQuota', configuration: { limitedResources } }],
    };
    await t.throwsAsync(
      parseAdmissionConfig(document, () => Promise.resolve(undefined)),
      { code: 'E_ADMISSION_CONFIG' },
    );
  }
});
