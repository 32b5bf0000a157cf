import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from '../../api/gen/types/rbac-v1.ts';
import { jsonQuote } from '../json-quote.ts';
import type { UserInfo } from '../request-context.ts';

/** A rule that holds for a user, with the sentence that says by which binding. */
export interface GrantedRule {
  rule: PolicyRule;
  source: string;
}

interface Binding {
  name: string;
  /** '' for a ClusterRoleBinding. */
  namespace: string;
  roleRef: RoleRef;
  subjects: readonly Subject[];
}

/**
 * The roles and bindings of the cluster, kept by the watch cache's events. Bindings are found by subject, so
 * that what a user may do is compiled from the few bindings that name the user and not from all of them.
 */
export class RbacIndex {
  readonly #rules = new Map<string, readonly PolicyRule[]>();
  readonly #bindings = new Map<string, Binding>();
  /** Subject key (`u:name`, `g:name`) to the keys of bindings that name it. */
  readonly #bySubject = new Map<string, Set<string>>();
  #version = 0;

  /** Grows with every change: what was compiled under another version is stale. */
  get version(): number {
    return this.#version;
  }

  setRole(role: Role): void {
    this.#setRules(roleKey('Role', role.metadata?.namespace ?? '', role.metadata?.name ?? ''), role.rules);
  }

  deleteRole(namespace: string, name: string): void {
    this.#deleteRules(roleKey('Role', namespace, name));
  }

  setClusterRole(role: ClusterRole): void {
    this.#setRules(roleKey('ClusterRole', '', role.metadata?.name ?? ''), role.rules);
  }

  deleteClusterRole(name: string): void {
    this.#deleteRules(roleKey('ClusterRole', '', name));
  }

  setBinding(binding: RoleBinding | ClusterRoleBinding): void {
    const namespace = binding.metadata?.namespace ?? '';
    const name = binding.metadata?.name ?? '';
    this.deleteBinding(namespace, name);
    const key = `${namespace}/${name}`;
    const subjects = binding.subjects ?? [];
    this.#bindings.set(key, { name, namespace, roleRef: binding.roleRef, subjects });
    for (const subject of subjects) {
      const index = subjectKey(subject, namespace);
      if (index === undefined) continue;
      const keys = this.#bySubject.get(index);
      if (keys) keys.add(key);
      else this.#bySubject.set(index, new Set([key]));
    }
    this.#version += 1;
  }

  /** `namespace` is '' for a ClusterRoleBinding. */
  deleteBinding(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const known = this.#bindings.get(key);
    if (!known) return;
    this.#bindings.delete(key);
    for (const subject of known.subjects) {
      const index = subjectKey(subject, namespace);
      if (index === undefined) continue;
      const keys = this.#bySubject.get(index);
      keys?.delete(key);
      if (keys?.size === 0) this.#bySubject.delete(index);
    }
    this.#version += 1;
  }

  /** The rules of the role that a binding in `namespace` refers to, or undefined where there is none. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    return this.#rules.get(roleKey(roleRef.kind, roleRef.kind === 'Role' ? namespace : '', roleRef.name));
  }

  /** What holds for the user in the namespace ('' for the cluster alone), and what could not be found out. */
  rulesFor(user: UserInfo, namespace: string): { rules: GrantedRule[]; errors: string[] } {
    const keys = new Set<string>();
    for (const index of [`u:${user.name}`, ...user.groups.map((group) => `g:${group}`)]) {
      for (const key of this.#bySubject.get(index) ?? []) keys.add(key);
    }
    const rules: GrantedRule[] = [];
    const errors: string[] = [];
    // Cluster-wide grants come first, in order of name, as the reason that is given must not change by chance.
    for (const key of [...keys].sort()) {
      const binding = this.#bindings.get(key);
      if (!binding || (binding.namespace !== '' && binding.namespace !== namespace)) continue;
      const granted = this.rulesOf(binding.roleRef, binding.namespace);
      if (granted === undefined) {
        errors.push(missingRole(binding.roleRef));
        continue;
      }
      const source = describeBinding(binding, user);
      for (const rule of granted) rules.push({ rule, source });
    }
    return { rules, errors };
  }

  #setRules(key: string, rules: readonly PolicyRule[] | null | undefined): void {
    this.#rules.set(key, rules ?? []);
    this.#version += 1;
  }

  #deleteRules(key: string): void {
    if (this.#rules.delete(key)) this.#version += 1;
  }
}

/** The error for a binding whose role does not exist, in upstream's words. */
function missingRole(roleRef: RoleRef): string {
  const resource = roleRef.kind === 'Role' ? 'role' : 'clusterrole';
  return `${resource}.rbac.authorization.k8s.io ${jsonQuote(roleRef.name)} not found`;
}

function roleKey(kind: string, namespace: string, name: string): string {
  return `${kind}:${namespace}/${name}`;
}

function subjectKey(subject: Subject, bindingNamespace: string): string | undefined {
  if (subject.kind === 'User') return `u:${subject.name}`;
  if (subject.kind === 'Group') return `g:${subject.name}`;
  if (subject.kind !== 'ServiceAccount') return undefined;
  const namespace = subject.namespace || bindingNamespace;
  return namespace === '' ? undefined : `u:system:serviceaccount:${namespace}:${subject.name}`;
}

function describeBinding(binding: Binding, user: UserInfo): string {
  const names = new Set([`u:${user.name}`, ...user.groups.map((group) => `g:${group}`)]);
  const subject = binding.subjects.find((one) => names.has(subjectKey(one, binding.namespace) ?? ''));
  let who = `${subject?.kind} ${jsonQuote(subject?.name ?? '')}`;
  if (subject?.kind === 'ServiceAccount') {
    who = `ServiceAccount ${jsonQuote(`${subject.name}/${subject.namespace || binding.namespace}`)}`;
  }
  const role = `${binding.roleRef.kind} ${jsonQuote(binding.roleRef.name)}`;
  return binding.namespace === ''
    ? `ClusterRoleBinding ${jsonQuote(binding.name)} of ${role} to ${who}`
    : `RoleBinding ${jsonQuote(`${binding.name}/${binding.namespace}`)} of ${role} to ${who}`;
}
