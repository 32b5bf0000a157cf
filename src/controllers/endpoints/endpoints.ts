import { ENDPOINTS, PODS, SERVICES } from '../../api/gen/resources.ts';
import type {
  EndpointAddress,
  Endpoints,
  EndpointSubset,
  Pod,
  Service,
} from '../../api/gen/types/core-v1.ts';
import type { EndpointPort } from '../../api/gen/types/discovery-v1.ts';
import { isAlreadyExists, isNotFound } from '../../client/errors.ts';
import {
  familiesOf,
  hasSelector,
  hostnameOf,
  isHeadless,
  addressOf,
  podsOf,
  portsFor,
  watchPodsOfServices,
} from '../endpoint-slices/service-pods.ts';
import { isNamespaceGone, keyedLoop } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { canonicalJson, keyOf, looseJson, metaOf, nameOf, splitKey } from '../shared/meta.ts';
import { isPodReady, isPodTerminal } from '../shared/pod-status.ts';

const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
const HEADLESS = 'service.kubernetes.io/headless';
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
const MAX_ADDRESSES = 1_000;

/** Keeps the old Endpoints objects beside the slices, for tools that read them. Mirrors pkg/controller/endpoint. */
export const endpointsController: ControllerDefinition = {
  name: 'endpoints',
  inputs: ['services', 'pods', 'endpoints'],
  outputs: ['endpoints'],
  start(context) {
    const { client } = context;
    const services = context.informers.for(SERVICES);
    const pods = context.informers.for(PODS);
    const endpoints = context.informers.for(ENDPOINTS);
    const { queue, loop } = keyedLoop(context, {
      name: 'endpoints',
      async sync(key) {
        const { namespace, name } = splitKey(key);
        const service = services.get(name, namespace);
        const known = endpoints.get(name, namespace);
        if (!service) {
          if (known && metaOf(known).labels?.[MANAGED_BY])
            await client.delete(ENDPOINTS, { namespace, name }).catch(ignore(isNotFound));
          return;
        }
        if (!hasSelector(service)) return;
        const wanted = endpointsOf(service, podsOf(service, pods), known);
        if (known && looseJson(comparable(known)) === looseJson(comparable(wanted))) return;
        if (known) await client.update(ENDPOINTS, wanted);
        else
          await client
            .create(ENDPOINTS, wanted)
            .catch(ignore((error) => isAlreadyExists(error) || isNamespaceGone(error)));
      },
    });
    const enqueue = (object: Service | Endpoints): void => queue.add(keyOf(object));
    services.subscribe({ added: enqueue, updated: (_, service) => enqueue(service), deleted: enqueue });
    endpoints.subscribe({ added: enqueue, updated: (_, object) => enqueue(object), deleted: enqueue });
    watchPodsOfServices(pods, services, (key) => queue.add(key));
    return [loop];
  },
};

function ignore(expected: (error: unknown) => boolean): (error: unknown) => void {
  return (error) => {
    if (!expected(error)) throw error;
  };
}

/** The object as it should be; what others put into its metadata stays. */
function endpointsOf(service: Service, pods: readonly Pod[], known: Endpoints | undefined): Endpoints {
  const { namespace, name } = metaOf(service);
  const { [HEADLESS]: _, ...own } = metaOf(service).labels ?? {};
  const labels: Record<string, string> = { ...own, [MANAGED_BY]: 'endpoint-controller' };
  if (isHeadless(service)) labels[HEADLESS] = '';
  const { [OVER_CAPACITY]: __, ...annotations } = metaOf(known ?? {}).annotations ?? {};
  const { subsets, truncated } = subsetsOf(service, pods);
  if (truncated) annotations[OVER_CAPACITY] = 'truncated';
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...known?.metadata, namespace, name, labels, annotations },
    subsets,
  };
}

interface Subset {
  ports: EndpointPort[];
  ready: EndpointAddress[];
  notReady: EndpointAddress[];
}

/** Addresses by the ports that they serve. Ready ones come first when there are too many. */
function subsetsOf(
  service: Service,
  pods: readonly Pod[],
): { subsets: EndpointSubset[]; truncated: boolean } {
  const publishAll = service.spec?.publishNotReadyAddresses === true;
  const [family = 'IPv4'] = familiesOf(service);
  const groups = new Map<string, Subset>();
  let left = MAX_ADDRESSES;
  let truncated = false;
  const sorted = [...pods].sort(
    (a, b) => Number(isPodReady(b)) - Number(isPodReady(a)) || (nameOf(a) < nameOf(b) ? -1 : 1),
  );
  for (const pod of sorted) {
    const ip = addressOf(pod, family);
    if (ip === undefined || isPodTerminal(pod) || (metaOf(pod).deletionTimestamp && !publishAll)) continue;
    const ports = portsFor(service, pod);
    if (ports.length === 0 && !(isHeadless(service) && !service.spec?.ports?.length)) continue;
    if (left-- <= 0) {
      truncated = true;
      continue;
    }
    const key = canonicalJson(ports);
    const group = groups.get(key) ?? { ports, ready: [], notReady: [] };
    groups.set(key, group);
    (publishAll || isPodReady(pod) ? group.ready : group.notReady).push(address(service, pod, ip));
  }
  const subsets = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => subset(group));
  return { subsets, truncated };
}

function address(service: Service, pod: Pod, ip: string): EndpointAddress {
  const { name, namespace, uid } = metaOf(pod);
  const hostname = hostnameOf(pod, service);
  const nodeName = pod.spec?.nodeName;
  return {
    ip,
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}

function subset({ ports, ready, notReady }: Subset): EndpointSubset {
  const byAddress = (a: EndpointAddress, b: EndpointAddress): number =>
    a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0;
  const result: EndpointSubset = {};
  if (ready.length > 0) result.addresses = ready.sort(byAddress);
  if (notReady.length > 0) result.notReadyAddresses = notReady.sort(byAddress);
  // Here a port without a name has none, where a slice has an empty one.
  if (ports.length > 0)
    result.ports = ports.map(({ name, port = 0, ...rest }) =>
      name ? { name, port, ...rest } : { port, ...rest },
    );
  return result;
}

function comparable(object: Endpoints): unknown {
  const { labels = {}, annotations = {} } = metaOf(object);
  return [labels, annotations[OVER_CAPACITY], object.subsets ?? []];
}
