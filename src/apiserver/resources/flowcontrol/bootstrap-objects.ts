import type {
  FlowSchema,
  NonResourcePolicyRule,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  ResourcePolicyRule,
  Subject,
} from '../../../api/gen/types/flowcontrol-v1.ts';

const API = 'flowcontrol.apiserver.k8s.io/v1';
export const AUTO_UPDATE = 'apf.kubernetes.io/autoupdate-spec';

const metadata = (name: string) => ({ name, annotations: { [AUTO_UPDATE]: 'true' } });

function level(name: string, spec: PriorityLevelConfigurationSpec): PriorityLevelConfiguration {
  return { apiVersion: API, kind: 'PriorityLevelConfiguration', metadata: metadata(name), spec };
}

function queued(
  name: string,
  nominalConcurrencyShares: number,
  lendablePercent: number,
  queues: number,
  handSize: number,
): PriorityLevelConfiguration {
  const limitResponse = { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 50 } };
  return level(name, {
    type: 'Limited',
    limited: { nominalConcurrencyShares, lendablePercent, limitResponse },
  });
}

const groups = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'Group', group: { name } }));
const users = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'User', user: { name } }));
const SYSTEM_ACCOUNTS: Subject[] = [
  { kind: 'ServiceAccount', serviceAccount: { namespace: 'kube-system', name: '*' } },
];
const EVERYBODY = groups('system:unauthenticated', 'system:authenticated');

const resources = (
  verbs: string[],
  apiGroups: string[],
  names: string[],
  clusterScope: boolean,
): ResourcePolicyRule => ({
  verbs,
  apiGroups,
  resources: names,
  namespaces: ['*'],
  ...(clusterScope ? { clusterScope } : {}),
});
const ALL_RESOURCES = [resources(['*'], ['*'], ['*'], true)];
const ALL_PATHS: NonResourcePolicyRule[] = [{ verbs: ['*'], nonResourceURLs: ['*'] }];

function schema(
  name: string,
  of: string,
  matchingPrecedence: number,
  by: 'ByUser' | 'ByNamespace' | undefined,
  subjects: Subject[],
  resourceRules: ResourcePolicyRule[] = ALL_RESOURCES,
  nonResourceRules: NonResourcePolicyRule[] = ALL_PATHS,
): FlowSchema {
  const rule = {
    subjects,
    ...(resourceRules.length > 0 ? { resourceRules } : {}),
    ...(nonResourceRules.length > 0 ? { nonResourceRules } : {}),
  };
  return {
    apiVersion: API,
    kind: 'FlowSchema',
    metadata: metadata(name),
    spec: {
      priorityLevelConfiguration: { name: of },
      matchingPrecedence,
      ...(by ? { distinguisherMethod: { type: by } } : {}),
      rules: [rule],
    },
  };
}

const LEASES = resources(['get', 'create', 'update'], ['coordination.k8s.io'], ['leases'], false);

/** Without these a server could not be reached at all. Mirrors apiserver pkg/apis/flowcontrol/bootstrap/default.go. */
export const MANDATORY_LEVELS: readonly PriorityLevelConfiguration[] = [
  level('exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }),
  level('catch-all', {
    type: 'Limited',
    limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
  }),
];
export const MANDATORY_SCHEMAS: readonly FlowSchema[] = [
  schema('exempt', 'exempt', 1, undefined, groups('system:masters')),
  schema('catch-all', 'catch-all', 10_000, 'ByUser', EVERYBODY),
];

export const SUGGESTED_LEVELS: readonly PriorityLevelConfiguration[] = [
  queued('system', 30, 33, 64, 6),
  queued('node-high', 40, 25, 64, 6),
  queued('leader-election', 10, 0, 16, 4),
  queued('workload-high', 40, 50, 128, 6),
  queued('workload-low', 100, 90, 128, 6),
  queued('global-default', 20, 50, 128, 6),
];
const MANAGER = 'system:kube-controller-manager';
const SCHEDULER = 'system:kube-scheduler';
export const SUGGESTED_SCHEMAS: readonly FlowSchema[] = [
  schema('system-nodes', 'system', 500, 'ByUser', groups('system:nodes')),
  schema(
    'system-node-high',
    'node-high',
    400,
    'ByUser',
    groups('system:nodes'),
    [
      resources(['*'], [''], ['nodes', 'nodes/status'], true),
      resources(['*'], ['coordination.k8s.io'], ['leases'], false),
    ],
    [],
  ),
  schema(
    'probes',
    'exempt',
    2,
    undefined,
    EVERYBODY,
    [],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  ),
  schema(
    'system-leader-election',
    'leader-election',
    100,
    'ByUser',
    [...users(MANAGER, SCHEDULER), ...SYSTEM_ACCOUNTS],
    [LEASES],
    [],
  ),
  schema('kube-controller-manager', 'workload-high', 800, 'ByNamespace', users(MANAGER)),
  schema('kube-scheduler', 'workload-high', 800, 'ByNamespace', users(SCHEDULER)),
  schema('kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', SYSTEM_ACCOUNTS),
  schema('service-accounts', 'workload-low', 9000, 'ByUser', groups('system:serviceaccounts')),
  schema('global-default', 'global-default', 9900, 'ByUser', EVERYBODY),
];
