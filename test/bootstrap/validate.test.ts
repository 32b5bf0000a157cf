import test from 'ava';
import { checkServer } from '../../src/bootstrap/preflight/server-rules.ts';
import { validateServers, validateTogether } from '../../src/bootstrap/phases/validate-servers.ts';
import type { Facts } from '../../src/provision/facts.ts';
import { sha256 } from '../../src/provision/files.ts';
import { bareFacts, newCluster, nodeOf } from './harness.ts';

/** A server with these facts is refused with these words. */
const refused = test.macro(async (t, change: Partial<Facts>, words: RegExp) => {
  const { cluster } = newCluster();
  const node = nodeOf(cluster, 'w1');
  node.facts = { ...node.facts, ...change };
  const error = await t.throwsAsync<Error & { hint?: string }>(validateServers.run(node, cluster), {
    code: 'E_PREFLIGHT',
    message: words,
  });
  t.regex(error.message, /^w1: /);
  t.truthy(error.hint);
});

test('a bare server passes', async (t) => {
  const { cluster } = newCluster();
  for (const node of cluster.nodes) await t.notThrowsAsync(validateServers.run(node, cluster));
  await t.notThrowsAsync((validateTogether as { run: (c: typeof cluster) => Promise<void> }).run(cluster));
});

test('no systemd', refused, { init: 'init' }, /process 1 is "init", not systemd/);
test(
  'another distribution',
  refused,
  { os: { id: 'fedora', version: '', codename: '', name: 'Fedora 42' } },
  /runs Fedora 42/,
);
test(
  'another architecture',
  refused,
  { architecture: 'aarch64' },
  /is aarch64, but the executable is for x86_64/,
);
test('little memory', refused, { memoryBytes: 512 * 2 ** 20 }, /has 512 MiB of memory/);
test(
  'a clock ahead',
  refused,
  { nowMs: bareFacts('w1', '').nowMs + 600_000 },
  /its clock is 6\d\d s ahead of/,
);
test('a clock behind', refused, { nowMs: bareFacts('w1', '').nowMs - 600_000 }, /its clock is \d+ s behind/);
test(
  'a full disk',
  refused,
  {
    freeBytes: new Map([
      ['/etc', 2 ** 30],
      ['/opt', 2 ** 34],
      ['/tmp', 2 ** 30],
      ['/var/lib', 2 ** 20],
    ]),
  },
  /no space left on \/var\/lib: 1 MiB are free, 400 MiB are needed/,
);
test(
  'a port that is taken',
  refused,
  { listening: [{ port: 10250, process: 'nc', pid: 9 }] },
  /port 10250 is taken by nc/,
);
test(
  'another address',
  refused,
  { addresses: [{ interface: 'eth0', address: '10.9.9.9', prefix: 24 }] },
  /has no address 10\.0\.0\.2; it has 10\.9\.9\.9/,
);
test(
  'forwarding off for good',
  refused,
  { sysctls: new Map([['net.ipv4.ip_forward', { value: '0', writable: false }]]) },
  /ip_forward is off/,
);
test(
  'another cluster',
  refused,
  { files: new Map([['/etc/kubernetes/pki/ca.crt', { sha256: 'x', mode: '644', owner: 'root:root' }]]) },
  /belongs to another cluster already/,
);

test('a damaged certificate beside credentials that we wrote is no other cluster', async (t) => {
  const { cluster } = newCluster();
  const node = nodeOf(cluster, 'w1');
  const owner = 'root:root';
  const conf = { path: '/etc/kubernetes/proxy.conf', content: 'ours', mode: 0o600 };
  node.facts.files.set('/etc/kubernetes/pki/ca.crt', { sha256: 'x', mode: '644', owner });
  node.facts.files.set(conf.path, { sha256: sha256(conf.content), mode: '600', owner });
  const problems = async () =>
    (await checkServer(node, cluster)).filter(({ severity }) => severity === 'must');
  t.regex((await problems())[0]?.message ?? '', /belongs to another cluster/);
  cluster.applied.wrote('w1', [conf]);
  t.deepEqual(await problems(), []);
});

test('a port that our own process holds is no conflict', async (t) => {
  const { cluster } = newCluster();
  const node = nodeOf(cluster, 'w1');
  node.facts.listening.push({ port: 10250, process: 'MainThread', pid: 42 });
  node.facts.units.set('slipway-kubelet.service', {
    loadState: 'loaded',
    activeState: 'active',
    subState: 'running',
    unitFileState: 'enabled',
    mainPid: 42,
    restarts: 0,
    needsReload: false,
    config: 'x',
    executable: undefined,
  });
  await t.notThrowsAsync(validateServers.run(node, cluster));
});

test('servers are compared: clones, equal names, clocks apart', async (t) => {
  const run = (validateTogether as { run: (c: ReturnType<typeof newCluster>['cluster']) => Promise<void> })
    .run;
  for (const [change, words] of [
    [{ machineId: 'id-cp1' }, /w1: has the same machine-id as cp1/],
    [{ hostname: 'cp1' }, /w1: has the same host name as cp1/],
    [{ nowMs: bareFacts('x', '').nowMs + 100_000 }, /the clocks of the servers differ by \d+ s/],
  ] as const) {
    const { cluster } = newCluster();
    const node = cluster.nodes[1];
    if (node) node.facts = { ...node.facts, ...change };
    await t.throwsAsync(run(cluster), { code: 'E_PREFLIGHT', message: words });
  }
});
