import { ENDPOINTSLICES, SERVICES } from '../../api/gen/resources.ts';
import type { APIService, APIServiceCondition } from '../../api/gen/types/apiregistration-v1.ts';
import { messageOf } from '../../base/errors.ts';
import type { ObjectReader } from '../object-store.ts';
import type { UserInfo } from '../request-context.ts';
import type { Backends } from './backend.ts';

export type Finding = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>;

const CHECKER: UserInfo = { name: 'system:kube-aggregator', groups: ['system:masters'], extra: {} };
const ATTEMPTS = 5;
const TIMEOUT_MS = 5000;

function unavailable(reason: string, message: string): Finding {
  return { status: 'False', reason, message };
}

/**
 * Whether the server behind an APIService can be used. Mirrors
 * kube-aggregator pkg/controllers/status/remote/remote_available_controller.go.
 */
export async function checkAvailability(
  apiService: APIService,
  reader: ObjectReader,
  backends: Backends,
): Promise<Finding> {
  const { group = '', version = '', service } = apiService.spec ?? {};
  const { namespace = '', name = '', port = 443 } = service ?? {};
  const what = `service/${name} in ${JSON.stringify(namespace)}`;
  const found = await reader.get(SERVICES, name, namespace);
  if (!found) return unavailable('ServiceNotFound', `${what} is not present`);
  if ((found.spec?.type ?? 'ClusterIP') === 'ClusterIP') {
    const servicePort = found.spec?.ports?.find((one) => one.port === port);
    if (!servicePort) return unavailable('ServicePortError', `${what} is not listening on port ${port}`);
    const slices = (await reader.list(ENDPOINTSLICES, namespace)).filter(
      ({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === name,
    );
    if (slices.length === 0) {
      return unavailable('EndpointsNotFound', `cannot find endpointslices for ${what}`);
    }
    const portName = servicePort.name ?? '';
    const isThere = slices.some(
      ({ endpoints, ports }) =>
        endpoints?.some(({ conditions }) => conditions?.ready !== false) &&
        ports?.some((one) => (one.name ?? '') === portName && one.port !== undefined),
    );
    if (!isThere) {
      const why = `endpointslices for ${what} have no addresses with port name ${JSON.stringify(portName)}`;
      return unavailable('MissingEndpoints', why);
    }
  }
  const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  try {
    // One of several is enough: an endpoint may have just gone.
    await Promise.any(Array.from({ length: ATTEMPTS }, () => probe(apiService, path, backends)));
  } catch (error) {
    const last: unknown = error instanceof AggregateError ? error.errors.at(-1) : error;
    return unavailable('FailedDiscoveryCheck', messageOf(last));
  }
  return { status: 'True', reason: 'Passed', message: 'all checks passed' };
}

async function probe(apiService: APIService, path: string, backends: Backends): Promise<void> {
  const target = await backends.target(apiService, path, CHECKER);
  const url = `https://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}${path}`;
  let status: number;
  try {
    ({ status } = await backends.get(target, {}, TIMEOUT_MS));
  } catch (error) {
    throw new Error(`failing or missing response from ${url}: ${messageOf(error)}`, { cause: error });
  }
  if (status >= 200 && status < 300) return;
  throw new Error(`failing or missing response from ${url}: bad status from ${url}: ${status}`);
}
