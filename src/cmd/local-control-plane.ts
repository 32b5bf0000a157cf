import { join } from 'node:path';
import { startApiServer } from '../apiserver/server.ts';
import type { ApiServerHandle } from '../apiserver/api-server-options.ts';
import type { Clock } from '../base/clock.ts';
import { codeOf, messageOf, SlipwayError } from '../base/errors.ts';
import { runTogether } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import { releaseInfo } from '../base/version.ts';
import { bootstrapObjects } from '../bootstrap/objects/bootstrap-objects.ts';
import { ensure, missing } from '../bootstrap/objects/ensure.ts';
import { StateDirectory } from '../bootstrap/state-directory.ts';
import { RestClient } from '../client/rest-client.ts';
import { runControllerManager } from '../controllers/manager.ts';
import {
  clusterPki,
  FRONT_PROXY_ROOT,
  ROOT,
  SERVICE_ACCOUNT,
  SIGNER,
  type PkiFiles,
} from '../pki/cluster-pki.ts';
import { nodeIdentity, SUPER_ADMIN } from '../pki/identities.ts';
import { renderKubeconfig } from '../pki/kubeconfig.ts';
import { runScheduler } from '../scheduler/scheduler.ts';
import { EmbeddedStorage } from '../storage/embedded/embedded-storage.ts';

export interface LocalControlPlaneOptions {
  /** Holds store/, pki/, identities/, nodes/ and admin.kubeconfig. */
  dataDir: string;
  /** On 127.0.0.1; 0 takes a free one. */
  port: number;
  clock: Clock;
  log: Logger;
  onReady: (ready: { url: string; kubeconfigPath: string }) => void;
}

/** This machine's name within the keys: it has one control plane, and no nodes. */
const NODE = 'local';
const ADDRESS = '127.0.0.1';
const POD_RANGE = '10.244.0.0/16';
const SERVICE_RANGE = '10.96.0.0/12';
const DNS_ADDRESS = '10.96.0.10';
const CLUSTER_DOMAIN = 'cluster.local';

/** A whole control plane in this process, until the signal aborts. */
export async function runLocalControlPlane(
  options: LocalControlPlaneOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, dataDir } = options;
  // The store first: it holds the lock of the directory, and keys are made only under it.
  const storage = await EmbeddedStorage.open(join(dataDir, 'store'), { clock, log });
  try {
    const state = new StateDirectory(dataDir);
    const pki = await localPki(state, clock);
    const server = await startServer(options, storage, pki);
    try {
      const kubeconfigPath = await writeAdminKubeconfig(state, server.url, pki);
      const connect = connector(options, server.url, pki);
      await applyObjects(connect(SUPER_ADMIN));
      const loops = components(options, connect, pki);
      options.onReady({ url: server.url, kubeconfigPath });
      await runTogether(loops, signal);
    } finally {
      await server.close();
    }
  } finally {
    await storage.close();
  }
}

type Connect = (identityPath: string) => RestClient;

/** Clients of the server in this process, each with an identity of its own, as on a cluster's servers. */
function connector({ clock, log }: LocalControlPlaneOptions, url: string, pki: PkiFiles): Connect {
  return (identityPath) => {
    const { certPem, keyPem } = identity(pki, identityPath);
    const credentials = { ca: file(pki, `${ROOT}.crt`), cert: certPem, key: keyPem };
    return new RestClient({ servers: [url], credentials, userAgent: 'slipway-server', clock, log });
  };
}

/** What the installer gives every cluster, roles of its components included. */
async function applyObjects(client: RestClient): Promise<void> {
  for (const wanted of bootstrapObjects({ dnsAddress: DNS_ADDRESS })) {
    if ((await missing(client, wanted)) !== undefined) await ensure(client, wanted);
  }
  client.close();
}

