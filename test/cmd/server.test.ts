import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS } from '../../src/api/gen/resources.ts';
import type { ConfigMap } from '../../src/api/gen/types/core-v1.ts';
import { loadKubeconfig } from '../../src/client/kubeconfig.ts';
import { isConflict, isNotFound } from '../../src/client/errors.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { ServerProcess } from './server-process.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

async function start(t: ExecutionContext, dataDir: string, ...flags: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(dataDir, '--port', '0', ...flags);
  t.teardown(() => server.stop('SIGKILL'));
  return server;
}

const configMap = (name: string, value = 'x'): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data: { value },
});

async function ended(args: string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

test('slipway server serves the API to any HTTPS client with its kubeconfig, and ends with 0 on SIGTERM', async (t) => {
  const server = await start(t, await temporaryDirectory(t));
  const { ca, cert, key } = loadKubeconfig(server.kubeconfigPath).credentials();
  const response = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const get = request(`${server.url}/api/v1/namespaces`, { ca, cert, key, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (body += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, body }));
    });
    get.on('error', reject).end();
  });
  t.is(response.status, 200, response.body);
  const list = JSON.parse(response.body) as { kind: string; items: Array<{ metadata: { name: string } }> };
  t.is(list.kind, 'NamespaceList');
  t.true(list.items.some(({ metadata }) => metadata.name === 'kube-system'));
  t.deepEqual(await server.stop(), [0, null]);
});

test('the kubeconfig and the keys are for their owner alone', async (t) => {
  const dataDir = await temporaryDirectory(t);
  await start(t, dataDir);
  for (const file of ['admin.kubeconfig', 'pki/ca.key', 'pki/sa.key', 'identities/super-admin.key']) {
    t.is((await stat(join(dataDir, file))).mode & 0o777, 0o600, file);
  }
});

test('kubectl as installed works with the kubeconfig', async (t) => {
  const kubectl = await run('kubectl', ['version', '--client', '-o', 'json']).catch(() => undefined);
  if (!kubectl) {
    t.log('skipped: kubectl is not installed');
    t.pass();
    return;
  }
  const dataDir = await temporaryDirectory(t);
  const server = await start(t, dataDir);
  const call = (...args: string[]) =>
    run('kubectl', ['--kubeconfig', server.kubeconfigPath, '--cache-dir', join(dataDir, 'cache'), ...args]);
  t.is((await call('create', 'configmap', 'one', '--from-literal=a=b')).stdout, 'configmap/one created\n');
  t.is((await call('get', 'configmap', 'one', '-o', 'jsonpath={.data.a}')).stdout, 'b');
  t.regex((await call('get', 'namespaces')).stdout, /NAME +STATUS +AGE\ndefault +Active/);
  await t.throwsAsync(call('get', 'configmap', 'two'), { message: /configmaps "two" not found/ });
});

test('a restart keeps objects, their versions and the keys', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await start(t, dataDir);
  const client = first.client();
  const made = await client.create(CONFIGMAPS, configMap('kept'));
  const credentials = loadKubeconfig(first.kubeconfigPath).credentials();
  client.close();
  t.deepEqual(await first.stop(), [0, null]);
  const second = await start(t, dataDir);
  t.deepEqual(loadKubeconfig(second.kubeconfigPath).credentials(), credentials);
  const again = second.client();
  const found = await again.get(CONFIGMAPS, { namespace: 'default', name: 'kept' });
  t.deepEqual(found, made);
  t.true((await again.list(NAMESPACES, {})).items.length >= 4);
  again.close();
});

