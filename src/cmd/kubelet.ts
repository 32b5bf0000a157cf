import { hostname, networkInterfaces } from 'node:os';
import { isIP } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import type { Taint } from '../api/gen/types/core-v1.ts';
import { addComponentFlags, port, runAsComponent, type ComponentFlags } from './component.ts';

interface KubeletFlags extends ComponentFlags {
  kubeconfig: string;
  apiServers?: string[];
  bootstrapKubeconfig?: string;
  hostnameOverride: string;
  nodeIp?: string[];
  containerRuntimeEndpoint: string;
  clusterDns: string[];
  clusterDomain: string;
  certDir: string;
  rootDir: string;
  clientCaFile: string;
  podInfraContainerImage?: string;
  podManifestPath?: string;
  nodeLabels?: Record<string, string>;
  registerWithTaints?: Taint[];
  resolvConf?: string;
  maxPods: number;
  address: string;
  port: number;
}

const EXAMPLES = `
Examples:
  slipway-kubelet --kubeconfig=/etc/kubernetes/kubelet.conf --client-ca-file=/etc/kubernetes/pki/ca.crt \\
    --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --cluster-dns=10.96.0.10
  slipway-kubelet … --node-labels=zone=a,disk=fast --register-with-taints=dedicated=db:NoSchedule`;

export function kubeletCommand(): Command {
  const command = new Command('kubelet')
    .description('register this machine as a node and run its pods')
    .requiredOption('--kubeconfig <file>', 'how to reach the API servers; written on the first start')
    .requiredOption('--client-ca-file <file>', 'authority of those who may ask this node’s server')
    .option('--api-servers <urls>', 'API servers to use instead of those in the kubeconfigs', urls)
    .option('--bootstrap-kubeconfig <file>', 'credential for the first start, a bootstrap token')
    .option('--hostname-override <name>', 'name of this node', hostname().toLowerCase())
    .option('--node-ip <addresses>', 'addresses of this node, the preferred first', addresses)
    .option(
      '--container-runtime-endpoint <url>',
      'socket of the container runtime',
      'unix:///run/containerd/containerd.sock',
    )
    .option('--cluster-dns <addresses>', 'DNS servers of pods', addresses, ['10.96.0.10'])
    .option('--cluster-domain <domain>', 'domain of the cluster', 'cluster.local')
    .option('--cert-dir <dir>', 'where certificates are kept', '/var/lib/kubelet/pki')
    .option('--root-dir <dir>', 'where volumes and state are kept', '/var/lib/kubelet')
    .option('--pod-infra-container-image <image>', 'image of pod sandboxes; never removed')
    .option('--pod-manifest-path <dir>', 'folder of static pods')
    .option('--node-labels <labels>', 'labels that the node is registered with: a=b,c=d', labels)
    .option(
      '--register-with-taints <taints>',
      'taints that it is registered with: key=value:Effect,…',
      taints,
    )
    .option('--resolv-conf <file>', 'DNS configuration that pods inherit')
    .option('--max-pods <count>', 'pods that may run here', count, 110)
    .option('--address <address>', 'where this node’s server listens', '0.0.0.0')
    .option('--port <port>', 'its port', port, 10_250)
    .addHelpText('after', EXAMPLES);
  return addComponentFlags(command, 10_248).action((flags: KubeletFlags) =>
    runAsComponent('slipway-kubelet', flags, async ({ signal, ...context }) => {
      const { runKubelet } = await import('../kubelet/kubelet.ts');
      const { hostnameOverride, nodeIp, metricsBindAddress, logLevel: _, ...rest } = flags;
      await runKubelet(
        {
          ...rest,
          ...context,
          nodeName: hostnameOverride,
          nodeIps: nodeIp ?? [firstAddress()],
          metrics: metricsBindAddress,
        },
        signal,
      );
    }),
  );
}

/** The first address of this machine that is not loopback. */
function firstAddress(): string {
  for (const list of Object.values(networkInterfaces())) {
    const found = list?.find(({ family, internal }) => family === 'IPv4' && !internal);
    if (found) return found.address;
  }
  return '127.0.0.1';
}

function addresses(text: string): string[] {
  const list = text.split(',').map((address) => address.trim());
  if (!list.every((address) => isIP(address)))
    throw new InvalidArgumentError('It is one address, or several with commas.');
  return list;
}

function urls(text: string): string[] {
  const parsed = list(text).map((url) => (URL.canParse(url) ? new URL(url) : undefined));
  if (parsed.length === 0 || !parsed.every((url) => url?.protocol === 'https:')) {
    throw new InvalidArgumentError('It is https://10.0.0.1:6443, or several with commas.');
  }
  return parsed.map((url) => url?.origin ?? '');
}

function labels(text: string): Record<string, string> {
  return Object.fromEntries(
    list(text).map((pair) => {
      const [key = '', value, ...rest] = pair.split('=');
      if (key === '' || value === undefined || rest.length > 0) {
        throw new InvalidArgumentError('It is a list of key=value, with commas.');
      }
      return [key, value];
    }),
  );
}

function taints(text: string): Taint[] {
  return list(text).map((taint) => {
    const [, key, value, effect] =
      /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(taint) ?? [];
    if (key === undefined || effect === undefined) {
      throw new InvalidArgumentError(
        'It is a list of key=value:Effect, with NoSchedule, PreferNoSchedule or NoExecute.',
      );
    }
    return { key, effect, ...(value ? { value } : {}) };
  });
}

function list(text: string): string[] {
  return text.split(',').filter((item) => item !== '');
}

function count(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('It is a whole number of 1 or more.');
  return Number(text);
}
