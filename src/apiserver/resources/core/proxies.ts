import { BlockList, isIP } from 'node:net';
import type { EndpointSlice } from '../../../api/gen/types/discovery-v1.ts';
import { ENDPOINTSLICES, NODES, PODS, SERVICES } from '../../../api/gen/resources.ts';
import type { ConnectRequest, ConnectSubresource } from '../../resource-definition.ts';
import { badRequest, notFound, serviceUnavailable } from '../../status-errors.ts';
import { networkErrorText } from '../../webhook-client/call-error.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { kubelets } from './pod-streams.ts';
import { rewrittenPage, throughProxy } from './proxied-page.ts';
import { pourAnswer, relayRequest, relayUpgrade } from './relay.ts';
import type { RelayTarget } from './relay.ts';

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'];

/** `scheme:name:port`, `name:port` or `name`. Mirrors apimachinery's SplitSchemeNamePort. */
export function splitSchemeNamePort(id: string): { scheme: 'http' | 'https'; name: string; port: string } {
  const parts = id.split(':');
  const bad = badRequest(`invalid service request ${JSON.stringify(id)}`);
  if (parts.length === 1) return { scheme: 'http', name: parts[0] ?? '', port: '' };
  if (parts.length === 2) return { scheme: 'http', name: parts[0] ?? '', port: parts[1] ?? '' };
  const [scheme = '', name = '', port = ''] = parts;
  if (parts.length > 3 || name === '') throw bad;
  if (scheme !== '' && scheme !== 'http' && scheme !== 'https') throw bad;
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port };
}

function proxy(
  kind: string,
  locate: (request: ConnectRequest, path: string) => Promise<RelayTarget>,
): ConnectSubresource {
  return {
    type: 'connect',
    name: 'proxy',
    methods: METHODS,
    kind: { group: '', version: 'v1', kind },
    connect: async (request) => {
      const { http, response } = request;
      const query = http.query.toString();
      if (request.rest === '' && !http.upgrade && (http.method === 'GET' || http.method === 'HEAD')) {
        // Relative links of the page would leave the proxy otherwise.
        response.setHeader('location', `${http.path}/${query === '' ? '' : `?${query}`}`);
        response.send(301, '', Buffer.alloc(0));
        return;
      }
      const located = await locate(request, (request.rest || '/') + (query === '' ? '' : `?${query}`));
      const prefix = proxyPrefix(http.path, request.rest);
      const target = { ...located, headers: { ...forwarded(request, prefix), ...located.headers } };
      if (http.upgrade) {
        const refused = await relayUpgrade(http, target);
        const type = refused?.headers['content-type'] ?? 'text/plain';
        if (refused) await pourAnswer(refused, response, http.signal, type);
        return;
      }
      const host = http.headers.host ?? http.headers[':authority'];
      const place = { target, prefix, requestHost: typeof host === 'string' ? host : '' };
      await relayRequest(http, response, target, {
        head: ({ headers: { location } }) => {
          if (location !== undefined) response.setHeader('location', throughProxy(location, place));
        },
        body: (answer) => rewrittenPage(answer, place),
        unreachable: (error) => {
          const why = networkErrorText(error, target.host, target.port, target.host);
          return serviceUnavailable(`error trying to reach service: ${why}`);
        },
      });
    },
  };
}

function proxyPrefix(path: string, rest: string): string {
  return rest !== '' && path.endsWith(rest) ? path.slice(0, -rest.length) : path;
}

/** Whoever answers learns how the client came to it. */
function forwarded({ http, rest }: ConnectRequest, prefix: string): Record<string, string> {
  const before = http.headers['x-forwarded-for'];
  const chain = [...(before === undefined ? [] : [before].flat()), http.remoteAddress];
  return { 'x-forwarded-for': chain.join(', '), 'x-forwarded-uri': `${prefix}${rest || '/'}` };
}

export function podProxy(): ConnectSubresource {
  return proxy('PodProxyOptions', async (request, path) => {
    const { scheme, name, port } = splitSchemeNamePort(request.name);
    const pod = await request.store.get(PODS, name, request.namespace);
    if (!pod) throw notFound({ group: '', resource: 'pods' }, name);
    const address = pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '';
    if (!isRoutable(address)) throw badRequest('address not allowed');
    const first = pod.spec?.containers?.find((container) => container.ports?.length)?.ports?.[0];
    const byDefault = first?.containerPort ?? (scheme === 'https' ? 443 : 80);
    return { scheme, host: address, port: port === '' ? byDefault : portNumber(port), path };
  });
}

export function serviceProxy(): ConnectSubresource {
  let turn = 0;
  return proxy('ServiceProxyOptions', async (request, path) => {
    const { scheme, name, port } = splitSchemeNamePort(request.name);
    const service = await request.store.get(SERVICES, name, request.namespace);
    if (!service) throw notFound({ group: '', resource: 'services' }, name);
    const slices = await request.store.list(ENDPOINTSLICES, request.namespace);
    const own = slices.filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === name);
    const byNumber = service.spec?.ports?.find((one) => String(one.port) === port)?.name;
    const wanted = port === '' || byNumber === undefined ? port : byNumber;
    const found = readyEndpoints(own, port === '' && service.spec?.ports?.length === 1 ? undefined : wanted);
    const choice = found[turn++ % found.length];
    if (!choice)
      throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(request.name)}`);
    if (!isRoutable(choice.address)) throw badRequest('address not allowed');
    return { scheme, host: choice.address, port: choice.port, path };
  });
}

/** Ready addresses with the port of that name (any port where undefined). */
function readyEndpoints(slices: readonly EndpointSlice[], portName: string | undefined) {
  return slices.flatMap((slice) => {
    const port = slice.ports?.find((one) => portName === undefined || (one.name ?? '') === portName)?.port;
    if (port === undefined) return [];
    const ready = (slice.endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready !== false);
    return ready.flatMap((endpoint) => (endpoint.addresses ?? []).map((address) => ({ address, port })));
  });
}

export function nodeProxy(environment: ResourceEnvironment): ConnectSubresource {
  return proxy('NodeProxyOptions', async (request, path) => {
    const { name, port } = splitSchemeNamePort(request.name);
    const node = await request.store.get(NODES, name);
    if (!node) throw notFound({ group: '', resource: 'nodes' }, name);
    const target = kubelets(environment).targetOf(node, path);
    if (port === '' || portNumber(port) === target.port) return target;
    if (isIP(target.host) !== 0 && !isRoutable(target.host)) throw badRequest('address not allowed');
    // Another port of the node is not the kubelet: our certificate is none of its business.
    return { scheme: 'http', host: target.host, port: portNumber(port), path };
  });
}

function portNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65535) throw badRequest(`invalid port ${text}`);
  return value;
}

/** What would reach this server's own neighbourhood: loopback, link-local, multicast and the unspecified. */
const OWN_NEIGHBOURHOOD = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
] as const) {
  OWN_NEIGHBOURHOOD.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['::', 127],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  OWN_NEIGHBOURHOOD.addSubnet(network, bits, 'ipv6');
}

/** Whether the proxy may go there. An IPv4 address in IPv6's clothes counts as what it is. */
export function isRoutable(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && !OWN_NEIGHBOURHOOD.check(address, version === 4 ? 'ipv4' : 'ipv6');
}
