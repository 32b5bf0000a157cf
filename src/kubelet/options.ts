import type { Taint } from '../api/gen/types/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { CriRuntime, RuntimeVersion } from './cri/runtime.ts';
import type { PodEvents } from './events.ts';

/** What the kubelet is told; names as of upstream's flags. */
export interface KubeletOptions {
  /** --kubeconfig. Written from the bootstrap kubeconfig where it does not exist yet. */
  kubeconfig: string;
  /** --api-servers: base addresses that take the place of those in the kubeconfigs. */
  apiServers?: string[] | undefined;
  /** --bootstrap-kubeconfig: a token that may ask for a client certificate. */
  bootstrapKubeconfig?: string;
  /** --hostname-override, else the host's name in lower case. */
  nodeName: string;
  /** --node-ip: the addresses of the node, the preferred family first. */
  nodeIps: string[];
  /** --container-runtime-endpoint: '/run/containerd/containerd.sock', with or without 'unix://'. */
  containerRuntimeEndpoint: string;
  /** --cluster-dns, --cluster-domain. */
  clusterDns: string[];
  clusterDomain: string;
  /** --cert-dir. */
  certDir: string;
  /** --root-dir. */
  rootDir: string;
  /** --client-ca-file: who is signed by it may ask the kubelet's server. */
  clientCaFile: string;
  /** --pod-infra-container-image: never removed from the node. The runtime's configuration names it too. */
  podInfraContainerImage?: string;
  /** --node-labels, --register-with-taints. */
  nodeLabels?: Record<string, string>;
  registerWithTaints?: Taint[];
  /** --pod-manifest-path: a folder of static pods; none are read where it is absent. */
  podManifestPath?: string;
  /** --resolv-conf. Default: systemd-resolved's own file where it exists, else /etc/resolv.conf. */
  resolvConf?: string;
  /** Default 110. */
  maxPods?: number;
  /** --address, --port. Default 0.0.0.0 and 10250. */
  address?: string;
  port?: number;
  /** --metrics-bind-address: health and metrics without TLS. */
  metrics?: { address: string; port: number };
  /** Default /var/log/pods and /var/log/containers. */
  podLogsDir?: string;
  containerLogsDir?: string;
  clock: Clock;
  log: Logger;
}

/** What the kubelet talks to, once it is connected. */
export interface AgentParts {
  client: Client;
  runtime: CriRuntime;
  version: RuntimeVersion;
  events: PodEvents;
}
