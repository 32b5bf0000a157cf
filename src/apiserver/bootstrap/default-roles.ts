import { CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES } from '../../api/gen/resources.ts';
import type { PolicyRule, Subject } from '../../api/gen/types/rbac-v1.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import {
  defaultClusterRoleBindings,
  defaultClusterRoles,
  defaultRoleBindings,
  defaultRoles,
} from '../authz/default-roles/default-roles.ts';
import { uncoveredRules } from '../authz/policy-rule.ts';
import type { ObjectStore } from '../object-store.ts';
import { identicalJson } from '../registry/identical-json.ts';
import { ignoreExisting } from './namespaces.ts';

/** Who sets it to "false" keeps the server's hands off the object. */
const AUTO_UPDATE = 'rbac.authorization.kubernetes.io/autoupdate';

interface RoleLike extends KubeObject {
  rules?: PolicyRule[];
  aggregationRule?: object;
}

interface BindingLike extends KubeObject {
  subjects?: Subject[];
}

/**
 * Makes the default roles and bindings, and adds what a newer release grants; what an administrator added
 * stays. Mirrors pkg/registry/rbac/rest/storage_rbac.go and component-helpers auth/rbac/reconciliation.
 */
export async function ensureDefaultRoles(store: ObjectStore): Promise<void> {
  for (const role of defaultClusterRoles()) await ensure(store, CLUSTERROLES, role, mergeRole);
  for (const role of defaultRoles()) await ensure(store, ROLES, role, mergeRole);
  for (const binding of defaultClusterRoleBindings()) {
    await ensure(store, CLUSTERROLEBINDINGS, binding, mergeBinding);
  }
  for (const binding of defaultRoleBindings()) await ensure(store, ROLEBINDINGS, binding, mergeBinding);
}

async function ensure<T extends KubeObject>(
  store: ObjectStore,
  resource: ResourceInfo<T>,
  wanted: T,
  merge: (current: T, wanted: T) => void,
): Promise<void> {
  const name = wanted.metadata?.name ?? '';
  const namespace = wanted.metadata?.namespace;
  const existing = await store.getFresh(resource, name, namespace);
  if (!existing) {
    await ignoreExisting(store.create(resource, wanted));
    return;
  }
  if (existing.metadata?.annotations?.[AUTO_UPDATE] === 'false') return;
  await store.update(resource, name, namespace, (current) => {
    const before = JSON.stringify(current);
    merge(current, wanted);
    const metadata = (current.metadata ??= {});
    metadata.labels = { ...metadata.labels, ...wanted.metadata?.labels };
    metadata.annotations = { ...metadata.annotations, ...wanted.metadata?.annotations };
    return before === JSON.stringify(current) ? undefined : current;
  });
}

function mergeRole(current: RoleLike, wanted: RoleLike): void {
  // The rules of an aggregated role are the aggregation controller's.
  if (wanted.aggregationRule) {
    current.aggregationRule = wanted.aggregationRule;
    return;
  }
  const missing = uncoveredRules(current.rules ?? [], wanted.rules ?? []);
  if (missing.length > 0) current.rules = [...(current.rules ?? []), ...missing];
}

function mergeBinding(current: BindingLike, wanted: BindingLike): void {
  const present = current.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter(
    (subject) => !present.some((other) => identicalJson(other, subject)),
  );
  if (missing.length > 0) current.subjects = [...present, ...missing];
}
