import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { BOOTSTRAP_STEPS, healthChecks } from '../../src/apiserver/health/health-checks.ts';
import { componentStatuses } from '../../src/apiserver/resources/core/componentstatuses.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';

test('health lists the checks that upstream’s server lists, each with a path of its own', async (t) => {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  const of = async (path: string) =>
    (await api.get(`${path}?verbose`)).body
      .toString()
      .split('\n')
      .filter((line) => line.startsWith('[+]'));
  const ready = await of('/readyz');
  // What test/e2e/apimachinery/health_handlers.go asks for, among others.
  for (const name of ['ping', 'log', 'etcd', 'informer-sync', 'autoregister-completion', 'shutdown']) {
    t.true(ready.includes(`[+]${name} ok`), name);
  }
  t.true(ready.includes('[+]poststarthook/crd-informer-synced ok'));
  const live = await of('/livez');
  t.false(live.includes('[+]informer-sync ok'));
  t.true(live.includes('[+]poststarthook/bootstrap-controller ok'));
  t.is((await api.get('/readyz/poststarthook/rbac/bootstrap-roles')).body.toString(), 'ok');
  t.is((await api.get('/livez/shutdown')).status, 404);
  const excluded = (await api.get('/readyz?verbose&exclude=etcd&exclude=nothing')).body.toString();
  t.regex(excluded, /^\[\+\]etcd excluded: ok$/m);
  t.regex(excluded, /^warn: some health checks cannot be excluded: no matches for "nothing"$/m);
});

test('a step that is not done keeps its check, and readiness, from passing', async (t) => {
  const pending = new Set(BOOTSTRAP_STEPS);
  let wasRead = false;
  const checks = healthChecks({
    store: () => Promise.resolve(),
    following: () => true,
    wasRead: () => wasRead,
    pending: () => pending,
    stopping: () => false,
  });
  const failing = async () => {
    const names: string[] = [];
    for (const each of checks) {
      try {
        await each.check();
      } catch {
        names.push(each.name);
      }
    }
    return names;
  };
  t.true((await failing()).length > BOOTSTRAP_STEPS.length);
  wasRead = true;
  t.deepEqual(await failing(), [...BOOTSTRAP_STEPS]);
  pending.delete('autoregister-completion');
  t.false((await failing()).includes('autoregister-completion'));
  t.true((await failing()).includes('poststarthook/bootstrap-controller'));
});

test('componentstatuses are what the components beside the server answer', async (t) => {
  let healthy = true;
  const component = createServer((_, response) => {
    response.writeHead(healthy ? 200 : 503);
    response.end(healthy ? 'ok' : 'not yet');
  });
  await new Promise<void>((resolve) => component.listen(0, '127.0.0.1', resolve));
  t.teardown(() => component.close());
  const { port } = component.address() as AddressInfo;
  let store: () => Promise<void> = () => Promise.resolve();
  const { computed } = componentStatuses(() => store(), new Map([['scheduler', port]]));
  const conditions = async () =>
    Object.fromEntries(
      ((await computed?.list()) ?? []).map((object) => {
        const [first] = (object as { conditions?: object[] }).conditions ?? [];
        return [object.metadata?.name, first];
      }),
    );
  t.deepEqual(await conditions(), {
    scheduler: { type: 'Healthy', status: 'True', message: 'ok' },
    'etcd-0': { type: 'Healthy', status: 'True', message: 'ok' },
  });
  healthy = false;
  store = () => Promise.reject(new Error('no quorum'));
  t.deepEqual(await conditions(), {
    scheduler: { type: 'Healthy', status: 'False', message: 'HTTP probe failed with statuscode: 503' },
    'etcd-0': { type: 'Healthy', status: 'False', error: 'no quorum' },
  });
});

test('componentstatuses are listed, selected and refused as upstream does', async (t) => {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  const path = '/api/v1/componentstatuses';
  const all = await api.get(path);
  t.is(all.headers['warning'], '299 - "v1 ComponentStatus is deprecated in v1.19+"');
  const { metadata, items } = all.json() as unknown as {
    metadata: object;
    items: Array<{ kind?: string; metadata: { name: string } }>;
  };
  t.deepEqual(metadata, {});
  t.deepEqual(
    items.map((item) => item.metadata.name),
    ['controller-manager', 'scheduler', 'etcd-0'],
  );
  t.is(items[0]?.kind, undefined);
  const one = await api.get(`${path}?fieldSelector=metadata.name%3Detcd-0`);
  t.is((one.json()['items'] as unknown[]).length, 1);
  t.is((await api.get(`${path}/etcd-0`)).json()['kind'], 'ComponentStatus');
  t.is((await api.get(`${path}/nothing`)).json()['message'], 'componentstatus "nothing" not found');
  t.is((await api.get(`${path}?watch=true`)).status, 405);
  t.is((await api.delete(`${path}/etcd-0`)).status, 405);
});

test('a request says itself how long it may take', async (t) => {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  const bad = await api.get('/version?timeout=invalid');
  t.is(bad.status, 400);
  t.is(
    bad.json()['message'],
    'invalid timeout specified in the request URL - time: invalid duration "invalid"',
  );
  for (const timeout of ['0s', '3m', '10s']) t.is((await api.get(`/version?timeout=${timeout}`)).status, 200);
});