test('every object that was acknowledged before kill -9 is there afterwards', async (t) => {
  t.timeout(120_000);
  const dataDir = await temporaryDirectory(t);
  const acknowledged = new Map<string, string>();
  for (let round = 0; round < 3; round++) {
    const server = await start(t, dataDir);
    const client = server.client();
    let next = 0;
    let stopping = false;
    const write = async (): Promise<void> => {
      while (!stopping) {
        const name = `r${round}-${next++}`;
        const made = await client.create(CONFIGMAPS, configMap(name, name));
        acknowledged.set(name, made.metadata?.resourceVersion ?? '');
        if (acknowledged.size % 100 === 60 + round) {
          stopping = true;
          await server.stop('SIGKILL');
        }
      }
    };
    await Promise.allSettled(Array.from({ length: 8 }, write));
    client.close();
  }
  const server = await start(t, dataDir);
  const client = server.client();
  const { items } = await client.list(CONFIGMAPS, { namespace: 'default' });
  const found = new Map(items.map((item) => [item.metadata?.name, item]));
  for (const [name, version] of acknowledged) {
    t.is(found.get(name)?.metadata?.resourceVersion, version, name);
    t.is(found.get(name)?.data?.['value'], name);
  }
  t.true(acknowledged.size >= 150, `${acknowledged.size} writes were acknowledged`);
  client.close();
});

test('a second server on the same directory, or the same port, is refused by name', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const server = await start(t, dataDir);
  const second = await ended(['server', '--data-dir', dataDir, '--port', '0']);
  t.is(second.code, 1);
  t.regex(second.stderr, new RegExp(`in use by process ${server.child.pid} \\[E_STORAGE_LOCKED\\]`));
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', () => resolve()));
  const { port } = blocker.address() as AddressInfo;
  const third = await ended(['server', '--data-dir', await temporaryDirectory(t), '--port', String(port)]);
  blocker.close();
  t.is(third.code, 1);
  t.regex(third.stderr, /\[E_LISTEN\]\nhint: .*--port/);
});

test('wrong flags end with 2, a data directory that cannot be made with 1', async (t) => {
  const missing = await ended(['server']);
  t.is(missing.code, 2);
  t.regex(missing.stderr, /required option '--data-dir <dir>' not specified/);
  const port = await ended(['server', '--data-dir', '/tmp', '--port', '70000']);
  t.is(port.code, 2);
  t.regex(port.stderr, /number from 0 to 65535/);
  const file = join(await temporaryDirectory(t), 'file');
  await writeFile(file, '');
  const bad = await ended(['server', '--data-dir', join(file, 'sub'), '--port', '0']);
  t.is(bad.code, 1);
  t.regex(bad.stderr, /\[E_STORAGE_OPEN\]/);
});

test('controllers make the pods of a Deployment, and the scheduler says why they wait', async (t) => {
  const server = await start(t, await temporaryDirectory(t));
  const client = server.client();
  const labels = { app: 'web' };
  await client.create(DEPLOYMENTS, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'web:1' }] } },
    },
  });
  const pods = await waitFor('two pods are told that there are no nodes', async () => {
    const { items } = await client.list(PODS, { namespace: 'default', labelSelector: 'app=web' });
    const told = items.filter((pod) => pod.status?.conditions?.some(({ type }) => type === 'PodScheduled'));
    return told.length === 2 ? told : undefined;
  });
  for (const pod of pods) {
    const condition = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    t.like(condition, { status: 'False', reason: 'Unschedulable' });
    t.is(pod.spec?.serviceAccountName, 'default');
  }
  client.close();
  t.deepEqual(await server.stop(), [0, null]);
});

test('conflicts and missing objects come back as the API says them', async (t) => {
  const server = await start(t, await temporaryDirectory(t));
  const client = server.client();
  const made = await client.create(CONFIGMAPS, configMap('a'));
  await client.update(CONFIGMAPS, { ...made, data: { value: '2' } });
  const conflict = await t.throwsAsync(client.update(CONFIGMAPS, { ...made, data: { value: '3' } }));
  t.true(isConflict(conflict));
  const missing = await t.throwsAsync(client.get(CONFIGMAPS, { namespace: 'default', name: 'b' }));
  t.true(isNotFound(missing));
  client.close();
});
