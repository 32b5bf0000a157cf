import { ENDPOINTS, ENDPOINTSLICES, SERVICES } from '../../api/gen/resources.ts';
import type { EndpointSlice } from '../../api/gen/types/discovery-v1.ts';
import type { ServicePort } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectStore } from '../object-store.ts';
import { identicalJson } from '../registry/identical-json.ts';
import { ignoreExisting } from './namespaces.ts';

const NAMESPACE = 'default';
const NAME = 'kubernetes';

export interface KubernetesServiceOptions {
  store: ObjectStore;
  /** The first address of the service range. */
  serviceIp: string;
  port: number;
  clock: Clock;
}

/** Makes the Service `kubernetes`, through which pods reach the API, where it is missing. Mirrors pkg/controlplane/controller/kubernetesservice. */
export async function ensureKubernetesService(options: KubernetesServiceOptions): Promise<void> {
  const { store, serviceIp, port } = options;
  const ports: ServicePort[] = [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port }];
  const existing = await store.getFresh(SERVICES, NAME, NAMESPACE);
  if (existing) {
    if (identicalJson(existing.spec?.ports, ports)) return;
    await store.update(SERVICES, NAME, NAMESPACE, (service) => ({
      ...service,
      spec: { ...service.spec, ports },
    }));
    return;
  }
  try {
    await store.create(SERVICES, {
      metadata: {
        name: NAME,
        namespace: NAMESPACE,
        labels: { component: 'apiserver', provider: 'kubernetes' },
      },
      spec: { clusterIP: serviceIp, ports, sessionAffinity: 'None', type: 'ClusterIP' },
    });
  } catch (error) {
    // Several servers of a new cluster make it at once: who comes second finds the name or the address taken.
    if (!(await appears(options))) throw error;
  }
}

/** Whether another server has made the Service, or is about to: it takes the address before the name. */
async function appears({ store, clock }: KubernetesServiceOptions): Promise<boolean> {
  for (let tries = 0; tries < 50; tries += 1) {
    if (await store.getFresh(SERVICES, NAME, NAMESPACE)) return true;
    await clock.sleep(100);
  }
  return false;
}

/** Writes the addresses of the servers that live into Endpoints and EndpointSlice, if they differ. */
export async function writeKubernetesEndpoints(
  store: ObjectStore,
  addresses: readonly string[],
  port: number,
): Promise<void> {
  await writeEndpoints(store, addresses, port);
  await writeSlice(store, addresses, port);
}

async function writeEndpoints(store: ObjectStore, addresses: readonly string[], port: number): Promise<void> {
  const subsets =
    addresses.length === 0
      ? []
      : [
          {
            addresses: addresses.map((ip) => ({ ip })),
            ports: [{ name: 'https', port, protocol: 'TCP' }],
          },
        ];
  const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  const existing = await store.getFresh(ENDPOINTS, NAME, NAMESPACE);
  if (!existing) {
    if (subsets.length === 0) return;
    const metadata = { name: NAME, namespace: NAMESPACE, labels };
    await ignoreExisting(store.create(ENDPOINTS, { metadata, subsets }));
    return;
  }
  if (identicalJson(existing.subsets ?? [], subsets)) return;
  await store.update(ENDPOINTS, NAME, NAMESPACE, (endpoints) => ({ ...endpoints, subsets }));
}

async function writeSlice(store: ObjectStore, addresses: readonly string[], port: number): Promise<void> {
  const isIpv6 = addresses[0]?.includes(':') ?? false;
  const endpoints = addresses.map((ip) => ({ addresses: [ip], conditions: { ready: true } }));
  const ports = [{ name: 'https', port, protocol: 'TCP' }];
  const existing = await store.getFresh(ENDPOINTSLICES, NAME, NAMESPACE);
  if (!existing) {
    if (addresses.length === 0) return;
    const slice: EndpointSlice = {
      metadata: { name: NAME, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': NAME } },
      addressType: isIpv6 ? 'IPv6' : 'IPv4',
      endpoints,
      ports,
    };
    await ignoreExisting(store.create(ENDPOINTSLICES, slice));
    return;
  }
  if (identicalJson(existing.endpoints ?? [], endpoints) && identicalJson(existing.ports, ports)) return;
  await store.update(ENDPOINTSLICES, NAME, NAMESPACE, (slice) => ({ ...slice, endpoints, ports }));
}
