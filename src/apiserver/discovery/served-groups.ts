import type { RemoteApi } from '../aggregation/remote-apis.ts';
import type { ResourceTable } from '../registry/resource-table.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import type { Subresource } from '../resource-definition.ts';

/** Upstream's priorities: kubectl takes the first group that has what a short name says. */
const GROUP_ORDER = [
  '',
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'resource.k8s.io',
];

export interface ServedGroup {
  group: string;
  /** The preferred version first. */
  versions: ServedVersion[];
}

export interface ServedVersion {
  version: string;
  resources: ServedResource[];
  /** Set where another server serves it. */
  remote?: RemoteApi;
}

/** What is served, grouped and in the order of discovery; resources by name. */
export function servedGroups(table: ResourceTable, remotes: readonly RemoteApi[] = []): ServedGroup[] {
  const groups = new Map<string, Map<string, ServedResource[]>>();
  const foreign = new Map<string, RemoteApi>();
  for (const served of table.all()) {
    if (served.definition.skipInDiscovery) continue;
    const { group, version } = served.info;
    const versions = groups.get(group) ?? new Map<string, ServedResource[]>();
    groups.set(group, versions);
    versions.set(version, [...(versions.get(version) ?? []), served]);
  }
  for (const remote of remotes) {
    const { group = '', version = '' } = remote.apiService.spec ?? {};
    const versions = groups.get(group) ?? new Map<string, ServedResource[]>();
    groups.set(group, versions.set(version, []));
    foreign.set(`${group}/${version}`, remote);
  }
  const rankOf = (group: string) => rank(group, remotes);
  return [...groups]
    .sort(([a], [b]) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1))
    .map(([group, versions]) => ({
      group,
      versions: [...versions]
        .sort(([a], [b]) => compareRemote(foreign, group, a, b) || compareVersions(a, b))
        .map(([version, resources]) => {
          const remote = foreign.get(`${group}/${version}`);
          return {
            version,
            resources: resources.sort((a, b) => (a.info.resource < b.info.resource ? -1 : 1)),
            ...(remote ? { remote } : {}),
          };
        }),
    }));
}

/** Custom resources have this. */
const CUSTOM_GROUP_PRIORITY = 1000;

/** Others' groups say by a number where they stand among custom ones. */
function rank(group: string, remotes: readonly RemoteApi[]): number {
  const index = GROUP_ORDER.indexOf(group);
  if (index >= 0) return index;
  const priorities = remotes
    .filter(({ apiService }) => apiService.spec?.group === group)
    .map(({ apiService }) => apiService.spec?.groupPriorityMinimum ?? 0);
  if (priorities.length === 0) return GROUP_ORDER.length;
  return GROUP_ORDER.length + (CUSTOM_GROUP_PRIORITY - Math.max(...priorities)) / 20_000;
}

/** Two versions of others' are ordered by their priorities. */
function compareRemote(foreign: ReadonlyMap<string, RemoteApi>, group: string, a: string, b: string): number {
  const [left, right] = [a, b].map((version) => foreign.get(`${group}/${version}`)?.apiService.spec);
  return left && right ? right.versionPriority - left.versionPriority : 0;
}

/** v2 before v1 before v1beta2 before v1beta1 before v1alpha1. Mirrors apimachinery pkg/version/helpers.go. */
export function compareVersions(a: string, b: string): number {
  const left = parts(a);
  const right = parts(b);
  for (let i = 0; i < 3; i++) {
    const difference = (right[i] ?? 0) - (left[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function parts(version: string): number[] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return [-1, 0, 0];
  const stage = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0;
  return [stage, Number(match[1]), Number(match[3] ?? 0)];
}

/** The verbs of a subresource as discovery names them. */
export function subresourceVerbs(sub: Subresource<never>): string[] {
  switch (sub.type) {
    case 'part':
      return [...(sub.verbs ?? ['get', 'patch', 'update'])].sort();
    case 'scale':
      return ['get', 'patch', 'update'];
    case 'action':
      return [...sub.verbs].sort();
    default: {
      const names: Record<string, string> = { post: 'create', put: 'update' };
      return sub.methods.map((method) => names[method] ?? method).sort();
    }
  }
}

/** The kind that a subresource takes and gives. */
export function subresourceKind(
  served: ServedResource,
  sub: Subresource<never>,
): { group: string; version: string; kind: string } {
  if (sub.type === 'scale') return { group: 'autoscaling', version: 'v1', kind: 'Scale' };
  if (sub.type === 'action' || sub.type === 'connect') return sub.kind;
  const { group, version, kind } = served.info;
  return { group, version, kind };
}
