import { createHash } from 'node:crypto';
import { apiVersionOf } from '../../api/resource.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import type { RemoteApi } from '../aggregation/remote-apis.ts';
import { subresourceKind, subresourceVerbs } from './served-groups.ts';
import type { ServedGroup } from './served-groups.ts';

/** The older discovery: one document a group and one a version. */
export function apiGroup(group: ServedGroup): object {
  const versions = group.versions.map(({ version }) => ({
    groupVersion: apiVersionOf({ group: group.group, version }),
    version,
  }));
  return { name: group.group, versions, preferredVersion: versions[0] };
}

export function apiGroupList(groups: readonly ServedGroup[]): object {
  const named = groups.filter((group) => group.group !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: named.map(apiGroup) };
}

export function apiVersions(serverAddress: string): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

export function apiResourceList(
  group: string,
  version: string,
  resources: readonly ServedResource[],
): object {
  const list: object[] = [];
  for (const served of resources) {
    const { info, definition } = served;
    list.push({
      name: info.resource,
      singularName: singularOf(served),
      namespaced: info.namespaced,
      kind: info.kind,
      verbs: [...served.verbs].sort(),
      ...(definition.shortNames?.length ? { shortNames: definition.shortNames } : {}),
      ...(definition.categories?.length ? { categories: definition.categories } : {}),
      ...(definition.virtual || definition.computed
        ? {}
        : { storageVersionHash: storageVersionHash(served) }),
    });
    for (const sub of definition.subresources ?? []) {
      const kind = subresourceKind(served, sub);
      const foreign = kind.group !== info.group || kind.version !== info.version;
      list.push({
        name: `${info.resource}/${sub.name}`,
        singularName: '',
        namespaced: info.namespaced,
        ...(foreign ? { group: kind.group, version: kind.version } : {}),
        kind: kind.kind,
        verbs: subresourceVerbs(sub),
      });
    }
  }
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: list,
  };
}

/** The newer discovery: everything below /api or /apis in one document. */
export function aggregatedDiscovery(groups: readonly ServedGroup[], apiVersion: string): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${apiVersion}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { ...(group.group === '' ? {} : { name: group.group }), creationTimestamp: null },
      versions: group.versions.map((version) =>
        version.remote
          ? remoteDiscovery(version.version, version.remote)
          : {
              version: version.version,
              resources: version.resources.map(resourceDiscovery),
              freshness: 'Current',
            },
      ),
    })),
  };
}

/** What another server said last; it is stale where that server does not answer. */
function remoteDiscovery(version: string, { available, documents }: RemoteApi): object {
  const freshness = available && documents?.discovery ? 'Current' : 'Stale';
  return { ...documents?.discovery, version, freshness };
}

function resourceDiscovery(served: ServedResource): object {
  const { info, definition } = served;
  const subresources = (definition.subresources ?? []).map((sub) => ({
    subresource: sub.name,
    responseKind: subresourceKind(served, sub),
    verbs: subresourceVerbs(sub),
  }));
  return {
    resource: info.resource,
    responseKind: { group: info.group, version: info.version, kind: info.kind },
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singularOf(served),
    verbs: [...served.verbs].sort(),
    ...(definition.shortNames?.length ? { shortNames: definition.shortNames } : {}),
    ...(definition.categories?.length ? { categories: definition.categories } : {}),
    ...(subresources.length ? { subresources } : {}),
  };
}

function singularOf(served: ServedResource): string {
  return served.definition.singularName ?? served.info.kind.toLowerCase();
}

/** As upstream: the first eight bytes of a hash over the stored kind. */
function storageVersionHash(served: ServedResource): string {
  const { group, version, kind } = served.definition.storedAs?.info ?? served.info;
  return createHash('sha256')
    .update(`${group}/${version}/${kind}`)
    .digest()
    .subarray(0, 8)
    .toString('base64');
}
