import { ALL_RESOURCES } from '../api/gen/resources.ts';
import { apiVersionOf } from '../api/resource.ts';

/** What cannot be listed or deleted, as on the real server. */
const VIRTUAL = new Set([
  'bindings',
  'componentstatuses',
  'tokenreviews',
  'subjectaccessreviews',
  'localsubjectaccessreviews',
  'selfsubjectaccessreviews',
  'selfsubjectrulesreviews',
  'selfsubjectreviews',
  'evictions',
]);

/** The discovery documents of the fake client. */
export function memoryDiscovery(path: string): object | undefined {
  if (path === '/apis') {
    const groups = new Map<string, Set<string>>();
    for (const { group, version } of ALL_RESOURCES)
      if (group !== '') groups.set(group, (groups.get(group) ?? new Set()).add(version));
    return {
      groups: [...groups].map(([name, versions]) => ({
        name,
        versions: [...versions].map((version) => ({ version, groupVersion: `${name}/${version}` })),
        preferredVersion: { version: [...versions][0] },
      })),
    };
  }
  const at = /^\/(?:api|apis)\/(.+)$/.exec(path)?.[1];
  const resources = ALL_RESOURCES.filter((info) => apiVersionOf(info) === at);
  if (resources.length === 0) return undefined;
  return {
    groupVersion: at,
    resources: resources.map(({ resource, kind, namespaced }) => ({
      name: resource,
      kind,
      namespaced,
      verbs: VIRTUAL.has(resource)
        ? ['create']
        : ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    })),
  };
}
