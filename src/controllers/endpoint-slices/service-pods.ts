import type { Container, Pod, Service, ServicePort } from '../../api/gen/types/core-v1.ts';
import type { EndpointPort } from '../../api/gen/types/discovery-v1.ts';
import type { Informer } from '../../client/informer.ts';
import { labelsInclude } from '../../client/selectors.ts';
import { equalJson, keyOf, metaOf } from '../shared/meta.ts';
import { isPodReady, isPodTerminal } from '../shared/pod-status.ts';

export type AddressType = 'IPv4' | 'IPv6';

/** Services whose endpoints we keep: they select pods and are no alias. */
export function hasSelector(service: Service): boolean {
  const { selector, type } = service.spec ?? {};
  return type !== 'ExternalName' && selector !== undefined && Object.keys(selector).length > 0;
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

export function podsOf(service: Service, pods: Informer<Pod>): Pod[] {
  const selector = service.spec?.selector ?? {};
  return pods.list(metaOf(service).namespace).filter((pod) => labelsInclude(selector, metaOf(pod).labels));
}

/** Calls `enqueue` with the keys of the services that a pod's change concerns. */
export function watchPodsOfServices(
  pods: Informer<Pod>,
  services: Informer<Service>,
  enqueue: (key: string) => void,
): void {
  const tell = (...states: readonly Pod[]): void => {
    for (const service of services.list(metaOf(states[0] ?? {}).namespace)) {
      if (!hasSelector(service)) continue;
      const selector = service.spec?.selector ?? {};
      if (states.some((pod) => labelsInclude(selector, metaOf(pod).labels))) enqueue(keyOf(service));
    }
  };
  pods.subscribe({
    added: (pod) => tell(pod),
    deleted: (pod) => tell(pod),
    // Most updates of a pod (its heartbeats, its containers' states) are no concern of its services.
    updated: (old, pod) => !equalJson(aspects(old), aspects(pod)) && tell(old, pod),
  });
}

function aspects(pod: Pod): unknown {
  const { labels, deletionTimestamp } = metaOf(pod);
  const { nodeName, hostname, subdomain } = pod.spec ?? {};
  const ips = pod.status?.podIPs ?? pod.status?.podIP;
  return [
    labels,
    Boolean(deletionTimestamp),
    nodeName,
    hostname,
    subdomain,
    ips,
    isPodReady(pod),
    isPodTerminal(pod),
  ];
}

/** The pod's address of a family. */
export function addressOf(pod: Pod, type: AddressType): string | undefined {
  const all = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  return all.find((ip) => ip !== undefined && ip.includes(':') === (type === 'IPv6'));
}

/** Families that the service's endpoints are kept for; the service's own, else IPv4. */
export function familiesOf(service: Service): AddressType[] {
  const families = service.spec?.ipFamilies as AddressType[] | undefined;
  if (families && families.length > 0) return families;
  return [service.spec?.clusterIP?.includes(':') ? 'IPv6' : 'IPv4'];
}

/** The service's ports as this pod serves them; a named port that the pod lacks is left out. */
export function portsFor(service: Service, pod: Pod): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const port of service.spec?.ports ?? []) {
    const number = portNumber(port, pod);
    if (number === undefined) continue;
    const { name = '', protocol = 'TCP', appProtocol } = port;
    ports.push(
      appProtocol === undefined
        ? { name, protocol, port: number }
        : { name, protocol, port: number, appProtocol },
    );
  }
  return ports;
}

function portNumber({ targetPort, port, protocol = 'TCP' }: ServicePort, pod: Pod): number | undefined {
  if (targetPort === undefined || targetPort === 0 || targetPort === '') return port;
  if (typeof targetPort === 'number') return targetPort;
  const sidecars = pod.spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always') ?? [];
  const containers: Container[] = [...(pod.spec?.containers ?? []), ...sidecars];
  for (const { ports = [] } of containers)
    for (const candidate of ports)
      if (candidate.name === targetPort && (candidate.protocol ?? 'TCP') === protocol)
        return candidate.containerPort;
  return undefined;
}

/** The pod's own name within the service's domain. */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  return hostname && subdomain === metaOf(service).name && metaOf(pod).namespace === metaOf(service).namespace
    ? hostname
    : undefined;
}
