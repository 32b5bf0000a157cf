import { isIPv4 } from 'node:net';
import type { Node } from '../api/gen/types/core-v1.ts';
import type { RunCommand } from '../base/command.ts';

/** Marks our routes in the kernel's table (rtnetlink's rtm_protocol): we delete no other ones. */
export const ROUTE_PROTOCOL = 115;

export type IpFamily = 4 | 6;

/** A route to a node's pods; without `via` the node's own range, which no one else may get. */
export interface PodRoute {
  destination: string;
  via: string | undefined;
}

const CIDR = /^[0-9a-fA-F.:]+\/\d{1,3}$/;

export function podCidrsOf(node: Node): string[] {
  const { podCIDRs, podCIDR } = node.spec ?? {};
  const cidrs = podCIDRs && podCIDRs.length > 0 ? podCIDRs : podCIDR ? [podCIDR] : [];
  return cidrs.filter((cidr) => CIDR.test(cidr));
}

const familyOf = (address: string): IpFamily => (isIPv4(address.split('/')[0] ?? '') ? 4 : 6);

export function internalIpOf(node: Node, family: IpFamily): string | undefined {
  const addresses = node.status?.addresses ?? [];
  return addresses.find(({ type, address }) => type === 'InternalIP' && familyOf(address) === family)
    ?.address;
}

/**
 * Pure: the routes that a node needs. One to each other node's range by its internal address; and a refusal for
 * what is left of its own range, as a packet to a pod that is gone would wander out by the default route.
 */
export function desiredRoutes(nodes: readonly Node[], nodeName: string, family: IpFamily): PodRoute[] {
  const routes: PodRoute[] = [];
  for (const node of nodes) {
    const own = node.metadata?.name === nodeName;
    const via = own ? undefined : internalIpOf(node, family);
    if (!own && via === undefined) continue;
    for (const destination of podCidrsOf(node)) {
      if (familyOf(destination) === family) routes.push({ destination, via });
    }
  }
  return routes.sort((a, b) => (a.destination < b.destination ? -1 : 1));
}

interface ListedRoute {
  type?: string;
  dst: string;
  gateway?: string;
}

export function parseRoutes(json: string): PodRoute[] {
  if (json.trim() === '') return [];
  const listed = JSON.parse(json) as ListedRoute[];
  // iproute2 leaves out the length of a host's prefix.
  const prefixed = (dst: string) => (dst.includes('/') ? dst : `${dst}/${isIPv4(dst) ? 32 : 128}`);
  return listed.map(({ dst, gateway }) => ({ destination: prefixed(dst), via: gateway }));
}

/** Lines for `ip -batch`: what must change for `stands` to become `wanted`. */
export function routeChanges(stands: readonly PodRoute[], wanted: readonly PodRoute[]): string[] {
  const standing = new Map(stands.map(({ destination, via }) => [destination, via]));
  const keep = new Set(wanted.map(({ destination }) => destination));
  const lines: string[] = [];
  for (const { destination } of stands) {
    if (!keep.has(destination)) lines.push(`route del ${destination} proto ${ROUTE_PROTOCOL}`);
  }
  for (const { destination, via } of wanted) {
    if (standing.has(destination) && standing.get(destination) === via) continue;
    const target = via === undefined ? `unreachable ${destination}` : `${destination} via ${via}`;
    // A replacement must not find a route of another type first, which it would not replace but shadow.
    if (standing.has(destination)) lines.push(`route del ${destination} proto ${ROUTE_PROTOCOL}`);
    lines.push(`route replace ${target} proto ${ROUTE_PROTOCOL}`);
  }
  return lines;
}

/**
 * Makes the kernel's routes of ours equal to `wanted`; gives those that could not be set (a gateway that is not
 * on a network of this node). Routes of others are left alone.
 */
export async function applyRoutes(
  run: RunCommand,
  family: IpFamily,
  wanted: readonly PodRoute[],
): Promise<{ changed: number; failed: PodRoute[] }> {
  const list = async () =>
    parseRoutes(await run('ip', ['-j', `-${family}`, 'route', 'show', 'proto', String(ROUTE_PROTOCOL)]));
  const stands = await list();
  const lines = routeChanges(stands, wanted);
  if (lines.length === 0) return { changed: 0, failed: [] };
  try {
    await run('ip', [`-${family}`, '-force', '-batch', '-'], {
      input: lines.map((line) => `${line}\n`).join(''),
    });
    return { changed: lines.length, failed: [] };
  } catch (error) {
    // With -force the rest was done: what is missing now is what failed.
    const now = new Map((await list()).map(({ destination, via }) => [destination, via]));
    const failed = wanted.filter(
      ({ destination, via }) => !now.has(destination) || now.get(destination) !== via,
    );
    if (failed.length === 0) throw error;
    return { changed: lines.length - failed.length, failed };
  }
}
