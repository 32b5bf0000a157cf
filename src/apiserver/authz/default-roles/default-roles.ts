import type {
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  Subject,
} from '../../../api/gen/types/rbac-v1.ts';
import { COMPONENT_RULES } from './components.ts';
import { CONTROLLER_RULES } from './controllers.ts';
import { NAMESPACED_RULES } from './namespaced.ts';
import { parseRules } from './rule-table.ts';
import { USER_FACING_RULES } from './user-facing.ts';

const API_VERSION = 'rbac.authorization.k8s.io/v1';
const API_GROUP = 'rbac.authorization.k8s.io';
const AGGREGATE = 'rbac.authorization.k8s.io/aggregate-to-';

/** The labels that make a role part of an aggregated one. */
const AGGREGATES_TO: Readonly<Record<string, string>> = {
  edit: 'admin',
  view: 'edit',
  'system:aggregate-to-admin': 'admin',
  'system:aggregate-to-edit': 'edit',
  'system:aggregate-to-view': 'view',
};

/** Subjects as `kind name`; a service account of kube-system is `sa name`. */
const CLUSTER_BINDINGS: Readonly<Record<string, readonly string[]>> = {
  'cluster-admin': ['group system:masters'],
  'system:basic-user': ['group system:authenticated'],
  'system:discovery': ['group system:authenticated'],
  'system:kube-controller-manager': ['user system:kube-controller-manager'],
  'system:kube-dns': ['sa kube-dns'],
  'system:kube-scheduler': ['user system:kube-scheduler'],
  'system:monitoring': ['group system:monitoring'],
  // Nobody is bound to it: the node authorizer decides for nodes, the role only says what it may be asked.
  'system:node': [],
  'system:node-proxier': ['user system:kube-proxy'],
  'system:public-info-viewer': ['group system:authenticated', 'group system:unauthenticated'],
  'system:service-account-issuer-discovery': ['group system:serviceaccounts'],
  'system:volume-scheduler': ['user system:kube-scheduler'],
};

/** `namespace/binding` to the role's name in the same namespace, then subjects. */
const NAMESPACED_BINDINGS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  'kube-public/system:controller:bootstrap-signer': [
    'system:controller:bootstrap-signer',
    'sa bootstrap-signer',
  ],
  'kube-system/system::extension-apiserver-authentication-reader': [
    'extension-apiserver-authentication-reader',
    'user system:kube-controller-manager',
    'user system:kube-scheduler',
  ],
  'kube-system/system::leader-locking-kube-controller-manager': [
    'system::leader-locking-kube-controller-manager',
    'user system:kube-controller-manager',
    'sa kube-controller-manager',
    'sa leader-election-controller',
  ],
  'kube-system/system::leader-locking-kube-scheduler': [
    'system::leader-locking-kube-scheduler',
    'user system:kube-scheduler',
    'sa kube-scheduler',
  ],
  'kube-system/system:controller:bootstrap-signer': [
    'system:controller:bootstrap-signer',
    'sa bootstrap-signer',
  ],
  'kube-system/system:controller:cloud-provider': ['system:controller:cloud-provider', 'sa cloud-provider'],
  'kube-system/system:controller:token-cleaner': ['system:controller:token-cleaner', 'sa token-cleaner'],
};

function metadata(name: string, namespace?: string) {
  const aggregateTo = namespace === undefined ? AGGREGATES_TO[name] : undefined;
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
    labels: {
      'kubernetes.io/bootstrapping': 'rbac-defaults',
      ...(aggregateTo === undefined ? {} : { [`${AGGREGATE}${aggregateTo}`]: 'true' }),
    },
  };
}

function subject(text: string): Subject {
  const [kind, name = ''] = text.split(' ');
  if (kind === 'sa') return { kind: 'ServiceAccount', name, namespace: 'kube-system' };
  return { kind: kind === 'user' ? 'User' : 'Group', apiGroup: API_GROUP, name };
}

function split(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}

/** Upstream's ClusterRoles of a new cluster. */
export function defaultClusterRoles(): ClusterRole[] {
  const plain = { ...USER_FACING_RULES, ...COMPONENT_RULES };
  const roles: ClusterRole[] = Object.entries(plain).map(([name, text]) => ({
    apiVersion: API_VERSION,
    kind: 'ClusterRole',
    metadata: metadata(name),
    rules: parseRules(text),
  }));
  for (const name of ['admin', 'edit', 'view']) {
    const matchLabels = { [`${AGGREGATE}${name}`]: 'true' };
    roles.push({
      apiVersion: API_VERSION,
      kind: 'ClusterRole',
      metadata: metadata(name),
      aggregationRule: { clusterRoleSelectors: [{ matchLabels }] },
      rules: [],
    });
  }
  for (const [name, text] of Object.entries(CONTROLLER_RULES)) {
    roles.push({
      apiVersion: API_VERSION,
      kind: 'ClusterRole',
      metadata: metadata(`system:controller:${name}`),
      rules: parseRules(text),
    });
  }
  return roles;
}

/** Upstream's ClusterRoleBindings of a new cluster. */
export function defaultClusterRoleBindings(): ClusterRoleBinding[] {
  const bind = (name: string, subjects: readonly string[]): ClusterRoleBinding => ({
    apiVersion: API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: metadata(name),
    roleRef: { apiGroup: API_GROUP, kind: 'ClusterRole', name },
    ...(subjects.length > 0 ? { subjects: subjects.map(subject) } : {}),
  });
  return [
    ...Object.entries(CLUSTER_BINDINGS).map(([name, subjects]) => bind(name, subjects)),
    ...Object.keys(CONTROLLER_RULES).map((name) => bind(`system:controller:${name}`, [`sa ${name}`])),
  ];
}

/** Upstream's Roles of a new cluster, in kube-system and kube-public. */
export function defaultRoles(): Role[] {
  return Object.entries(NAMESPACED_RULES).map(([key, text]) => {
    const [namespace, name] = split(key);
    return {
      apiVersion: API_VERSION,
      kind: 'Role',
      metadata: metadata(name, namespace),
      rules: parseRules(text),
    };
  });
}

/** Upstream's RoleBindings of a new cluster. */
export function defaultRoleBindings(): RoleBinding[] {
  return Object.entries(NAMESPACED_BINDINGS).map(([key, [role, ...subjects]]) => {
    const [namespace, name] = split(key);
    return {
      apiVersion: API_VERSION,
      kind: 'RoleBinding',
      metadata: metadata(name, namespace),
      roleRef: { apiGroup: API_GROUP, kind: 'Role', name: role },
      subjects: subjects.map(subject),
    };
  });
}
