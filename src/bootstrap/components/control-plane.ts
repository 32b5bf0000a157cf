import type { Node } from '../cluster.ts';
import { usesEtcd } from '../etcd/state.ts';
import { render } from '../render.ts';
import { ownComponent, type Component } from './component.ts';
import { clientUrl } from './etcd.ts';
import {
  AUDIT_LOG_DIRECTORY,
  caFile,
  clientCaFile,
  ENCRYPTION_CONFIG,
  encryptionFile,
  kubeconfigFile,
  KUBERNETES_DIRECTORY,
  pairFiles,
  PKI_DIRECTORY,
  publicPem,
  secretPem,
  STORE_DIRECTORY,
} from './files.ts';

const AUDIT_POLICY = `${KUBERNETES_DIRECTORY}/audit-policy.yaml`;

export function apiserver(node: Node): Component {
  const { cluster } = node;
  const { network, api } = cluster.inventory;
  const pki = (name: string): string => `${PKI_DIRECTORY}/${name}`;
  const flags = [
    '--bind-address=0.0.0.0',
    `--secure-port=${api.port}`,
    `--advertise-address=${node.address}`,
    ...storeFlags(node),
    `--client-ca-file=${pki('client-ca.crt')}`,
    `--tls-cert-file=${pki('apiserver.crt')}`,
    `--tls-private-key-file=${pki('apiserver.key')}`,
    `--service-account-key-file=${pki('sa.pub')}`,
    `--service-account-signing-key-file=${pki('sa.key')}`,
    `--service-account-issuer=https://kubernetes.default.svc.${network.domain}`,
    `--service-cluster-ip-range=${network.serviceRange}`,
    `--service-node-port-range=${network.nodePorts}`,
    `--kubelet-client-certificate=${pki('apiserver-kubelet-client.crt')}`,
    `--kubelet-client-key=${pki('apiserver-kubelet-client.key')}`,
    `--kubelet-certificate-authority=${pki('ca.crt')}`,
    `--requestheader-client-ca-file=${pki('front-proxy-ca.crt')}`,
    `--proxy-client-cert-file=${pki('front-proxy-client.crt')}`,
    `--proxy-client-key-file=${pki('front-proxy-client.key')}`,
    `--encryption-provider-config=${ENCRYPTION_CONFIG}`,
    `--audit-policy-file=${AUDIT_POLICY}`,
    `--audit-log-path=${AUDIT_LOG_DIRECTORY}/audit.log`,
    '--audit-log-maxage=30',
    '--audit-log-maxbackup=10',
    '--audit-log-maxsize=100',
  ];
  const files = [
    { path: AUDIT_POLICY, content: render('config/audit-policy.yaml.hbs', {}), mode: 0o644 },
    encryptionFile(cluster),
    caFile(cluster),
    clientCaFile(cluster),
    publicPem(cluster, 'pki/front-proxy-ca.crt', 'front-proxy-ca.crt'),
    publicPem(cluster, 'pki/sa.pub', 'sa.pub'),
    secretPem(cluster, 'pki/sa.key', 'sa.key'),
    ...['apiserver', 'apiserver-kubelet-client', 'front-proxy-client'].flatMap((name) =>
      pairFiles(node, name),
    ),
    ...(usesEtcd(cluster)
      ? [publicPem(cluster, 'pki/etcd/ca.crt', 'etcd/ca.crt'), ...pairFiles(node, 'apiserver-etcd-client')]
      : []),
  ];
  // The API server keeps what everybody reads in memory: room for new objects costs less than early promotions.
  return ownComponent(node, 'apiserver', flags, files, {
    dataDirectory: usesEtcd(cluster) ? undefined : STORE_DIRECTORY,
    nodeOptions: '--max-semi-space-size=4',
  });
}

/** Its own member of etcd first, which is the nearest; the others serve while that one is down. */
function storeFlags(node: Node): string[] {
  const { cluster } = node;
  if (!usesEtcd(cluster)) return [`--data-dir=${STORE_DIRECTORY}`];
  const others = cluster.controlPlanes.filter((other) => other !== node);
  return [
    `--etcd-servers=${[node, ...others].map(({ address }) => clientUrl(address)).join(',')}`,
    `--etcd-cafile=${PKI_DIRECTORY}/etcd/ca.crt`,
    `--etcd-certfile=${PKI_DIRECTORY}/apiserver-etcd-client.crt`,
    `--etcd-keyfile=${PKI_DIRECTORY}/apiserver-etcd-client.key`,
  ];
}

export function controllerManager(node: Node): Component {
  const { cluster } = node;
  const { network } = cluster.inventory;
  const flags = [
    `--kubeconfig=${KUBERNETES_DIRECTORY}/controller-manager.conf`,
    `--cluster-cidr=${network.podRange}`,
    `--node-cidr-mask-size=${network.nodeMaskSize}`,
    `--cluster-signing-cert-file=${PKI_DIRECTORY}/signer.crt`,
    `--cluster-signing-key-file=${PKI_DIRECTORY}/signer.key`,
    `--root-ca-file=${PKI_DIRECTORY}/ca.crt`,
    `--service-account-private-key-file=${PKI_DIRECTORY}/sa.key`,
    '--leader-elect=true',
  ];
  const files = [
    caFile(cluster),
    publicPem(cluster, 'pki/signer.crt', 'signer.crt'),
    secretPem(cluster, 'pki/signer.key', 'signer.key'),
    secretPem(cluster, 'pki/sa.key', 'sa.key'),
    kubeconfigFile(node, 'controller-manager', 'system:kube-controller-manager', {
      local: true,
      asServiceUser: true,
    }),
  ];
  return ownComponent(node, 'controller-manager', flags, files);
}

export function scheduler(node: Node): Component {
  const flags = [`--kubeconfig=${KUBERNETES_DIRECTORY}/scheduler.conf`, '--leader-elect=true'];
  const files = [
    kubeconfigFile(node, 'scheduler', 'system:kube-scheduler', { local: true, asServiceUser: true }),
  ];
  return ownComponent(node, 'scheduler', flags, files);
}
