import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startUpstream } from '../bench/upstream.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { RawApi } from '../test/helpers/raw-api.ts';

/** Starts upstream's kube-apiserver on Debian's etcd, both with nothing in them, and ends them when `use` has ended. */
export async function withUpstream(program: string, use: (api: RawApi) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'upstream-'));
  const server = await startUpstream(program, directory, undefined);
  if (!server) throw new Error('etcd is not installed');
  const { servers, credentials } = loadKubeconfig(server.kubeconfigPath);
  const { ca = '', cert = '', key = '' } = credentials();
  const api = new RawApi({ url: servers[0]!, ca: { certPem: ca }, admin: { certPem: cert, keyPem: key } });
  try {
    await use(api);
  } finally {
    api.close();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}
