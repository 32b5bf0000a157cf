import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { RestClient } from '../src/client/rest-client.ts';
import { nodeIdentity } from '../src/pki/identities.ts';
import { waitFor } from '../test/helpers/wait-for.ts';
import { BENCH_NODE, pinned, writeKeys } from './control-plane.ts';
import { startEtcd } from './etcd-server.ts';
import { freePort } from './free-port.ts';
import { ServerUnderTest } from './server-under-test.ts';

/** Upstream's kube-apiserver, given by its path, over Debian's etcd: both on one core where one is given, as ours with its store. */
export async function startUpstream(
  program: string,
  dir: string,
  core: number | undefined,
): Promise<ServerUnderTest | undefined> {
  await mkdir(dir, { recursive: true });
  const etcd = await startEtcd(join(dir, 'etcd'), core);
  if (!etcd) return undefined;
  const port = await freePort();
  const state = await writeKeys(dir, `https://127.0.0.1:${port}`);
  const file = (name: string): string => join(dir, name);
  const own = file(nodeIdentity(BENCH_NODE, 'apiserver'));
  const flags = [
    `--etcd-servers=${etcd.url}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--client-ca-file=${file('pki/ca.crt')}`,
    `--tls-cert-file=${own}.crt`,
    `--tls-private-key-file=${own}.key`,
    `--service-account-key-file=${file('pki/sa.pub')}`,
    `--service-account-signing-key-file=${file('pki/sa.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--service-cluster-ip-range=10.96.0.0/12',
    '--authorization-mode=Node,RBAC',
    '--allow-privileged=true',
    '--v=0',
  ];
  const [command, args] = core === undefined ? [program, flags] : pinned(core, [program, ...flags]);
  const child = spawn(command, args, { stdio: 'ignore' });
  const kubeconfigPath = join(state.path, 'admin.kubeconfig');
  await untilReady(child, kubeconfigPath);
  return new ServerUnderTest({
    kubeconfigPath,
    pids: [child.pid!, etcd.pid],
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
      await etcd.stop();
    },
  });
}

async function untilReady(child: ChildProcess, kubeconfigPath: string): Promise<void> {
  const client = new RestClient({ ...loadKubeconfig(kubeconfigPath), clock: systemClock });
  try {
    await waitFor('kube-apiserver is ready', async () => {
      if (child.exitCode !== null) throw new Error(`kube-apiserver ended with ${child.exitCode}`);
      return (await client.request('GET', '/readyz').catch(() => undefined))?.status === 200;
    });
  } finally {
    client.close();
  }
}
