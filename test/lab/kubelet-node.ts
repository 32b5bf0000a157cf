import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { pauseImage } from '../../scripts/build/pause-image.ts';
import { buildRelease } from '../../scripts/build/release.ts';
import { systemClock } from '../../src/base/clock.ts';
import { bootstrapObjects, BOOTSTRAPPERS } from '../../src/bootstrap/objects/bootstrap-objects.ts';
import { clusterPki, type PkiFiles } from '../../src/pki/cluster-pki.ts';
import { nodeIdentity, SUPER_ADMIN } from '../../src/pki/identities.ts';
import { renderKubeconfig } from '../../src/pki/kubeconfig.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { importImage, installPackages } from './install-packages.ts';
import { Lab } from './lab.ts';
import type { LabServer } from './server.ts';

const PKI = '/etc/kubernetes/pki';
const VERSION = 'test';
const TOKEN = { id: 'abcdef', secret: '0123456789abcdef' };

/** One server of the lab that is a whole small cluster: API server, controllers, containerd and the kubelet. */
export interface KubeletNode {
  lab: Lab;
  server: LabServer;
  /** kubectl as an administrator, from the lab's network. Rejects on failure. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** The phase, or any other field of a pod by jsonpath. */
  podField(name: string, path: string): Promise<string>;
  kubeconfigPath: string;
  waitForNode(): Promise<void>;
  close(): Promise<void>;
}

