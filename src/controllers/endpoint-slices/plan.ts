import type { Node, Pod, Service } from '../../api/gen/types/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../api/gen/types/discovery-v1.ts';
import { controllerRefTo, looseJson, metaOf, nameOf } from '../shared/meta.ts';
import { isPodReady, isPodTerminal } from '../shared/pod-status.ts';
import { addressOf, familiesOf, hostnameOf, isHeadless, portsFor } from './service-pods.ts';
import type { AddressType } from './service-pods.ts';

export const SERVICE_NAME = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
const HEADLESS = 'service.kubernetes.io/headless';
const ZONE = 'topology.kubernetes.io/zone';
const MAX_ENDPOINTS = 100;

export interface SlicePlan {
  create: EndpointSlice[];
  update: EndpointSlice[];
  delete: EndpointSlice[];
}

export interface SliceInput {
  service: Service;
  pods: readonly Pod[];
  /** Those that we manage. */
  slices: readonly EndpointSlice[];
  nodeOf: (name: string) => Node | undefined;
}

interface Group {
  addressType: AddressType;
  ports: EndpointPort[];
  endpoints: Map<string, Endpoint>;
}

/**
 * What to write so that the slices hold the service's pods: as few slices as possible are touched. Mirrors
 * staging/src/k8s.io/endpointslice/reconciler.go.
 */
export function planSlices(input: SliceInput): SlicePlan {
  const { service, slices } = input;
  const plan: SlicePlan = { create: [], update: [], delete: [] };
  const unused = new Set(slices);
  for (const group of groupsOf(input)) {
    const same = slices.filter(
      (slice) => slice.addressType === group.addressType && portsKey(slice.ports) === portsKey(group.ports),
    );
    for (const slice of same) unused.delete(slice);
    planGroup(service, group, same, plan);
  }
  plan.delete.push(...unused);
  return plan;
}

/** Pods by family and by the ports that they serve; without any pod one empty group a family. */
function groupsOf({ service, pods, nodeOf }: SliceInput): Group[] {
  const groups = new Map<string, Group>();
  for (const addressType of familiesOf(service)) {
    let found = false;
    for (const pod of pods) {
      const address = addressOf(pod, addressType);
      if (address === undefined || isPodTerminal(pod)) continue;
      const ports = portsFor(service, pod);
      // A service without ports may still give names to its pods.
      if (ports.length === 0 && !(isHeadless(service) && !service.spec?.ports?.length)) continue;
      found = true;
      const key = `${addressType} ${portsKey(ports)}`;
      let group = groups.get(key);
      if (!group) groups.set(key, (group = { addressType, ports, endpoints: new Map() }));
      const endpoint = endpointOf(service, pod, address, nodeOf);
      group.endpoints.set(endpointKey(endpoint), endpoint);
    }
    if (!found) groups.set(addressType, { addressType, ports: [], endpoints: new Map() });
  }
  return [...groups.values()];
}

function endpointOf(service: Service, pod: Pod, address: string, nodeOf: SliceInput['nodeOf']): Endpoint {
  const serving = isPodReady(pod);
  const terminating = Boolean(metaOf(pod).deletionTimestamp);
  const { name, namespace, uid } = metaOf(pod);
  const endpoint: Endpoint = {
    addresses: [address],
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
  const hostname = hostnameOf(pod, service);
  if (hostname !== undefined) endpoint.hostname = hostname;
  const nodeName = pod.spec?.nodeName;
  if (nodeName) {
    endpoint.nodeName = nodeName;
    const zone = metaOf(nodeOf(nodeName) ?? {}).labels?.[ZONE];
    if (zone) endpoint.zone = zone;
  }
  return endpoint;
}

function planGroup(
  service: Service,
  group: Group,
  existing: readonly EndpointSlice[],
  plan: SlicePlan,
): void {
  const missing = new Map(group.endpoints);
  const kept = existing.map((slice) => {
    const endpoints: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const wanted = missing.get(endpointKey(endpoint));
      if (!wanted) continue;
      missing.delete(endpointKey(endpoint));
      endpoints.push(looseJson(wanted) === looseJson(endpoint) ? endpoint : wanted);
    }
    return { slice, endpoints };
  });
  const rest = [...missing.values()];
  // Slices that are written anyway take the new ones first, then those with the least room left.
  const changed = (entry: (typeof kept)[number]): boolean =>
    looseJson(entry.endpoints) !== looseJson(entry.slice.endpoints ?? []);
  for (const entry of kept.sort(
    (a, b) => Number(changed(b)) - Number(changed(a)) || b.endpoints.length - a.endpoints.length,
  ))
    entry.endpoints.push(...rest.splice(0, Math.max(0, MAX_ENDPOINTS - entry.endpoints.length)));
  const empty = group.endpoints.size === 0;
  for (const [index, { slice, endpoints }] of kept.entries()) {
    if (endpoints.length === 0 && !(empty && index === 0)) {
      plan.delete.push(slice);
      continue;
    }
    const wanted = withEndpoints(service, group, slice, endpoints);
    if (looseJson(comparable(slice)) !== looseJson(comparable(wanted))) plan.update.push(wanted);
  }
  while (rest.length > 0) plan.create.push(newSlice(service, group, rest.splice(0, MAX_ENDPOINTS)));
  if (empty && kept.length === 0) plan.create.push(newSlice(service, group, []));
}

function newSlice(service: Service, group: Group, endpoints: Endpoint[]): EndpointSlice {
  const bare: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${nameOf(service)}-`,
      namespace: metaOf(service).namespace,
      ownerReferences: [controllerRefTo({ apiVersion: 'v1', kind: 'Service', metadata: service.metadata })],
    },
    addressType: group.addressType,
    endpoints: [],
  };
  return withEndpoints(service, group, bare, endpoints);
}

function withEndpoints(
  service: Service,
  group: Group,
  slice: EndpointSlice,
  endpoints: Endpoint[],
): EndpointSlice {
  return {
    ...slice,
    metadata: { ...slice.metadata, labels: labelsOf(service) },
    ports: group.ports,
    endpoints,
  };
}

/** The service's labels, but for those whose meaning is ours. */
function labelsOf(service: Service): Record<string, string> {
  const { [SERVICE_NAME]: _, [MANAGED_BY]: __, [HEADLESS]: ___, ...own } = metaOf(service).labels ?? {};
  const labels = { ...own, [SERVICE_NAME]: nameOf(service), [MANAGED_BY]: MANAGER };
  return isHeadless(service) ? { ...labels, [HEADLESS]: '' } : labels;
}

function comparable(slice: EndpointSlice): unknown {
  return [metaOf(slice).labels ?? {}, slice.ports ?? [], slice.endpoints ?? []];
}

function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses.join(',')}`;
}

function portsKey(ports: readonly EndpointPort[] | undefined): string {
  return [...(ports ?? [])]
    .map(looseJson)
    .sort((a, b) => (a < b ? -1 : 1))
    .join();
}
