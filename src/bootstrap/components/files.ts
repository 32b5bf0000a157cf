import { crc32 } from 'node:zlib';
import { renderKubeconfig } from '../../pki/kubeconfig.ts';
import { nodeIdentity } from '../../pki/identities.ts';
import type { Identity } from '../../pki/issue.ts';
import { OLD_SIGNER } from '../../pki/rotation.ts';
import type { FileSpec } from '../../provision/files.ts';
import type { Cluster, Node } from '../cluster.ts';
import { ENCRYPTION_KEYS, parseKeys } from '../encryption/keys.ts';
import { render } from '../render.ts';

export const KUBERNETES_DIRECTORY = '/etc/kubernetes';
export const PKI_DIRECTORY = '/etc/kubernetes/pki';
export const ENCRYPTION_CONFIG = '/etc/kubernetes/encryption.yaml';
/** Who did what to the API; systemd makes it for the API server's user. */
export const AUDIT_LOG_DIRECTORY = '/var/log/slipway';
export const STORE_DIRECTORY = '/var/lib/slipway/store';
/** The embedded store's file, by which a server tells that it has one. */
export const STORE_FILE = `${STORE_DIRECTORY}/store.db`;
/** Where the embedded store stays when its content has moved to etcd. */
export const MOVED_STORE_DIRECTORY = '/var/lib/slipway/store-before-etcd';
/** The user that runs what needs no rights of root. */
export const SERVICE_USER = 'slipway';
/** The user that etcd runs as: Debian's name for it. */
export const ETCD_USER = 'etcd';
export const SERVICE_OWNER = `${SERVICE_USER}:${SERVICE_USER}`;

const pem = (cluster: Cluster, path: string): string => {
  const text = cluster.pki[path];
  if (text === undefined) throw new Error(`${path} is used before the phase "pki"`);
  return text;
};

export const identityOf = (cluster: Cluster, path: string): Identity => ({
  certPem: pem(cluster, `${path}.crt`),
  keyPem: pem(cluster, `${path}.key`),
});

/** A certificate for everybody to read. */
export const publicPem = (cluster: Cluster, source: string, name: string): FileSpec => ({
  path: `${PKI_DIRECTORY}/${name}`,
  content: pem(cluster, source),
  mode: 0o644,
});

/** A private key of the control plane: for its user alone. */
export const secretPem = (
  cluster: Cluster,
  source: string,
  name: string,
  owner = SERVICE_OWNER,
): FileSpec => ({
  path: `${PKI_DIRECTORY}/${name}`,
  content: pem(cluster, source),
  mode: 0o600,
  owner,
});

/** The configuration for the text of ENCRYPTION_KEYS. */
export const encryptionText = (keys: string): string =>
  render('config/encryption.yaml.hbs', { keys: parseKeys(keys) });

/** Which resources the API servers encrypt in the store, and the keys: for their user alone. */
export const encryptionFile = (cluster: Cluster): FileSpec => ({
  path: ENCRYPTION_CONFIG,
  content: encryptionText(pem(cluster, ENCRYPTION_KEYS)),
  mode: 0o600,
  owner: SERVICE_OWNER,
});

/** Certificate and key of a node's identity under kubeadm's names. */
export const pairFiles = (node: Node, name: string, owner = SERVICE_OWNER): FileSpec[] => [
  publicPem(node.cluster, `${nodeIdentity(node.name, name)}.crt`, `${name}.crt`),
  secretPem(node.cluster, `${nodeIdentity(node.name, name)}.key`, `${name}.key`, owner),
];

/**
 * The roots and intermediates that sign clients. Node tells a server the client's own certificate and not the chain
 * it was verified by, so the API server must know the kubelets' intermediate to see whose it is.
 */
export const clientCaFile = (cluster: Cluster): FileSpec => ({
  path: `${PKI_DIRECTORY}/client-ca.crt`,
  content: pem(cluster, 'pki/ca.crt') + pem(cluster, 'pki/signer.crt') + (cluster.pki[OLD_SIGNER] ?? ''),
  mode: 0o644,
});

export const caFile = (cluster: Cluster): FileSpec => publicPem(cluster, 'pki/ca.crt', 'ca.crt');

/**
 * The API servers in the order in which a node tries them: its own first, where it has one; the others begin at
 * different ones by their names, so that each API server has its share of them.
 */
export function apiServersFor(node: Node): [string, ...string[]] {
  const { cluster } = node;
  const servers = cluster.apiServers;
  const own = servers.findIndex((server) => server.includes(`//${node.address}:`));
  const start = own >= 0 ? own : crc32(node.name) % servers.length;
  return [...servers.slice(start), ...servers.slice(0, start)] as [string, ...string[]];
}

/** The API servers as people reach them: the virtual address first, where there is one. */
export function serversForPeople(cluster: Cluster, controlPlanes: readonly Node[]): [string, ...string[]] {
  const { port, virtualAddress } = cluster.inventory.api;
  const addresses = controlPlanes.map(({ address }) => address);
  const all = virtualAddress === undefined ? addresses : [virtualAddress, ...addresses];
  const [first = '', ...rest] = all.map((address) => `https://${address}:${port}`);
  return [first, ...rest];
}

/** /etc/kubernetes/<name>.conf for a component of this node. */
export function kubeconfigFile(
  node: Node,
  name: string,
  user: string,
  options: { local?: boolean; asServiceUser?: boolean },
): FileSpec {
  const { cluster } = node;
  const local = `https://127.0.0.1:${cluster.inventory.api.port}`;
  const others = apiServersFor(node).filter((server) => !server.includes(`//${node.address}:`));
  return {
    path: `${KUBERNETES_DIRECTORY}/${name}.conf`,
    content: renderKubeconfig({
      clusterName: cluster.inventory.cluster.name,
      servers: options.local ? [local, ...others] : apiServersFor(node),
      caPem: pem(cluster, 'pki/ca.crt'),
      user,
      credential: identityOf(cluster, nodeIdentity(node.name, name)),
    }),
    mode: 0o600,
    ...(options.asServiceUser ? { owner: SERVICE_OWNER } : {}),
  };
}
