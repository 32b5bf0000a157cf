import test from 'ava';
import { parse } from 'yaml';
import { systemClock } from '../../src/base/clock.ts';
import type { Node } from '../../src/bootstrap/cluster.ts';
import { componentPhase, type Component } from '../../src/bootstrap/components/component.ts';
import { apiserver, controllerManager, scheduler } from '../../src/bootstrap/components/control-plane.ts';
import { containerd, dns, kubelet, network, proxy } from '../../src/bootstrap/components/node.ts';
import { pki } from '../../src/bootstrap/phases/pki.ts';
import { KnownExecutables } from '../../src/bootstrap/known-executables.ts';
import { installExecutable } from '../../src/bootstrap/phases/executable.ts';
import { CURRENT_LINK, EXECUTABLE_NAMES, executableOf, isWhole } from '../../src/bootstrap/release.ts';
import { FakeHost } from '../../src/provision/fake-host.ts';
import { sha256 } from '../../src/provision/files.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { bareFacts, newCluster, nodeOf, RELEASE } from './harness.ts';

async function prepared(
  change: Parameters<typeof newCluster>[0] = {},
): Promise<ReturnType<typeof newCluster>['cluster']> {
  const { cluster } = newCluster(change);
  if ('run' in pki && !('nodes' in pki)) await pki.run(cluster);
  return cluster;
}
const all = [apiserver, controllerManager, scheduler, containerd, kubelet, proxy, network, dns];
const forNode = (node: Node) => (node.isControlPlane ? all : [containerd, kubelet, proxy, network, dns]);

/** The facts of a server on which the component was brought about. */
function settle(node: Node, component: Component): void {
  for (const file of [...component.files, component.unitFile]) {
    node.facts.files.set(file.path, {
      sha256: sha256(file.content),
      mode: file.mode.toString(8),
      owner: file.owner ?? 'root:root',
    });
  }
  node.facts.units.set(component.unit, {
    loadState: 'loaded',
    activeState: 'active',
    subState: 'running',
    unitFileState: 'enabled',
    mainPid: 7,
    restarts: 0,
    needsReload: false,
    config: component.config,
    executable: undefined,
  });
}

