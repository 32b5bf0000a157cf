import type { KeyUsage } from './extensions.ts';

/** What every certificate of a cluster says, before keys and signatures. Mirrors kubeadm's set of identities. */
export interface IdentitySpec {
  /** Where it is kept in the state directory, without '.crt' and '.key'. */
  path: string;
  ca: 'ca' | 'front-proxy-ca' | 'etcd/ca';
  commonName: string;
  organizations: string[];
  usages: KeyUsage[];
  dnsNames: string[];
  ipAddresses: string[];
}

export interface PkiNode {
  name: string;
  /** Addresses under which the node is reached. */
  addresses: string[];
  controlPlane: boolean;
}

export interface IdentityOptions {
  nodes: readonly PkiNode[];
  /** The address of the Service kubernetes.default: the first of the service range. */
  serviceAddress: string;
  clusterDomain: string;
  /** Further names or addresses of the API servers: a load balancer, a virtual address. */
  extraNames: readonly string[];
}

const isAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');

/** The client identities of people, kept by the operator. */
export const ADMIN = 'identities/admin';
export const SUPER_ADMIN = 'identities/super-admin';

/** The path of an identity that belongs to one node. */
export const nodeIdentity = (node: string, name: string): string => `nodes/${node}/${name}`;

const CLIENT: KeyUsage[] = ['digital signature', 'key encipherment', 'client auth'];
const SERVER: KeyUsage[] = ['digital signature', 'key encipherment', 'server auth'];

const client = (path: string, commonName: string, organizations: string[] = []): IdentitySpec => ({
  path,
  ca: 'ca',
  commonName,
  organizations,
  usages: CLIENT,
  dnsNames: [],
  ipAddresses: [],
});

/** Every leaf that the operator issues; kubelets get theirs by TLS bootstrap. */
export function clusterIdentities(options: IdentityOptions): IdentitySpec[] {
  return [
    client(ADMIN, 'kubernetes-admin', ['kubeadm:cluster-admins']),
    client(SUPER_ADMIN, 'kubernetes-super-admin', ['system:masters']),
    ...options.nodes.flatMap((node) => [
      client(nodeIdentity(node.name, 'proxy'), 'system:kube-proxy'),
      client(nodeIdentity(node.name, 'dns'), 'slipway:dns'),
      client(nodeIdentity(node.name, 'network'), 'slipway:network'),
      ...(node.controlPlane ? controlPlaneIdentities(node, options) : []),
    ]),
  ];
}

function controlPlaneIdentities(node: PkiNode, options: IdentityOptions): IdentitySpec[] {
  const at = (name: string): string => nodeIdentity(node.name, name);
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  const unique = (names: string[]): string[] => [...new Set(names)];
  return [
    {
      ...client(at('apiserver'), 'kube-apiserver'),
      usages: SERVER,
      dnsNames: unique([
        node.name,
        'localhost',
        ...service,
        `kubernetes.default.svc.${options.clusterDomain}`,
        ...options.extraNames.filter((name) => !isAddress(name)),
        ...node.addresses.filter((name) => !isAddress(name)),
      ]),
      // Loopback: the node's own components, and the relays through which operators reach a closed network.
      ipAddresses: unique([
        options.serviceAddress,
        ...node.addresses.filter(isAddress),
        '127.0.0.1',
        '::1',
        ...options.extraNames.filter(isAddress),
      ]),
    },
    client(at('apiserver-kubelet-client'), 'kube-apiserver-kubelet-client'),
    { ...client(at('front-proxy-client'), 'front-proxy-client'), ca: 'front-proxy-ca' },
    client(at('controller-manager'), 'system:kube-controller-manager'),
    client(at('scheduler'), 'system:kube-scheduler'),
    ...etcdIdentities(node),
  ];
}

/** What etcd shows to its clients and its peers, and what they show to it, under its own authority. */
function etcdIdentities(node: PkiNode): IdentitySpec[] {
  const at = (name: string): string => nodeIdentity(node.name, name);
  const member: Pick<IdentitySpec, 'ca' | 'usages' | 'dnsNames' | 'ipAddresses'> = {
    ca: 'etcd/ca',
    usages: [...SERVER, 'client auth'],
    dnsNames: [...new Set([node.name, 'localhost', ...node.addresses.filter((name) => !isAddress(name))])],
    ipAddresses: [...new Set([...node.addresses.filter(isAddress), '127.0.0.1', '::1'])],
  };
  return [
    { ...client(at('etcd/server'), node.name), ...member },
    { ...client(at('etcd/peer'), node.name), ...member },
    { ...client(at('etcd/healthcheck-client'), 'kube-etcd-healthcheck-client'), ca: 'etcd/ca' },
    { ...client(at('apiserver-etcd-client'), 'kube-apiserver-etcd-client'), ca: 'etcd/ca' },
  ];
}
