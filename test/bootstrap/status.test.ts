import test from 'ava';
import { intervalMs, snapshotTimeMs } from '../../src/bootstrap/components/snapshots.ts';
import type { Drift } from '../../src/bootstrap/status/drift.ts';
import { findProblems } from '../../src/bootstrap/status/problems.ts';
import { renderStatus } from '../../src/bootstrap/status/render.ts';
import { findUnfinished } from '../../src/bootstrap/status/unfinished.ts';
import { writeUpgradeRecord } from '../../src/bootstrap/upgrade/record.ts';
import type { SnapshotStatus } from '../../src/bootstrap/status/server-status.ts';
import type { ClusterStatus, ReachedServer } from '../../src/bootstrap/status/status.ts';
import { newCluster, RELEASE } from './harness.ts';

const NOW = Date.parse('2026-11-24T12:45:00Z');
const HOUR_MS = 3_600_000;

const server = (name: string, change: Partial<ReachedServer> = {}): ReachedServer => ({
  name,
  reached: true,
  release: RELEASE.id,
  executable: 'whole',
  units: [{ name: 'slipway-proxy', state: 'active', restarts: 0 }],
  certificates: [],
  clockOffsetMs: 0,
  disks: [],
  storeBytes: undefined,
  etcd: false,
  snapshots: undefined,
  ...change,
});

const statusOf = (servers: ReachedServer[], drift: Partial<Drift> = {}): Omit<ClusterStatus, 'problems'> => ({
  cluster: 'test',
  nowMs: NOW,
  servers,
  api: {
    servers: [],
    nodes: servers.map(({ name }) => ({ name, ready: true, version: 'v1.36.0', schedulable: true })),
  },
  store: { kind: 'embedded', members: [], error: undefined },
  nearestExpiry: undefined,
  drift: { changes: [], strangers: [], error: undefined, ...drift },
  unfinished: [],
});

const problemsOf = (servers: ReachedServer[], drift: Partial<Drift> = {}): string[] =>
  findProblems(statusOf(servers, drift), newCluster().cluster);

test('a cluster that is well has no problems, one whose executable was damaged has', (t) => {
  t.deepEqual(problemsOf([server('cp1'), server('w1')]), []);
  t.deepEqual(problemsOf([server('w1', { executable: 'damaged' })]), [
    `w1: the executable of ${RELEASE.id} is damaged or replaced; "slipway up" repairs it`,
  ]);
});

test('drift is told by name; a unit that does not run is told once', (t) => {
  const w1 = server('w1', { units: [{ name: 'slipway-dns', state: 'inactive', restarts: 0 }] });
  const drift = {
    changes: [
      { node: 'w1', change: 'start slipway-dns.service', reason: 'it is inactive' },
      { node: 'w1', change: 'write /etc/x', reason: '/etc/x is missing' },
      { node: undefined, change: 'write the kubeconfig', reason: undefined },
    ],
    strangers: [{ node: 'cp1', path: '/etc/systemd/system/slipway-dns.service.d/x.conf' }],
  };
  t.deepEqual(problemsOf([w1], drift), [
    'w1: slipway-dns is inactive',
    'w1 is not what the inventory says: "slipway up" would write /etc/x (/etc/x is missing)',
    'the state directory is not what the inventory says: "slipway up" would write the kubeconfig',
    'cp1: /etc/systemd/system/slipway-dns.service.d/x.conf changes a unit of ours, and is not ours',
  ]);
  const lines = renderStatus({ ...statusOf([w1], drift), problems: [] });
  t.true(lines.includes('drift         cp1: 1, state directory: 1, w1: 2'), lines.join('\n'));
  t.deepEqual(problemsOf([w1], { error: 'no keys' }).slice(1), [
    'the servers could not be compared with the inventory: no keys',
  ]);
});

test('snapshots that fail or stay away are told, those that are not due are not', (t) => {
  const taken = (ageMs: number): SnapshotStatus['newest'] => ({
    name: '20261124T124500Z-r1234.snapshot',
    bytes: 1_200_000,
    takenMs: NOW - ageMs,
  });
  const told = (snapshots: SnapshotStatus): string[] => problemsOf([server('cp1', { snapshots })]);
  t.deepEqual(told({ count: 0, newest: undefined, failed: false }), []);
  t.deepEqual(told({ count: 8, newest: taken(7 * HOUR_MS), failed: false }), []);
  t.deepEqual(told({ count: 8, newest: taken(19 * HOUR_MS), failed: false }), [
    'cp1: no snapshot of the store since 2026-11-23T17:45:00Z',
  ]);
  t.deepEqual(told({ count: 8, newest: taken(0), failed: true }), [
    'cp1: the last snapshot of the store failed: see "journalctl -u slipway-snapshot"',
  ]);
  const lines = renderStatus({
    ...statusOf([server('cp1', { snapshots: { count: 8, newest: taken(0), failed: false } })]),
    problems: [],
  });
  t.true(
    lines.includes('snapshots     cp1: 8, the newest 20261124T124500Z-r1234.snapshot (1.2 MB)'),
    lines.join('\n'),
  );
});

test('times of snapshots and of the inventory', (t) => {
  t.is(snapshotTimeMs('20261124T124500Z-r1234.snapshot'), NOW);
  t.deepEqual(['30m', '6h', '1d', 'never'].map(intervalMs), [
    1_800_000,
    6 * HOUR_MS,
    24 * HOUR_MS,
    undefined,
  ]);
});

test('an upgrade that stopped half-way is told, with how to go on and how to go back', async (t) => {
  const { state } = newCluster().cluster;
  t.deepEqual(await findUnfinished(state), []);
  const record = {
    version: 1 as const,
    from: '0.1.0-aaaaaaaaaaaa',
    to: '0.2.0-bbbbbbbbbbbb',
    begun: '2026-11-24T12:00:00Z',
  };
  await writeUpgradeRecord(state, record);
  const [told = '', ...more] = await findUnfinished(state);
  t.deepEqual(more, []);
  t.regex(
    told,
    /from 0\.1\.0-aaaaaaaaaaaa to 0\.2\.0-bbbbbbbbbbbb is not finished: .*"slipway upgrade".*"slipway rollback"/,
  );
  t.deepEqual(findProblems({ ...statusOf([]), unfinished: [told] }, newCluster().cluster)[0], told);
  await writeUpgradeRecord(state, { ...record, finished: '2026-11-24T12:10:00Z' });
  t.deepEqual(await findUnfinished(state), []);
  await state.write('upgrade.json', 'what?');
  t.regex((await findUnfinished(state)).join(), /upgrade\.json is no record of an upgrade/);
});
