import type { EndpointSlice } from '../api/gen/types/discovery-v1.ts';
import { familyOf, type Family } from './family.ts';
import { usesClusterEndpoints, usesLocalEndpoints, type ProxiedPort } from './service-ports.ts';

export interface ProxiedEndpoint {
  ip: string;
  port: number;
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  /** On this node. */
  local: boolean;
  zoneHints: readonly string[];
  nodeHints: readonly string[];
}

/** What of the node matters to the choice of endpoints. */
export interface NodePlace {
  nodeName: string;
  /** Label topology.kubernetes.io/zone; '' where the node has none. */
  zone: string;
}

/** All endpoints behind a Service's port, sorted, each address once. */
export function endpointsOf(
  port: ProxiedPort,
  slices: readonly EndpointSlice[],
  family: Family,
  nodeName: string,
): ProxiedEndpoint[] {
  const found = new Map<string, ProxiedEndpoint>();
  for (const slice of slices) {
    if (slice.addressType !== family) continue;
    const target = slice.ports?.find(
      ({ name = '', protocol = 'TCP' }) => name === port.name && protocol.toLowerCase() === port.protocol,
    );
    if (target?.port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      // Mirrors upstream: every address of an endpoint is the same pod, and the first one stands for it.
      const [ip] = endpoint.addresses;
      if (ip === undefined || familyOf(ip) !== family) continue;
      const { ready = true, serving = ready, terminating = false } = endpoint.conditions ?? {};
      const key = `${ip} ${target.port}`;
      // While an endpoint moves from one slice to another both have it; the ready one counts.
      if (found.get(key)?.ready) continue;
      found.set(key, {
        ip,
        port: target.port,
        ready,
        serving,
        terminating,
        local: endpoint.nodeName === nodeName,
        zoneHints: (endpoint.hints?.forZones ?? []).map(({ name }) => name),
        nodeHints: (endpoint.hints?.forNodes ?? []).map(({ name }) => name),
      });
    }
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

export interface Choice {
  /** Where traffic of policy Cluster goes. */
  cluster: ProxiedEndpoint[];
  /** Where traffic of policy Local goes. */
  local: ProxiedEndpoint[];
  /** Whether any endpoint anywhere could serve, reachable from here or not. */
  any: boolean;
}

const isUsable = ({ ready }: ProxiedEndpoint): boolean => ready;
const isLastResort = ({ serving, terminating }: ProxiedEndpoint): boolean => serving && terminating;

/**
 * Chooses the endpoints that traffic may go to: ready ones, near ones where every ready one carries hints, and
 * terminating ones that still serve where nothing is ready. Mirrors pkg/proxy/topology.go.
 */
export function chooseEndpoints(
  port: ProxiedPort,
  endpoints: readonly ProxiedEndpoint[],
  place: NodePlace,
): Choice {
  const choice: Choice = { cluster: [], local: [], any: false };
  if (usesClusterEndpoints(port)) {
    const ready = endpoints.filter(isUsable);
    choice.cluster = ready.length > 0 ? nearest(ready, place) : endpoints.filter(isLastResort);
    choice.any = choice.cluster.length > 0;
  }
  if (usesLocalEndpoints(port)) {
    choice.any ||= endpoints.some((endpoint) => isUsable(endpoint) || isLastResort(endpoint));
    const here = endpoints.filter(({ local }) => local);
    const ready = here.filter(isUsable);
    choice.local = ready.length > 0 ? ready : here.filter(isLastResort);
  }
  return choice;
}

/** The ready endpoints that hints give to this node or its zone; all where hints are missing or give none. */
function nearest(ready: readonly ProxiedEndpoint[], { nodeName, zone }: NodePlace): ProxiedEndpoint[] {
  if (ready.every(({ nodeHints }) => nodeHints.length > 0)) {
    const near = ready.filter(({ nodeHints }) => nodeHints.includes(nodeName));
    if (near.length > 0) return near;
  }
  if (ready.every(({ zoneHints }) => zoneHints.length > 0)) {
    const near = ready.filter(({ zoneHints }) => zoneHints.includes(zone));
    if (near.length > 0) return near;
  }
  return [...ready];
}
