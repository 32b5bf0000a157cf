import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/base/clock.ts';
import { StateDirectory } from '../src/bootstrap/state-directory.ts';
import { bootstrapObjects } from '../src/bootstrap/objects/bootstrap-objects.ts';
import { ensure } from '../src/bootstrap/objects/ensure.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { RestClient } from '../src/client/rest-client.ts';
import { clusterPki } from '../src/pki/cluster-pki.ts';
import { nodeIdentity, SUPER_ADMIN } from '../src/pki/identities.ts';
import { renderKubeconfig } from '../src/pki/kubeconfig.ts';
import { waitFor } from '../test/helpers/wait-for.ts';
import { freePort } from './free-port.ts';
import { cpuSeconds, pssBytes } from './measure.ts';
import { megabytes, type Row, type Section } from './table.ts';

const EXECUTABLE = fileURLToPath(new URL('../dist/slipway', import.meta.url));
const NODE = 'bench';
const SETTLE_MS = 20_000;
const MEASURE_MS = 20_000;
const TARGET_BYTES = 400e6;

/** Memory and CPU of the control plane's processes when nothing happens: as on a server, one process each. */
export async function benchIdle(root: string): Promise<Section> {
  const dir = await mkdtemp(join(root, 'idle-'));
  const children = new Map<string, ChildProcess>();
  try {
    await startControlPlane(dir, children);
    await sleep(SETTLE_MS);
    const before = await Promise.all([...children.values()].map(({ pid }) => cpuSeconds(pid!)));
    await sleep(MEASURE_MS);
    const rows: Row[] = [];
    let total = 0;
    for (const [i, [name, { pid }]] of [...children].entries()) {
      const bytes = await pssBytes(pid!);
      const cpu = ((await cpuSeconds(pid!)) - before[i]!) / (MEASURE_MS / 1000);
      total += bytes;
      rows.push({ what: name, value: `${megabytes(bytes)} PSS, ${(cpu * 100).toFixed(1)}% of a core` });
    }
    rows.push({
      what: 'all three',
      value: megabytes(total),
      target: `under ${megabytes(TARGET_BYTES)}`,
      met: total < TARGET_BYTES,
    });
    return { title: 'Control plane at idle', rows };
  } finally {
    for (const child of [...children.values()].toReversed()) {
      if (child.exitCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
    await rm(dir, { recursive: true, force: true });
  }
}

async function startControlPlane(dir: string, children: Map<string, ChildProcess>): Promise<void> {
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const state = await writeKeys(dir, url);
  const node = (name: string): string => join(dir, nodeIdentity(NODE, name));
  const start = (name: string, ...flags: string[]): void => {
    const all = ['--log-level=warn', '--metrics-bind-address=127.0.0.1:0', ...flags];
    const child = spawn(EXECUTABLE, all, {
      argv0: `slipway-${name}`,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    children.set(name, child);
  };
  start(
    'apiserver',
    `--data-dir=${join(dir, 'store')}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--client-ca-file=${join(dir, 'pki/ca.crt')}`,
    `--tls-cert-file=${node('apiserver')}.crt`,
    `--tls-private-key-file=${node('apiserver')}.key`,
    `--service-account-key-file=${join(dir, 'pki/sa.pub')}`,
    `--service-account-signing-key-file=${join(dir, 'pki/sa.key')}`,
  );
  const client = new RestClient({
    ...loadKubeconfig(join(state.path, 'admin.kubeconfig')),
    clock: systemClock,
  });
  await waitFor(
    'the API server is ready',
    async () => (await client.request('GET', '/readyz')).status === 200,
  );
  for (const wanted of bootstrapObjects({ dnsAddress: '10.96.0.10' })) await ensure(client, wanted);
  client.close();
  start(
    'controller-manager',
    `--kubeconfig=${join(dir, 'controller-manager.conf')}`,
    '--cluster-cidr=10.244.0.0/16',
  );
  start('scheduler', `--kubeconfig=${join(dir, 'scheduler.conf')}`);
}

/** The keys of a cluster with one control plane, and kubeconfigs beside them. */
async function writeKeys(dir: string, url: string): Promise<StateDirectory> {
  const state = new StateDirectory(dir);
  const { files } = clusterPki({
    clock: systemClock,
    nodes: [{ name: NODE, addresses: ['127.0.0.1'], controlPlane: true }],
    serviceAddress: '10.96.0.1',
    clusterDomain: 'cluster.local',
    extraNames: [],
  });
  for (const [name, content] of Object.entries(files)) await state.write(name, content);
  const kubeconfigs = {
    'admin.kubeconfig': SUPER_ADMIN,
    'controller-manager.conf': nodeIdentity(NODE, 'controller-manager'),
    'scheduler.conf': nodeIdentity(NODE, 'scheduler'),
  };
  for (const [name, path] of Object.entries(kubeconfigs)) {
    const credential = { certPem: files[`${path}.crt`]!, keyPem: files[`${path}.key`]! };
    const caPem = files['pki/ca.crt']!;
    await state.write(
      name,
      renderKubeconfig({ clusterName: 'bench', servers: [url], caPem, user: name, credential }),
    );
  }
  return state;
}