test('every unit is complete, tells its configuration, and comes back after a crash', async (t) => {
  const cluster = await prepared();
  for (const node of cluster.nodes) {
    for (const build of forNode(node)) {
      const { unitFile, config, unit } = build(node);
      t.true(unitFile.content.includes(`Environment=SLIPWAY_CONFIG=${config}`), unit);
      t.regex(unitFile.content, /Restart=always/, unit);
      t.regex(unitFile.content, /StartLimitIntervalSec=0/, unit);
      t.notRegex(unitFile.content, /\{\{|undefined|\[object/, unit);
    }
  }
});

test('private keys and kubeconfigs are for their owner alone, and what needs no root has none', async (t) => {
  const cluster = await prepared();
  for (const node of cluster.nodes) {
    for (const build of forNode(node)) {
      const component = build(node);
      for (const file of component.files) {
        if (/PRIVATE KEY|client-key-data|secretbox/.test(file.content)) t.is(file.mode, 0o600, file.path);
      }
      const asUser = /^User=slipway$/m.test(component.unitFile.content);
      t.is(
        asUser,
        ['apiserver', 'controller-manager', 'scheduler', 'dns'].some(
          (name) => component.unit === `slipway-${name}.service`,
        ),
        component.unit,
      );
      // Whoever is not root must be able to read what it is given.
      if (asUser)
        t.true(
          component.files.every((file) => file.mode === 0o644 || file.owner === 'slipway:slipway'),
          component.unit,
        );
    }
  }
});

test('no server gets the root key, and workers get nothing to sign with', async (t) => {
  const cluster = await prepared();
  for (const node of cluster.nodes) {
    const contents = forNode(node).flatMap((build) => build(node).files);
    t.false(
      contents.some(
        ({ content }) =>
          content === cluster.pki['pki/ca.key'] || content === cluster.pki['pki/front-proxy-ca.key'],
      ),
    );
    if (!node.isControlPlane) t.false(contents.some(({ path }) => /signer|sa\.key/.test(path)));
  }
});

test('kubeconfigs are valid YAML and name the API server', async (t) => {
  const cluster = await prepared();
  const [cp1, w1] = cluster.nodes;
  const server = (component: Component): string => {
    const file = component.files.find(({ path }) => path.endsWith('.conf'));
    return (
      (parse(file?.content ?? '') as { clusters: Array<{ cluster: { server: string } }> }).clusters[0]
        ?.cluster.server ?? ''
    );
  };
  if (cp1) t.is(server(scheduler(cp1)), 'https://127.0.0.1:6443');
  if (w1) t.is(server(proxy(w1)), 'https://10.0.0.1:6443');
});

test('a control plane that is no worker takes no ordinary pods', async (t) => {
  const cluster = await prepared();
  const [cp1, w1] = cluster.nodes;
  if (cp1)
    t.true(
      kubelet(cp1).unitFile.content.includes(
        '--register-with-taints=node-role.kubernetes.io/control-plane=:NoSchedule',
      ),
    );
  if (w1) t.false(kubelet(w1).unitFile.content.includes('register-with-taints'));
});

test('a component that runs as it should is left alone; what differs is written, and its unit restarted', async (t) => {
  const cluster = await prepared();
  const node = nodeOf(cluster, 'w1');
  const host = new FakeHost('w1');
  node.host = host;
  const phase = componentPhase({ id: 'x', title: 'X', nodes: () => [node], component: proxy });
  await phase.run(node, cluster);
  t.deepEqual(
    cluster.changes.slice(-2).map(({ change }) => change),
    [
      'write /etc/kubernetes/proxy.conf, /etc/systemd/system/slipway-proxy.service',
      'start slipway-proxy.service',
    ],
  );
  t.is(host.scripts.length, 2);
  const before = cluster.changes.length;
  settle(node, proxy(node));
  await phase.run(node, cluster);
  t.is(cluster.changes.length, before, 'no change');
  t.is(host.scripts.length, 2, 'not even a look');
  // Somebody opened the kubeconfig to everybody: its content is right, its mode is not.
  node.facts.files.set('/etc/kubernetes/proxy.conf', {
    ...node.facts.files.get('/etc/kubernetes/proxy.conf')!,
    mode: '644',
  });
  await phase.run(node, cluster);
  t.is(cluster.changes.at(-1)?.change, 'write /etc/kubernetes/proxy.conf');
  // A crash came between writing and restarting: the process runs with what was.
  settle(node, proxy(node));
  node.facts.units.set('slipway-proxy.service', {
    ...node.facts.units.get('slipway-proxy.service')!,
    config: 'older',
  });
  await phase.run(node, cluster);
  t.is(cluster.changes.at(-1)?.change, 'restart slipway-proxy.service');
});

test('a new release restarts our components and leaves containerd alone', async (t) => {
  const cluster = await prepared();
  const later = await prepared({ release: { ...RELEASE, id: '1.2.3-fedcba543210' }, state: cluster.state });
  const [old, now] = [nodeOf(cluster, 'w1'), nodeOf(later, 'w1')];
  t.not(proxy(old).config, proxy(now).config);
  t.is(containerd(old).config, containerd(now).config);
});

test('where nobody may lower oom_score_adj, no unit asks for it', async (t) => {
  const cluster = await prepared();
  const cp1 = nodeOf(cluster, 'cp1');
  t.regex(apiserver(cp1).unitFile.content, /OOMScoreAdjust=-900/);
  cp1.facts = { ...bareFacts('cp1', '10.0.0.1'), canLowerOomScore: false };
  t.notRegex(apiserver(cp1).unitFile.content, /OOMScoreAdjust/);
  t.regex(containerd(cp1).files[0]?.content ?? '', /restrict_oom_score_adj = true/);
});

test('the PKI is written once: a second run issues nothing', async (t) => {
  const cluster = await prepared();
  t.is(cluster.changes.length, 4 + 2 + 3 * 3 + 9 + 1 + 1);
  const again = await prepared({ state: cluster.state, clock: systemClock });
  t.deepEqual(again.changes, []);
  t.deepEqual(again.pki, cluster.pki);
});

test('an executable of the right size and another content is brought anew, and what it runs is started again', async (t) => {
  const cluster = await prepared({ dryRun: true });
  const node = nodeOf(cluster, 'w1');
  cluster.changes.splice(0);
  const path = executableOf(RELEASE);
  settle(node, proxy(node));
  const unit = node.facts.units.get('slipway-proxy.service');
  if (unit) node.facts.units.set('slipway-proxy.service', { ...unit, executable: path });
  node.facts.links.set(CURRENT_LINK, `releases/${RELEASE.id}`);
  for (const name of EXECUTABLE_NAMES) {
    node.facts.links.set(`/usr/local/bin/${name}`, `${CURRENT_LINK}/slipway`);
  }
  const startProxy = componentPhase({ id: 'proxy', title: '', nodes: () => [node], component: proxy });
  node.facts.executables.set(path, RELEASE.sha256);
  await installExecutable.run(node, cluster);
  await startProxy.run(node, cluster);
  t.deepEqual(cluster.changes, []);
  node.facts.executables.set(path, 'f'.repeat(64));
  await installExecutable.run(node, cluster);
  await startProxy.run(node, cluster);
  t.deepEqual(
    cluster.changes.map(({ change, reason }) => [change, reason]),
    [
      [`install ${path}`, 'its content is not that of the release'],
      ['restart slipway-proxy.service', 'the file that it was started from has been replaced'],
    ],
  );
  t.true(isWhole(RELEASE.id, RELEASE.sha256));
  t.false(isWhole(RELEASE.id, 'f'.repeat(64)));
});

test('restarts take their turn: as many at once as may be, and none after one has failed', async (t) => {
  for (const lanes of [1, 2]) {
    const cluster = await prepared();
    const settled: string[] = [];
    let [running, most] = [0, 0];
    for (const node of cluster.nodes) {
      node.host = new FakeHost(node.name);
      settle(node, proxy(node));
      const unit = node.facts.units.get('slipway-proxy.service');
      if (unit) node.facts.units.set('slipway-proxy.service', { ...unit, config: 'of before' });
    }
    const phase = componentPhase({
      id: 'proxy',
      title: '',
      nodes: ({ nodes }) => nodes,
      component: proxy,
      atOnce: () => lanes,
      settle: async ({ name }) => {
        most = Math.max(most, (running += 1));
        await waitFor('every lane is taken', () => most === lanes);
        running -= 1;
        settled.push(name);
        if (settled.length === 1) throw new Error(`${name} does not come back`);
      },
    });
    const results = await Promise.allSettled(cluster.nodes.map((node) => phase.run(node, cluster)));
    t.is(most, lanes);
    t.is(settled.length, lanes, 'those behind are left as they are');
    const reasons = results.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []));
    t.is(reasons.filter((reason) => reason.includes('does not come back')).length, 1);
    t.is(
      reasons.filter((reason) => reason.includes('was left as it is')).length,
      cluster.nodes.length - lanes,
    );
  }
});

test('what was hashed is believed for a day, and for that file alone', async (t) => {
  const { cluster } = newCluster();
  const known = new KnownExecutables();
  const found = { path: '/opt/a', stamp: '1 2 3', sha256: 'x', hashedMs: 1000 };
  const hours = (n: number): number => 1000 + n * 3_600_000;
  known.note('w1', found);
  t.deepEqual(known.of('w1', '/opt/a', hours(23)), found);
  known.note('w1', { ...found, hashedMs: hours(23) });
  t.is(known.of('w1', '/opt/a', hours(25)), undefined, 'looking again is not hashing again');
  known.note('w1', { ...found, hashedMs: hours(25) });
  t.truthy(known.of('w1', '/opt/a', hours(48)));
  t.is(known.of('w1', '/opt/b', hours(26)), undefined);
  t.is(known.of('w2', '/opt/a', hours(26)), undefined);
  t.is(known.of('w1', '/opt/a', 0), undefined, 'a clock that was set back');
  await known.save(cluster.state);
  const read = await KnownExecutables.read(cluster.state);
  t.truthy(read.of('w1', '/opt/a', hours(26)));
});
