import { isObject } from '../../api/objects.ts';
import type { JsonObject } from '../../api/objects.ts';
import type { APIService } from '../../api/gen/types/apiregistration-v1.ts';
import type { UserInfo } from '../request-context.ts';
import type { Backends } from './backend.ts';

/** What an aggregated API server says of one group and version that it serves. */
export interface RemoteDocuments {
  /** The version's part of aggregated discovery; undefined where it has not answered. */
  discovery: JsonObject | undefined;
  /** Path and query of its OpenAPI v3 document; undefined where it has none. */
  openApiV3: string | undefined;
  /** Its part of OpenAPI v2. */
  openApiV2: { paths: JsonObject; definitions: JsonObject } | undefined;
}

const AGGREGATOR: UserInfo = {
  name: 'system:kube-aggregator',
  groups: ['system:masters'],
  extra: {},
};
const TIMEOUT_MS = 5000;
const AGGREGATED =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;q=0.9';

/** Asks for all of them; what cannot be had is left out. */
export async function fetchDocuments(apiService: APIService, backends: Backends): Promise<RemoteDocuments> {
  const { group = '', version = '' } = apiService.spec ?? {};
  const get = async (path: string, accept = 'application/json') => {
    const target = await backends.target(apiService, path, AGGREGATOR);
    const answer = await backends.get(target, { accept }, TIMEOUT_MS);
    if (answer.status !== 200) return undefined;
    const value: unknown = JSON.parse(answer.body.toString('utf8'));
    return isObject(value) ? value : undefined;
  };
  const quietly = <T>(work: Promise<T>): Promise<T | undefined> => work.catch(() => undefined);
  const [discovery, v3, v2] = await Promise.all([
    quietly(discoveryOf(get, group, version)),
    quietly(get('/openapi/v3')),
    quietly(get('/openapi/v2')),
  ]);
  const paths = isObject(v3?.paths) ? v3.paths : {};
  const entry = paths[`apis/${group}/${version}`];
  const url = isObject(entry) ? entry.serverRelativeURL : undefined;
  return {
    discovery,
    openApiV3: typeof url === 'string' ? url : undefined,
    openApiV2: v2 && ownPart(v2, `/apis/${group}/${version}/`),
  };
}

type Get = (path: string, accept?: string) => Promise<JsonObject | undefined>;

async function discoveryOf(get: Get, group: string, version: string): Promise<JsonObject | undefined> {
  const all = await get('/apis', AGGREGATED).catch(() => undefined);
  if (all?.kind === 'APIGroupDiscoveryList' && Array.isArray(all.items)) {
    for (const item of all.items as JsonObject[]) {
      if (!isObject(item.metadata) || item.metadata.name !== group) continue;
      const versions = Array.isArray(item.versions) ? (item.versions as JsonObject[]) : [];
      const found = versions.find((each) => each.version === version);
      if (found) return { ...found, freshness: 'Current' };
    }
  }
  const list = await get(`/apis/${group}/${version}`);
  if (!list || !Array.isArray(list.resources)) return undefined;
  return fromResourceList(group, version, list.resources as LegacyResource[]);
}

interface LegacyResource {
  name?: string;
  singularName?: string;
  namespaced?: boolean;
  kind?: string;
  group?: string;
  version?: string;
  verbs?: string[];
  shortNames?: string[];
  categories?: string[];
}

/** The newer form of what an older server says. Mirrors client-go discovery/aggregated_discovery.go, reversed. */
function fromResourceList(group: string, version: string, list: readonly LegacyResource[]): JsonObject {
  const responseKind = (resource: LegacyResource) => ({
    group: resource.group || group,
    version: resource.version || version,
    kind: resource.kind ?? '',
  });
  const resources = list
    .filter(({ name = '' }) => !name.includes('/'))
    .map((resource) => ({
      resource: resource.name ?? '',
      responseKind: responseKind(resource),
      scope: resource.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: resource.singularName ?? '',
      verbs: resource.verbs ?? [],
      ...(resource.shortNames?.length ? { shortNames: resource.shortNames } : {}),
      ...(resource.categories?.length ? { categories: resource.categories } : {}),
      ...subresources(resource.name ?? '', list, responseKind),
    }));
  return { version, resources, freshness: 'Current' };
}

function subresources(
  parent: string,
  list: readonly LegacyResource[],
  responseKind: (resource: LegacyResource) => object,
): { subresources?: object[] } {
  const found = list
    .filter(({ name = '' }) => name.startsWith(`${parent}/`))
    .map((resource) => ({
      subresource: (resource.name ?? '').slice(parent.length + 1),
      responseKind: responseKind(resource),
      verbs: resource.verbs ?? [],
    }));
  return found.length > 0 ? { subresources: found } : {};
}

/** The paths of one group and version, with the definitions that they lead to. */
function ownPart(document: JsonObject, prefix: string): RemoteDocuments['openApiV2'] {
  const all = isObject(document.paths) ? document.paths : {};
  const paths = Object.fromEntries(Object.entries(all).filter(([path]) => path.startsWith(prefix)));
  const known = isObject(document.definitions) ? document.definitions : {};
  const definitions: JsonObject = {};
  const waiting: unknown[] = [paths];
  while (waiting.length > 0) {
    const text = JSON.stringify(waiting.pop());
    for (const [, name = ''] of text.matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)) {
      if (name in definitions || !(name in known)) continue;
      definitions[name] = known[name];
      waiting.push(known[name]);
    }
  }
  return { paths, definitions };
}
