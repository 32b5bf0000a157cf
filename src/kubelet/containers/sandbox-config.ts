import type { Pod } from '../../api/gen/types/core-v1.ts';
import { podCgroup } from './cgroup-names.ts';
import type { PodSandboxConfig, PortMapping } from '../cri/runtime.ts';
import { kernelHostname } from '../environment/hostname.ts';
import { podDns, type DnsSettings } from '../environment/resolv-conf.ts';
import type { KubeletPaths } from '../paths.ts';
import {
  initContainers,
  isHostNetwork,
  isSidecar,
  nameOf,
  namespaceOf,
  specOf,
  uidOf,
} from '../pods/pod-spec.ts';
import { podLabels } from './labels.ts';
import { podResources, quotaOf, sharesOf } from './resources.ts';
import { sandboxSecurityContext } from './security-context.ts';

/** Mirrors pkg/kubelet/kuberuntime/kuberuntime_sandbox.go, generatePodSandboxConfig. */
export function sandboxConfig(
  pod: Pod,
  attempt: number,
  paths: KubeletPaths,
  dns: DnsSettings,
): PodSandboxConfig {
  const resources = podResources(pod);
  return {
    metadata: { name: nameOf(pod), namespace: namespaceOf(pod), uid: uidOf(pod), attempt },
    hostname: isHostNetwork(pod) ? '' : kernelHostname(pod, dns.clusterDomain),
    logDirectory: paths.podLogDir(pod),
    dnsConfig: podDns(pod, dns),
    portMappings: portMappings(pod),
    labels: podLabels(pod),
    annotations: { ...pod.metadata?.annotations },
    linux: {
      cgroupParent: podCgroup(pod),
      securityContext: sandboxSecurityContext(pod),
      // runc wants dots between the parts of a name.
      sysctls: Object.fromEntries(
        (specOf(pod).securityContext?.sysctls ?? []).map(({ name, value }) => [dotted(name), value]),
      ),
      resources: {
        cpuShares: sharesOf(resources.cpuMilliRequest),
        cpuPeriod: 100_000,
        cpuQuota: quotaOf(resources.cpuMilliLimit),
        memoryLimitInBytes: resources.memoryLimitBytes,
      },
    },
  };
}

/** 'net/ipv4/conf.all/x' names a part with a dot: slashes separate there. */
function dotted(name: string): string {
  const firstSlash = name.indexOf('/');
  const firstDot = name.indexOf('.');
  if (firstSlash < 0 || (firstDot >= 0 && firstDot < firstSlash)) return name;
  return name.replace(/[./]/g, (char) => (char === '.' ? '/' : '.'));
}

function portMappings(pod: Pod): PortMapping[] {
  const containers = [...specOf(pod).containers, ...initContainers(pod).filter(isSidecar)];
  return containers.flatMap(({ ports }) =>
    (ports ?? []).map((port) => ({
      protocol: (port.protocol ?? 'TCP') as PortMapping['protocol'],
      containerPort: port.containerPort,
      hostPort: port.hostPort ?? 0,
      hostIp: port.hostIP ?? '',
    })),
  );
}
