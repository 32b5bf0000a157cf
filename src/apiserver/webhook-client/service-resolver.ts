import { ENDPOINTSLICES, SERVICES } from '../../api/gen/resources.ts';
import type { EndpointSlice } from '../../api/gen/types/discovery-v1.ts';
import type { ObjectReader } from '../object-store.ts';
import { CallError } from './call-error.ts';

export interface ServiceEndpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Finds where a Service answers. The server's machine need not run a service proxy, so it goes to the pods
 * themselves, one after the other. Mirrors ResolveEndpoint of apiserver pkg/util/proxy/proxy.go.
 */
export class ServiceResolver {
  readonly #reader: ObjectReader;
  #turn = 0;

  constructor(reader: ObjectReader) {
    this.#reader = reader;
  }

  /** A ready endpoint behind a port of the Service; rejects with a CallError in upstream's words. */
  async resolve(namespace: string, name: string, port: number): Promise<ServiceEndpoint> {
    const service = await this.#reader.get(SERVICES, name, namespace);
    if (!service) throw new CallError(`service ${JSON.stringify(name)} not found`);
    const { type, externalName, ports, clusterIP } = service.spec ?? {};
    if (type === 'ExternalName') return { host: externalName ?? '', port };
    const servicePort = ports?.find((one) => one.port === port);
    // A headless Service may name no ports at all: then the port is the pods' own.
    const isOpen = clusterIP === 'None' && !ports?.length;
    if (!servicePort && !isOpen) {
      throw new CallError(`no service port ${port} found for service ${JSON.stringify(name)}`);
    }
    const slices = (await this.#reader.list(ENDPOINTSLICES, namespace)).filter(
      ({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === name,
    );
    const found = slices.flatMap((slice) => readyEndpoints(slice, servicePort?.name ?? '', isOpen, port));
    const choice = found[this.#turn++ % found.length];
    if (!choice) throw new CallError(`no endpoints available for service ${JSON.stringify(name)}`);
    return choice;
  }
}

function readyEndpoints(
  slice: EndpointSlice,
  portName: string,
  isOpen: boolean,
  wanted: number,
): ServiceEndpoint[] {
  const port = isOpen ? wanted : slice.ports?.find((one) => (one.name ?? '') === portName)?.port;
  if (port === undefined) return [];
  const ready = (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
  return ready.flatMap(({ addresses }) => (addresses ?? []).map((host) => ({ host, port })));
}
