import test from 'ava';
import type { PolicyRule, Subject } from '../../../src/api/gen/types/rbac-v1.ts';
import type { AuthorizationAttributes } from '../../../src/apiserver/authorization.ts';
import { EscalationCheck } from '../../../src/apiserver/authz/escalation.ts';
import { forbiddenError } from '../../../src/apiserver/authz/forbidden.ts';
import { uncoveredRules } from '../../../src/apiserver/authz/policy-rule.ts';
import { RbacAuthorizer } from '../../../src/apiserver/authz/rbac-authorizer.ts';
import { RbacIndex } from '../../../src/apiserver/authz/rbac-index.ts';
import { parseRules } from '../../../src/apiserver/authz/default-roles/rule-table.ts';
import { aggregatedRules } from '../../../src/apiserver/authz/role-aggregation.ts';
import { privilegedAuthorizer, UnionAuthorizer } from '../../../src/apiserver/authz/union-authorizer.ts';

const GROUP = 'rbac.authorization.k8s.io';

function asks(
  user: string,
  verb: string,
  resource: string,
  rest: Partial<AuthorizationAttributes> = {},
): AuthorizationAttributes {
  const [name = '', ...groups] = user.split(' ');
  const [plain = '', subresource = ''] = resource.split('/');
  return {
    user: { name, groups, extra: {} },
    verb,
    isResourceRequest: true,
    group: '',
    version: 'v1',
    resource: plain,
    subresource,
    namespace: '',
    name: '',
    path: '',
    ...rest,
  };
}

const user = (name: string): Subject => ({ kind: 'User', apiGroup: GROUP, name });

function cluster(): { index: RbacIndex; rbac: RbacAuthorizer } {
  const index = new RbacIndex();
  const roles: Record<string, string> = {
    reader: 'get list watch | core | pods pods/log',
    one: 'get | core | secrets | only-this',
    scaler: '* | * | */scale',
    everything: '* | * | *',
    health: 'get | url | /healthz /logs/*',
  };
  for (const [name, rules] of Object.entries(roles))
    index.setClusterRole({ metadata: { name }, rules: parseRules(`    ${rules}`) });
  index.setRole({
    metadata: { name: 'writer', namespace: 'apps' },
    rules: parseRules('    create | apps | deployments'),
  });
  const bind = (name: string, role: string, ...subjects: Subject[]) =>
    index.setBinding({
      metadata: { name },
      roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: role },
      subjects,
    });
  bind('readers', 'reader', { kind: 'Group', apiGroup: GROUP, name: 'readers' });
  bind('one', 'one', user('ann'));
  bind('scalers', 'scaler', user('sam'));
  bind('root', 'everything', user('root'));
  bind('health', 'health', { kind: 'Group', apiGroup: GROUP, name: 'all' });
  bind('robots', 'reader', { kind: 'ServiceAccount', namespace: 'apps', name: 'bot' });
  bind('broken', 'no-such-role', user('zoe'));
  index.setBinding({
    metadata: { name: 'w', namespace: 'apps' },
    roleRef: { apiGroup: GROUP, kind: 'Role', name: 'writer' },
    subjects: [user('wim'), { kind: 'ServiceAccount', name: 'local' }],
  });
  index.setBinding({
    metadata: { name: 'r', namespace: 'apps' },
    roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: 'reader' },
    subjects: [user('rob')],
  });
  return { index, rbac: new RbacAuthorizer(index) };
}

