import test from 'ava';
import { describePlan, parsePlan, planDifferences, type Plan } from '../../src/bootstrap/actions/plan.ts';
import { createHash } from 'node:crypto';
import { applyBootstrapObjects } from '../../src/bootstrap/phases/bootstrap-objects.ts';
import { issueBootstrapTokens, revokeBootstrapTokens } from '../../src/bootstrap/phases/bootstrap-tokens.ts';
import { labelNodes } from '../../src/bootstrap/phases/wait-nodes.ts';
import { PlanGate } from '../../src/bootstrap/plan-gate.ts';
import { FakeHost } from '../../src/provision/fake-host.ts';
import { newCluster, nodeOf } from './harness.ts';

function planOf(changes: Plan['changes'], other: Partial<Plan> = {}): Plan {
  const content = { version: 1 as const, cluster: 'c', release: 'r1', inventory: 'i1', changes, ...other };
  const { version, cluster, release, inventory } = content;
  const hash = createHash('sha256')
    .update(JSON.stringify({ version, cluster, release, inventory, changes }))
    .digest('hex');
  return { ...content, made: '2026-01-01T00:00:00Z', hash };
}

const CHANGES: Plan['changes'] = [
  { node: null, phase: 'pki', change: 'issue pki/ca (missing)', reason: null },
  {
    node: 'w1',
    phase: 'proxy',
    change: 'write /etc/x',
    reason: '/etc/x is missing; /etc/y was changed on the server',
  },
  { node: 'w2', phase: 'proxy', change: 'start slipway-proxy.service', reason: 'it is inactive' },
  { node: 'w1', phase: 'proxy', change: 'start slipway-proxy.service', reason: 'it is inactive' },
];

test('a plan is told as a tree of servers, changes and reasons', (t) => {
  t.deepEqual(describePlan(planOf(CHANGES)), [
    'the cluster',
    '  issue pki/ca (missing)',
    'w1',
    '  write /etc/x',
    '    because /etc/x is missing',
    '    because /etc/y was changed on the server',
    '  start slipway-proxy.service',
    '    because it is inactive',
    'w2',
    '  start slipway-proxy.service',
    '    because it is inactive',
  ]);
});

test('a plan fits only the same cluster, release, inventory and changes', (t) => {
  const plan = planOf(CHANGES);
  t.deepEqual(planDifferences(plan, planOf(CHANGES)), []);
  t.deepEqual(planDifferences(plan, planOf(CHANGES, { release: 'r2', inventory: 'i2' })), [
    'it is for the release r1, not r2',
    'the inventory was changed',
  ]);
  const moved = [
    ...CHANGES.slice(0, 2),
    { ...CHANGES[2]!, change: 'restart slipway-proxy.service' },
    CHANGES[3]!,
  ];
  t.deepEqual(planDifferences(plan, planOf([...CHANGES, CHANGES[3]!])), [
    '+ w1: start slipway-proxy.service (it is inactive)',
  ]);
  t.deepEqual(planDifferences(plan, planOf(moved)), [
    '- w2: start slipway-proxy.service (it is inactive)',
    '+ w2: restart slipway-proxy.service (it is inactive)',
  ]);
});

test('a plan is read back as it was written; an edited one is refused', (t) => {
  const plan = planOf(CHANGES);
  t.deepEqual(parsePlan(JSON.stringify(plan, null, 2)), plan);
  const edited = { ...plan, changes: plan.changes.slice(1) };
  t.throws(() => parsePlan(JSON.stringify(edited)), { code: 'E_PLAN', message: /was edited/ });
  t.throws(() => parsePlan('no'), { code: 'E_PLAN', message: /is no JSON/ });
  t.throws(() => parsePlan('{"version": 9}'), { code: 'E_PLAN', message: /of version 9/ });
  t.throws(() => parsePlan('null'), { code: 'E_PLAN' });
});

test('a change that the plan does not have is not made, and ends the run; nor is one made more often', async (t) => {
  const gate = new PlanGate([
    { node: null, change: 'issue a' },
    { node: 'w1', change: 'write x' },
    { node: 'w1', change: 'write x' },
  ]);
  const { cluster, events } = newCluster({ gate });
  const w1 = nodeOf(cluster, 'w1');
  w1.host = new FakeHost('w1');
  const made: string[] = [];
  const make = (node: string, change: string) =>
    nodeOf(cluster, node).change(change, async () => void made.push(change));
  await cluster.change('issue a', async () => void made.push('issue a'));
  await make('w1', 'write x');
  await make('w1', 'write x');
  await t.throwsAsync(make('w1', 'write x'), {
    code: 'E_PLAN_STALE',
    message: 'w1: the plan does not have this: write x',
  });
  await t.throwsAsync(make('w2', 'write x'), { code: 'E_PLAN_STALE' });
  await t.throwsAsync(
    cluster.change('issue b', async () => void made.push('issue b')),
    { code: 'E_PLAN_STALE' },
  );
  t.deepEqual(made, ['issue a', 'write x', 'write x']);
  t.is(events.filter(({ type }) => type === 'change').length, 3);
});

test('a dry run knows what comes after the first API server: objects, tokens, labels', async (t) => {
  const { cluster } = newCluster({ dryRun: true });
  for (const phase of [applyBootstrapObjects, issueBootstrapTokens, labelNodes, revokeBootstrapTokens]) {
    if ('nodes' in phase) for (const node of phase.nodes(cluster)) await phase.run(node, cluster);
    else await phase.run(cluster);
  }
  const sentences = cluster.changes.map(({ node, change }) => `${node ?? 'cluster'}: ${change}`);
  t.true(sentences.includes('cluster: apply Service kube-dns'), sentences.join('\n'));
  t.true(sentences.includes('w1: give w1 a bootstrap token'));
  t.true(sentences.includes('cluster: revoke the bootstrap token of w1'));
  t.true(sentences.includes('cp1: label node cp1 with node-role.kubernetes.io/control-plane='));
});