/** Makes the cluster as `slipway up` would, by hand: this tests the kubelet, not the installer. */
export async function startKubeletNode(id: string): Promise<KubeletNode> {
  const lab = await Lab.create({ id, servers: [{ name: 'n1' }] });
  try {
    return await setUpKubeletNode(lab);
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** The same on a lab that exists. */
export async function setUpKubeletNode(lab: Lab): Promise<KubeletNode> {
  const server = lab.server('n1');
  const { files } = clusterPki({
    clock: systemClock,
    nodes: [{ name: 'n1', addresses: [server.address], controlPlane: true }],
    serviceAddress: '10.96.0.1',
    clusterDomain: 'cluster.local',
    extraNames: [],
  });
  await installPackages(server);
  await configureRuntime(server);
  await putProgram(server);
  await putIdentities(server, files);
  const kubeconfigPath = join(lab.directory, 'admin.kubeconfig');
  await writeFile(kubeconfigPath, kubeconfig(server, files, 'admin', SUPER_ADMIN));
  const kubectl = (args: readonly string[], input?: string) =>
    lab.fabricExec(['kubectl', `--kubeconfig=${kubeconfigPath}`, ...args], {
      ...(input === undefined ? {} : { input }),
      timeoutMs: 60_000,
    });
  await startControlPlane(server);
  await waitFor('the API server is ready', async () => (await kubectl(['get', '--raw=/readyz'])) === 'ok', {
    timeoutMs: 60_000,
  });
  await applyBootstrapObjects(kubectl);
  await server.exec('systemctl start slipway-kubelet');
  const node: KubeletNode = {
    lab,
    server,
    kubectl,
    kubeconfigPath,
    podField: (name, path) => kubectl(['get', 'pod', name, `-o=jsonpath={${path}}`]),
    waitForNode: async () => {
      await waitFor(
        'the node is Ready',
        async () => {
          const path = '{.status.conditions[?(@.type=="Ready")].status}';
          return (await kubectl(['get', 'node', 'n1', `-o=jsonpath=${path}`])) === 'True';
        },
        { timeoutMs: 60_000 },
      );
    },
    close: () => lab.close(),
  };
  return node;
}

async function configureRuntime(server: LabServer): Promise<void> {
  await server.writeFile(
    '/etc/containerd/config.toml',
    `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "slipway.local/pause:${VERSION}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
`,
  );
  await server.writeFile('/etc/cni/net.d/10-test.conflist', JSON.stringify(CNI));
  await server.exec('systemctl restart containerd; sysctl -q -w net.ipv4.ip_forward=1');
  await importImage(server, await pauseImage(VERSION, process.arch === 'arm64' ? 'arm64' : 'amd64'));
  await importImage(server, await busyboxImage());
}

const CNI = {
  cniVersion: '0.4.0',
  name: 'test',
  plugins: [
    {
      type: 'ptp',
      ipMasq: true,
      ipam: { type: 'host-local', subnet: '10.244.0.0/24', routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

/** The executable of this checkout, as the release has it. */
export async function putProgram(server: LabServer): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-release-'));
  try {
    await buildRelease(folder);
    await server.exec('mkdir -p /opt/slipway');
    // Beside the running one, then moved over it: a program in use cannot be written.
    const target = `${await server.rootPath()}/opt/slipway/slipway.new`;
    await copyFile(join(folder, 'slipway'), target);
    await server.exec(
      'chmod 755 /opt/slipway/slipway.new && mv /opt/slipway/slipway.new /opt/slipway/slipway',
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function putIdentities(server: LabServer, files: PkiFiles): Promise<void> {
  const put = (path: string, name: string) => server.writeFile(`${PKI}/${name}`, files[path] ?? '', 0o600);
  for (const end of ['crt', 'key']) {
    await put(`pki/ca.${end}`, `ca.${end}`);
    await put(`pki/signer.${end}`, `signer.${end}`);
    await put(`pki/front-proxy-ca.${end}`, `front-proxy-ca.${end}`);
    for (const name of ['apiserver', 'apiserver-kubelet-client']) {
      await put(`${nodeIdentity('n1', name)}.${end}`, `${name}.${end}`);
    }
  }
  // A client's own intermediate is not seen once TLS has verified the chain: the API server has to know it.
  await server.writeFile(
    `${PKI}/client-ca.crt`,
    `${files['pki/ca.crt'] ?? ''}${files['pki/signer.crt'] ?? ''}`,
  );
  await put('pki/sa.key', 'sa.key');
  await put('pki/sa.pub', 'sa.pub');
  await server.writeFile(
    '/etc/kubernetes/controller-manager.conf',
    kubeconfig(server, files, 'controller-manager', nodeIdentity('n1', 'controller-manager')),
    0o600,
  );
  await server.writeFile(
    '/etc/kubernetes/bootstrap-kubelet.conf',
    renderKubeconfig({
      clusterName: 'test',
      servers: [`https://${server.address}:6443`],
      caPem: files['pki/ca.crt'] ?? '',
      user: 'bootstrap',
      credential: { token: `${TOKEN.id}.${TOKEN.secret}` },
    }),
    0o600,
  );
}

function kubeconfig(server: LabServer, files: PkiFiles, user: string, identity: string): string {
  return renderKubeconfig({
    clusterName: 'test',
    servers: [`https://${server.address}:6443`],
    caPem: files['pki/ca.crt'] ?? '',
    user,
    credential: { certPem: files[`${identity}.crt`] ?? '', keyPem: files[`${identity}.key`] ?? '' },
  });
}

async function startControlPlane(server: LabServer): Promise<void> {
  await writeUnit(server, 'apiserver', [
    `--advertise-address=${server.address}`,
    '--data-dir=/var/lib/slipway/store',
    `--client-ca-file=${PKI}/client-ca.crt`,
    `--tls-cert-file=${PKI}/apiserver.crt`,
    `--tls-private-key-file=${PKI}/apiserver.key`,
    `--service-account-key-file=${PKI}/sa.pub`,
    `--service-account-signing-key-file=${PKI}/sa.key`,
    `--kubelet-client-certificate=${PKI}/apiserver-kubelet-client.crt`,
    `--kubelet-client-key=${PKI}/apiserver-kubelet-client.key`,
    `--kubelet-certificate-authority=${PKI}/ca.crt`,
  ]);
  await writeUnit(server, 'controller-manager', [
    '--kubeconfig=/etc/kubernetes/controller-manager.conf',
    `--cluster-signing-cert-file=${PKI}/signer.crt`,
    `--cluster-signing-key-file=${PKI}/signer.key`,
    `--root-ca-file=${PKI}/ca.crt`,
    `--service-account-private-key-file=${PKI}/sa.key`,
    '--cluster-cidr=10.244.0.0/16',
  ]);
  await writeUnit(server, 'kubelet', [
    '--kubeconfig=/etc/kubernetes/kubelet.conf',
    '--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf',
    '--hostname-override=n1',
    `--node-ip=${server.address}`,
    `--client-ca-file=${PKI}/ca.crt`,
    '--cluster-dns=10.96.0.10',
    `--pod-infra-container-image=slipway.local/pause:${VERSION}`,
    '--pod-manifest-path=/etc/kubernetes/manifests',
    '--log-level=debug',
  ]);
  await server.exec(
    'mkdir -p /etc/kubernetes/manifests && systemctl daemon-reload && systemctl enable -q slipway-apiserver ' +
      'slipway-controller-manager slipway-kubelet && systemctl start slipway-apiserver slipway-controller-manager',
  );
}

async function writeUnit(server: LabServer, name: string, flags: string[]): Promise<void> {
  const after = name === 'kubelet' ? 'After=containerd.service\nWants=containerd.service\n' : '';
  await server.writeFile(
    `/etc/systemd/system/slipway-${name}.service`,
    `[Unit]
${after}StartLimitIntervalSec=0
[Service]
ExecStart=/opt/slipway/slipway ${name} ${flags.join(' ')}
Restart=always
RestartSec=200ms
KillMode=process
[Install]
WantedBy=multi-user.target
`,
  );
}

async function applyBootstrapObjects(kubectl: KubeletNode['kubectl']): Promise<void> {
  const objects: object[] = bootstrapObjects({ dnsAddress: '10.96.0.10' }).map(({ object }) => object);
  objects.push({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'bootstrap.kubernetes.io/token',
    metadata: { name: `bootstrap-token-${TOKEN.id}`, namespace: 'kube-system' },
    data: base64Values({
      'token-id': TOKEN.id,
      'token-secret': TOKEN.secret,
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': BOOTSTRAPPERS,
    }),
  });
  for (const object of objects) await kubectl(['create', '-f', '-'], JSON.stringify(object));
}

const base64Values = (values: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
