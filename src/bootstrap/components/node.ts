import type { Node } from '../cluster.ts';
import { sandboxImageOf } from '../release.ts';
import { render } from '../render.ts';
import { buildComponent, ownComponent, type Component } from './component.ts';
import { apiServersFor, caFile, kubeconfigFile, KUBERNETES_DIRECTORY, PKI_DIRECTORY } from './files.ts';

const CONTAINERD_CONFIG = '/etc/containerd/config.toml';
const CONTAINERD_DROP_IN = '/etc/systemd/system/containerd.service.d/10-slipway.conf';
export const KUBELET_CONFIG = `${KUBERNETES_DIRECTORY}/kubelet.conf`;
export const BOOTSTRAP_CONFIG = `${KUBERNETES_DIRECTORY}/bootstrap-kubelet.conf`;
const CNI_CONFIG_DIRECTORY = '/etc/cni/net.d';

/** The distribution's containerd with our configuration. */
export function containerd(node: Node): Component {
  const content = render('config/containerd.toml.hbs', {
    sandboxImage: sandboxImageOf(node.cluster.release),
    restrictOomScoreAdj: !node.facts.canLowerOomScore,
    systemdCgroup: false,
  });
  return buildComponent({
    unit: 'containerd.service',
    unitPath: CONTAINERD_DROP_IN,
    template: 'systemd/containerd.conf.hbs',
    values: {},
    files: [{ path: CONTAINERD_CONFIG, content, mode: 0o644 }],
    // A new release of ours is no reason to restart it, unless its configuration changes with it.
    version: '',
  });
}

export function kubelet(node: Node): Component {
  const { cluster } = node;
  const flags = [
    `--kubeconfig=${KUBELET_CONFIG}`,
    `--api-servers=${apiServersFor(node).join(',')}`,
    `--bootstrap-kubeconfig=${BOOTSTRAP_CONFIG}`,
    `--hostname-override=${node.name}`,
    `--node-ip=${node.address}`,
    '--container-runtime-endpoint=unix:///run/containerd/containerd.sock',
    `--cluster-dns=${cluster.dnsAddress}`,
    `--cluster-domain=${cluster.inventory.network.domain}`,
    '--cert-dir=/var/lib/kubelet/pki',
    '--root-dir=/var/lib/kubelet',
    `--client-ca-file=${PKI_DIRECTORY}/ca.crt`,
    `--pod-infra-container-image=${sandboxImageOf(cluster.release)}`,
    // Labels are set by us through the API: a node may not give itself those of kubernetes.io.
    node.isWorker ? undefined : '--register-with-taints=node-role.kubernetes.io/control-plane=:NoSchedule',
  ];
  return ownComponent(node, 'kubelet', flags, [caFile(cluster)]);
}

export function proxy(node: Node): Component {
  const flags = [
    `--kubeconfig=${KUBERNETES_DIRECTORY}/proxy.conf`,
    `--hostname-override=${node.name}`,
    `--cluster-cidr=${node.cluster.inventory.network.podRange}`,
  ];
  return ownComponent(node, 'proxy', flags, [kubeconfigFile(node, 'proxy', 'system:kube-proxy', {})]);
}

export function network(node: Node): Component {
  const flags = [
    `--kubeconfig=${KUBERNETES_DIRECTORY}/network.conf`,
    `--hostname-override=${node.name}`,
    `--cluster-cidr=${node.cluster.inventory.network.podRange}`,
    `--cni-conf-dir=${CNI_CONFIG_DIRECTORY}`,
  ];
  return ownComponent(node, 'network', flags, [kubeconfigFile(node, 'network', 'slipway:network', {})]);
}

export function dns(node: Node): Component {
  const { cluster } = node;
  const flags = [
    `--kubeconfig=${KUBERNETES_DIRECTORY}/dns.conf`,
    `--listen-address=${cluster.dnsAddress}`,
    `--cluster-domain=${cluster.inventory.network.domain}`,
    '--resolv-conf=/etc/resolv.conf',
    `--node-name=${node.name}`,
  ];
  return ownComponent(node, 'dns', flags, [
    kubeconfigFile(node, 'dns', 'slipway:dns', { asServiceUser: true }),
  ]);
}
