import test from 'ava';
import type { Node, Pod } from '../../../src/api/gen/types/core-v1.ts';
import type { Stage } from '../../../src/bootstrap/upgrade/request.ts';
import { simulate, type Picture } from '../../../src/bootstrap/upgrade/simulate.ts';
import type { Finding } from '../../../src/bootstrap/preflight/finding.ts';

const node = (name: string, change: Partial<Node> = {}): Node => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name } },
  spec: {},
  status: {
    allocatable: { cpu: '2', memory: '1Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: 'True' }],
  },
  ...change,
});

const pod = (name: string, on: string, change: Partial<Pod['spec']> = {}, memory = '300Mi'): Pod => ({
  metadata: {
    namespace: 'default',
    name,
    uid: name,
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs', controller: true }],
  },
  spec: { nodeName: on, containers: [{ name: 'c', resources: { requests: { memory } } }], ...change },
  status: { phase: 'Running' },
});

const picture = (change: Partial<Picture> = {}): Picture => ({
  nodes: [node('cp1'), node('cp2'), node('w1')],
  pods: [],
  claims: [],
  volumes: [],
  readyApiServers: ['cp1', 'cp2'],
  voters: ['cp1', 'cp2', 'cp3'].map((name) => ({ id: name, name, healthy: true })),
  outdated: new Set(['cp1', 'cp2', 'w1']),
  held: new Map(),
  lacksBytes: new Map(),
  ...change,
});

const API: Stage[] = [{ part: 'api', nodes: ['cp1'] }];
const W1: Stage[] = [{ part: 'node', nodes: ['w1'] }];
const DRAIN = { drain: true, force: false, deleteEmptyDirData: false };
const STAY = { ...DRAIN, drain: false };
const of = (findings: readonly Finding[], severity: Finding['severity']): string[] =>
  findings.filter((finding) => finding.severity === severity).map(({ message }) => message);

test('a member may restart while the others have the quorum, and not otherwise', (t) => {
  t.deepEqual(of(simulate(picture(), API, STAY), 'must'), []);
  const voters = [
    { id: '1', name: 'cp1', healthy: true },
    { id: '2', name: 'cp2', healthy: true },
    { id: '3', name: 'cp3', healthy: false },
  ];
  t.deepEqual(of(simulate(picture({ voters }), API, STAY), 'must'), [
    'while its member of etcd restarts, 1 of 3 would be left (cp2), and 2 are needed',
  ]);
});

test('a control plane alone is told that the API will be away; one that has the release is not spoken of', (t) => {
  const alone = picture({ readyApiServers: ['cp1'], voters: undefined });
  t.regex(of(simulate(alone, API, STAY), 'should').join(), /nobody serves the API for some seconds/);
  t.deepEqual(simulate(picture({ outdated: new Set() }), [...API, ...W1], DRAIN), []);
});

test('a node that is not Ready stops it, a stranger’s cordon is told, and our own is not', (t) => {
  const notReady = node('w1', {
    status: { conditions: [{ type: 'Ready', status: 'False', message: 'no network' }] },
  });
  t.deepEqual(of(simulate(picture({ nodes: [notReady] }), [], STAY), 'must'), [
    'the node is not Ready: no network',
  ]);
  const cordoned = node('w1', { spec: { unschedulable: true } });
  t.is(of(simulate(picture({ nodes: [cordoned] }), [], STAY), 'should').length, 1);
  const ours = node('w1', {
    metadata: { name: 'w1', annotations: { 'slipway.dev/cordoned-by': 'upgrade' } },
    spec: { unschedulable: true },
  });
  t.deepEqual(simulate(picture({ nodes: [ours] }), [], STAY), []);
});

test('pods of a drained node need room on the others: what is used there counts', (t) => {
  const pods = [pod('a', 'w1'), pod('b', 'w1'), pod('c', 'cp1', {}, '900Mi')];
  const fine = simulate(picture({ pods }), W1, DRAIN);
  t.deepEqual(of(fine, 'must'), []);
  t.deepEqual(of(fine, 'fine'), ['2 pods leave and have room: 2 on cp2; 0 stay']);
  const full = simulate(picture({ pods: [...pods, pod('d', 'w1', {}, '500Mi')] }), W1, DRAIN);
  t.deepEqual(of(full, 'must'), ['default/b has no room on the other nodes']);
  t.deepEqual(of(simulate(picture({ pods: [...pods, pod('d', 'w1', {}, '500Mi')] }), W1, STAY), 'must'), []);
});

test('taints, selectors and cordons of the other nodes count; a pod that fits nowhere else waits', (t) => {
  const tainted = node('cp1', { spec: { taints: [{ key: 'x', effect: 'NoSchedule' }] } });
  const cordoned = node('cp2', { spec: { unschedulable: true } });
  const nodes = [tainted, cordoned, node('w1')];
  t.regex(
    of(simulate(picture({ nodes, pods: [pod('a', 'w1')] }), W1, DRAIN), 'should').join(),
    /may run on no other node/,
  );
  const tolerant = pod('a', 'w1', { tolerations: [{ key: 'x', operator: 'Exists' }] });
  t.deepEqual(of(simulate(picture({ nodes, pods: [tolerant] }), W1, DRAIN), 'must'), []);
});

test('a volume that is on one server alone is told', (t) => {
  const claims = [{ metadata: { namespace: 'default', name: 'data' }, spec: { volumeName: 'pv' } }];
  const volumes = [
    {
      metadata: { name: 'pv' },
      spec: {
        local: { path: '/x' },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['w1'] }] },
            ],
          },
        },
      },
    },
  ];
  const pods = [
    pod('db', 'w1', { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] }),
  ];
  const findings = simulate(picture({ claims, volumes, pods }), W1, DRAIN);
  t.deepEqual(of(findings, 'should'), [
    'default/db has a volume that is on w1 alone: it is down until w1 is back',
  ]);
});

test('budgets, pods without a controller, and local data stop a drain before it begins', (t) => {
  const bare: Pod = { ...pod('bare', 'w1'), metadata: { namespace: 'default', name: 'bare' } };
  const scratch = pod('scratch', 'w1', { volumes: [{ name: 'tmp', emptyDir: {} }] });
  const held = new Map([['default/a', 'The disruption budget web needs 2 healthy pods and has 2 currently']]);
  const found = of(
    simulate(picture({ pods: [pod('a', 'w1'), bare, scratch], held }), W1, DRAIN),
    'must',
  ).join('\n');
  t.regex(found, /default\/a may not be evicted: The disruption budget web needs 2/);
  t.regex(found, /no controller would make these pods again: default\/bare/);
  t.regex(found, /would lose the data of their emptyDir volumes: default\/scratch/);
});

test('a server without room for the release is named, with what it lacks', (t) => {
  const findings = simulate(picture({ lacksBytes: new Map([['w1', 3 * 2 ** 20]]) }), [], STAY);
  t.like(findings[0], {
    severity: 'must',
    node: 'w1',
    message: 'there are 3 MiB too little free below /opt for the new release',
  });
});