const { rbac: shared } = cluster();
const decision = test.macro((t, attributes: AuthorizationAttributes, allowed: boolean) => {
  t.is(shared.decide(attributes).decision, allowed ? 'allow' : 'noOpinion');
  // The second answer comes from what was kept of the first.
  t.is(shared.decide(attributes).decision, allowed ? 'allow' : 'noOpinion');
});
test('a group may what its role says', decision, asks('rita readers', 'list', 'pods'), true);
test(
  'a role holds in every namespace when bound cluster-wide',
  decision,
  asks('rita readers', 'get', 'pods', { namespace: 'x' }),
  true,
);
test('a subresource is named', decision, asks('rita readers', 'get', 'pods/log', { namespace: 'x' }), true);
test(
  'another subresource is not included',
  decision,
  asks('rita readers', 'get', 'pods/exec', { namespace: 'x' }),
  false,
);
test('another verb is not included', decision, asks('rita readers', 'delete', 'pods'), false);
test(
  'another group of resources is not included',
  decision,
  asks('rita readers', 'get', 'pods', { group: 'x' }),
  false,
);
test('someone else may nothing', decision, asks('eve', 'get', 'pods'), false);
test(
  'a name limits a rule',
  decision,
  asks('ann', 'get', 'secrets', { name: 'only-this', namespace: 'x' }),
  true,
);
test(
  'another name is refused',
  decision,
  asks('ann', 'get', 'secrets', { name: 'other', namespace: 'x' }),
  false,
);
test('a list has no name', decision, asks('ann', 'list', 'secrets', { namespace: 'x' }), false);
test(
  '*/scale covers every scale',
  decision,
  asks('sam', 'update', 'deployments/scale', { group: 'apps' }),
  true,
);
test('*/scale covers no object', decision, asks('sam', 'update', 'deployments', { group: 'apps' }), false);
test(
  'a star covers everything',
  decision,
  asks('root', 'frobnicate', 'widgets/part', { group: 'x.y' }),
  true,
);
test(
  'a star of resources covers no path',
  decision,
  asks('root', 'get', '', { isResourceRequest: false, path: '/healthz' }),
  false,
);
test(
  'a path is exact',
  decision,
  asks('x all', 'get', '', { isResourceRequest: false, path: '/healthz' }),
  true,
);
test(
  'a path with a star covers what is below',
  decision,
  asks('x all', 'get', '', { isResourceRequest: false, path: '/logs/a/b' }),
  true,
);
test(
  'a path below another is not covered',
  decision,
  asks('x all', 'get', '', { isResourceRequest: false, path: '/healthz/etcd' }),
  false,
);
test(
  'a service account is a user',
  decision,
  asks('system:serviceaccount:apps:bot', 'get', 'pods', { namespace: 'y' }),
  true,
);
test(
  'a role binding holds in its namespace',
  decision,
  asks('wim', 'create', 'deployments', { group: 'apps', namespace: 'apps' }),
  true,
);
test(
  'a role binding holds nowhere else',
  decision,
  asks('wim', 'create', 'deployments', { group: 'apps', namespace: 'other' }),
  false,
);
test(
  'an account without namespace is of the binding',
  decision,
  asks('system:serviceaccount:apps:local', 'create', 'deployments', { group: 'apps', namespace: 'apps' }),
  true,
);
test(
  'a ClusterRole may be bound in one namespace',
  decision,
  asks('rob', 'get', 'pods', { namespace: 'apps' }),
  true,
);
test('and then not in others', decision, asks('rob', 'get', 'pods', { namespace: 'other' }), false);

test('a role that is missing is told', (t) => {
  const answer = shared.decide(asks('zoe', 'get', 'pods'));
  t.is(answer.reason, 'RBAC: clusterrole.rbac.authorization.k8s.io "no-such-role" not found');
});

test('the reason names the binding', (t) => {
  t.is(
    shared.decide(asks('rob', 'get', 'pods', { namespace: 'apps' })).reason,
    'RBAC: allowed by RoleBinding "r/apps" of ClusterRole "reader" to User "rob"',
  );
});

test('a change of a role or binding holds at once', (t) => {
  const { index, rbac } = cluster();
  const question = asks('eve', 'get', 'pods');
  t.is(rbac.decide(question).decision, 'noOpinion');
  index.setBinding({
    metadata: { name: 'new' },
    roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: 'reader' },
    subjects: [user('eve')],
  });
  t.is(rbac.decide(question).decision, 'allow');
  index.setClusterRole({ metadata: { name: 'reader' }, rules: [] });
  t.is(rbac.decide(question).decision, 'noOpinion');
  index.setClusterRole({ metadata: { name: 'reader' }, rules: parseRules('    get | core | pods') });
  t.is(rbac.decide(question).decision, 'allow');
  index.deleteBinding('', 'new');
  t.is(rbac.decide(question).decision, 'noOpinion');
});