function components(
  { clock, log }: LocalControlPlaneOptions,
  connect: Connect,
  pki: PkiFiles,
): Array<(signal: AbortSignal) => Promise<void>> {
  // One process under one lock: there is nobody to elect against.
  const common = { clock, leaderElect: false, identity: NODE };
  return [
    async (signal) => {
      const client = connect(nodeIdentity(NODE, 'controller-manager'));
      await runControllerManager(
        {
          ...common,
          client,
          log: log.child({ component: 'controller-manager' }),
          clusterCidr: POD_RANGE,
          signing: identity(pki, SIGNER),
          rootCaPem: file(pki, `${ROOT}.crt`),
        },
        signal,
      ).finally(() => client.close());
    },
    async (signal) => {
      const client = connect(nodeIdentity(NODE, 'scheduler'));
      await runScheduler({ ...common, client, log: log.child({ component: 'scheduler' }) }, signal).finally(
        () => client.close(),
      );
    },
  ];
}

async function localPki(state: StateDirectory, clock: Clock): Promise<PkiFiles> {
  const existing = await state.readPki();
  const { files } = clusterPki(
    {
      clock,
      nodes: [{ name: NODE, addresses: [ADDRESS, '::1'], controlPlane: true }],
      serviceAddress: '10.96.0.1',
      clusterDomain: CLUSTER_DOMAIN,
      extraNames: [],
    },
    existing,
  );
  for (const [name, content] of Object.entries(files)) {
    if (existing[name] !== content) await state.write(name, content);
  }
  return files;
}

async function startServer(
  { clock, log, port }: LocalControlPlaneOptions,
  storage: EmbeddedStorage,
  pki: PkiFiles,
): Promise<ApiServerHandle> {
  const apiserver = identity(pki, nodeIdentity(NODE, 'apiserver'));
  const kubelet = identity(pki, nodeIdentity(NODE, 'apiserver-kubelet-client'));
  const proxyClient = identity(pki, nodeIdentity(NODE, 'front-proxy-client'));
  const caPem = file(pki, `${ROOT}.crt`);
  // Certificates that the cluster signs are shown without the intermediate that signed them.
  const clientCaPem = `${caPem}${file(pki, `${SIGNER}.crt`)}`;
  const frontProxyCaPem = file(pki, `${FRONT_PROXY_ROOT}.crt`);
  try {
    return await startApiServer({
      storage,
      clock,
      log,
      bindAddress: ADDRESS,
      port,
      tls: { cert: apiserver.certPem, key: apiserver.keyPem, clientCa: [clientCaPem, frontProxyCaPem] },
      clientCaPem,
      requestHeader: { caPem: frontProxyCaPem, allowedNames: ['front-proxy-client'] },
      serviceAccounts: {
        issuer: `https://kubernetes.default.svc.${CLUSTER_DOMAIN}`,
        signingKeyPem: file(pki, `${SERVICE_ACCOUNT}.key`),
        keysPem: [file(pki, `${SERVICE_ACCOUNT}.pub`)],
      },
      serviceClusterIpRanges: [SERVICE_RANGE],
      kubelet: { caPem, ...kubelet },
      proxyClient: () => proxyClient,
      build: { ...releaseInfo(), date: '' },
    });
  } catch (error) {
    if (codeOf(error) !== 'E_LISTEN') throw error;
    throw new SlipwayError('E_LISTEN', messageOf(error), {
      hint: 'stop what uses the port, or choose another with --port (0 takes a free one)',
      cause: error,
    });
  }
}

async function writeAdminKubeconfig(state: StateDirectory, url: string, pki: PkiFiles): Promise<string> {
  const kubeconfig = renderKubeconfig({
    clusterName: 'slipway',
    servers: [url],
    caPem: file(pki, `${ROOT}.crt`),
    user: 'admin',
    credential: identity(pki, SUPER_ADMIN),
  });
  await state.write('admin.kubeconfig', kubeconfig);
  return state.kubeconfigPath;
}

function identity(pki: PkiFiles, path: string): { certPem: string; keyPem: string } {
  return { certPem: file(pki, `${path}.crt`), keyPem: file(pki, `${path}.key`) };
}

function file(pki: PkiFiles, name: string): string {
  const content = pki[name];
  if (content === undefined) throw new Error(`the key set lacks ${name}`);
  return content;
}
