import { renderKubeconfig } from '../../pki/kubeconfig.ts';
import { nodeIdentity } from '../../pki/identities.ts';
import type { Identity } from '../../pki/issue.ts';
import type { FileSpec } from '../../provision/files.ts';
import type { Cluster, Node } from '../cluster.ts';

export const KUBERNETES_DIRECTORY = '/etc/kubernetes';
export const PKI_DIRECTORY = '/etc/kubernetes/pki';
export const STORE_DIRECTORY = '/var/lib/slipway/store';
/** The user that runs what needs no rights of root. */
export const SERVICE_USER = 'slipway';
const SERVICE_OWNER = `${SERVICE_USER}:${SERVICE_USER}`;

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
export const secretPem = (cluster: Cluster, source: string, name: string): FileSpec => ({
  path: `${PKI_DIRECTORY}/${name}`,
  content: pem(cluster, source),
  mode: 0o600,
  owner: SERVICE_OWNER,
});

/** Certificate and key of a node's identity under kubeadm's names. */
export const pairFiles = (node: Node, name: string): FileSpec[] => [
  publicPem(node.cluster, `${nodeIdentity(node.name, name)}.crt`, `${name}.crt`),
  secretPem(node.cluster, `${nodeIdentity(node.name, name)}.key`, `${name}.key`),
];

/**
 * The roots and intermediates that sign clients. Node tells a server the client's own certificate and not the chain
 * it was verified by, so the API server must know the kubelets' intermediate to see whose it is.
 */
export const clientCaFile = (cluster: Cluster): FileSpec => ({
  path: `${PKI_DIRECTORY}/client-ca.crt`,
  content: pem(cluster, 'pki/ca.crt') + pem(cluster, 'pki/signer.crt'),
  mode: 0o644,
});

export const caFile = (cluster: Cluster): FileSpec => publicPem(cluster, 'pki/ca.crt', 'ca.crt');

/** /etc/kubernetes/<name>.conf for a component of this node. */
export function kubeconfigFile(
  node: Node,
  name: string,
  user: string,
  options: { local?: boolean; asServiceUser?: boolean },
): FileSpec {
  const { cluster } = node;
  const local = `https://127.0.0.1:${cluster.inventory.api.port}`;
  const others = cluster.apiServers.filter((server) => !server.includes(`//${node.address}:`));
  return {
    path: `${KUBERNETES_DIRECTORY}/${name}.conf`,
    content: renderKubeconfig({
      clusterName: cluster.inventory.cluster.name,
      servers: options.local ? [local, ...others] : cluster.apiServers,
      caPem: pem(cluster, 'pki/ca.crt'),
      user,
      credential: identityOf(cluster, nodeIdentity(node.name, name)),
    }),
    mode: 0o600,
    ...(options.asServiceUser ? { owner: SERVICE_OWNER } : {}),
  };
}