const message = test.macro((t, attributes: AuthorizationAttributes, want: string) => {
  t.is(forbiddenError(attributes, '').status.message, want);
});
test(
  'a refusal in a namespace',
  message,
  asks('x', 'list', 'pods', { namespace: 'default' }),
  'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"',
);
test(
  'a refusal in the cluster',
  message,
  asks('x', 'get', 'nodes', { name: 'n' }),
  'nodes "n" is forbidden: User "x" cannot get resource "nodes" in API group "" at the cluster scope',
);
test(
  'a refusal of a subresource',
  message,
  asks('x', 'create', 'deployments/scale', { group: 'apps', namespace: 'a', name: 'w' }),
  'deployments.apps "w" is forbidden: User "x" cannot create resource "deployments/scale" in API group "apps" in the namespace "a"',
);
test(
  'a refusal of a path',
  message,
  asks('x', 'get', '', { isResourceRequest: false, path: '/metrics' }),
  'forbidden: User "x" cannot get path "/metrics"',
);

const covers = test.macro((t, owned: string, wanted: string, missing: number) => {
  const rules = (text: string): PolicyRule[] => parseRules(text);
  t.is(uncoveredRules(rules(owned), rules(wanted)).length, missing);
});
test('the same rule covers itself', covers, '    get list | core | pods', '    get list | core | pods', 0);
test(
  'two rules cover one together',
  covers,
  '    get | core | pods\n    list | core | pods',
  '    get list | core | pods',
  0,
);
test('a missing verb is not covered', covers, '    get | core | pods', '    get list | core | pods', 1);
test('a name is covered by all names', covers, '    get | core | pods', '    get | core | pods | a', 0);
test('all names are not covered by one', covers, '    get | core | pods | a', '    get | core | pods', 1);
test(
  'a subresource is covered by its star',
  covers,
  '    get | apps | */scale',
  '    get | apps | deployments/scale',
  0,
);
test('a path is covered by its star', covers, '    get | url | /a/*', '    get | url | /a/b', 0);

test('nobody grants what they do not hold', async (t) => {
  const { index, rbac } = cluster();
  const check = new EscalationCheck(new UnionAuthorizer([privilegedAuthorizer, rbac]), rbac, index);
  const rules = parseRules('    get delete | core | pods');
  const rita = { name: 'rita', groups: ['readers'], extra: {} };
  const error = await t.throwsAsync(check.role(rita, 'roles', 'apps', 'mine', rules));
  t.is(
    error?.message,
    'roles.rbac.authorization.k8s.io "mine" is forbidden: user "rita" (groups=["readers"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
  );
  await t.notThrowsAsync(check.role(rita, 'roles', 'apps', 'mine', parseRules('    get | core | pods')));
  await t.notThrowsAsync(
    check.role({ name: 'a', groups: ['system:masters'], extra: {} }, 'roles', 'apps', 'mine', rules),
  );
  const roleRef = { apiGroup: GROUP, kind: 'ClusterRole', name: 'everything' };
  await t.throwsAsync(check.binding(rita, 'rolebindings', 'apps', 'b', roleRef), {
    message: /attempting to grant/,
  });
  index.setClusterRole({
    metadata: { name: 'binder' },
    rules: parseRules(`    bind | ${GROUP} | clusterroles | everything`),
  });
  index.setBinding({
    metadata: { name: 'binder' },
    roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: 'binder' },
    subjects: [user('rita')],
  });
  await t.notThrowsAsync(check.binding(rita, 'rolebindings', 'apps', 'b', roleRef));
});

test('an aggregated role has the rules of those it selects', (t) => {
  const rule = (verb: string) => ({ verbs: [verb], apiGroups: [''], resources: ['pods'] });
  const role = {
    metadata: { name: 'view' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { view: 'true' } }] },
  };
  const all = [
    { metadata: { name: 'b', labels: { view: 'true' } }, rules: [rule('list'), rule('get')] },
    { metadata: { name: 'a', labels: { view: 'true' } }, rules: [rule('get')] },
    { metadata: { name: 'c' }, rules: [rule('delete')] },
    role,
  ];
  t.deepEqual(aggregatedRules(role, all), [rule('get'), rule('list')]);
});
