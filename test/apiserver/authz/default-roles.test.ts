import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import {
  defaultClusterRoleBindings,
  defaultClusterRoles,
  defaultRoleBindings,
  defaultRoles,
} from '../../../src/apiserver/authz/default-roles/default-roles.ts';
import { parseRules } from '../../../src/apiserver/authz/default-roles/rule-table.ts';

const FACTS = resolve(import.meta.dirname, '../../../../shared/facts/rbac');
const compare = existsSync(FACTS) ? test : test.skip;

interface Named {
  metadata?: { name?: string; namespace?: string };
  rules?: unknown;
}

/** Objects of several fact files by `namespace/name`; upstream writes an absent list as null. */
function facts(...files: string[]): Map<string, Named> {
  const items = files.flatMap(
    (file) => (parse(readFileSync(resolve(FACTS, file), 'utf8')) as { items: Named[] }).items,
  );
  return byName(items);
}

function byName(items: readonly Named[]): Map<string, Named> {
  const entries = items.map((item): [string, Named] => [
    `${item.metadata?.namespace ?? ''}/${item.metadata?.name}`,
    item.rules === null ? { ...item, rules: [] } : item,
  ]);
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

compare('the default ClusterRoles are those of upstream', (t) => {
  t.deepEqual(byName(defaultClusterRoles()), facts('cluster-roles.yaml', 'controller-roles.yaml'));
});

compare('the default ClusterRoleBindings are those of upstream', (t) => {
  const want = facts('cluster-role-bindings.yaml', 'controller-role-bindings.yaml');
  t.deepEqual(byName(defaultClusterRoleBindings()), want);
});

compare('the default Roles and RoleBindings are those of upstream', (t) => {
  t.deepEqual(byName(defaultRoles()), facts('namespace-roles.yaml'));
  t.deepEqual(byName(defaultRoleBindings()), facts('namespace-role-bindings.yaml'));
});

test('parseRules() joins continued lines and reads groups, names and paths', (t) => {
  const text = `
    get list | core apps | pods
      deployments
    get | core | secrets | web db
    get | url | /healthz /livez/*
  `;
  t.deepEqual(parseRules(text), [
    { verbs: ['get', 'list'], apiGroups: ['', 'apps'], resources: ['pods', 'deployments'] },
    { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['web', 'db'] },
    { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez/*'] },
  ]);
});

test('parseRules() refuses a line without resources', (t) => {
  t.throws(() => parseRules('    get | core'), { message: /needs verbs, groups and resources/ });
});
