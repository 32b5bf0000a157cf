import test from 'ava';
import { LEASES, NODES, PODS } from '../../src/api/gen/resources.ts';
import type { Pod } from '../../src/api/gen/types/core-v1.ts';
import { silentLogger } from '../../src/base/log.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { noEvents } from '../../src/kubelet/events.ts';
import { NodeLease } from '../../src/kubelet/node/lease.ts';
import { binary, meminfo, prettyName } from '../../src/kubelet/node/machine.ts';
import { NodeRegistrar } from '../../src/kubelet/node/node-registrar.ts';
import { nodeLabels, type NodeFacts } from '../../src/kubelet/node/node-status.ts';
import { StaticPods, staticPod } from '../../src/kubelet/pods/static-pods.ts';
import { cpuNanoSeconds } from '../../src/kubelet/stats/summary.ts';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClock } from '../helpers/fake-clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const GIB = 2 ** 30;
const factsOf = (fields: Partial<NodeFacts> = {}): NodeFacts => ({
  machine: {
    cpus: 4,
    memoryBytes: 8 * GIB,
    machineId: 'm',
    systemUuid: 's',
    bootId: 'boot-1',
    kernelVersion: '6.1.0',
    osImage: 'Debian',
    hugePages: { '2Mi': 0 },
  },
  disk: { capacityBytes: 100 * GIB, availableBytes: 50 * GIB, inodes: 1000, inodesFree: 900 },
  memoryAvailableBytes: 4 * GIB,
  runtimeName: 'containerd',
  runtimeVersion: '1.6.20',
  hostname: 'n1',
  nodeIps: ['10.0.0.1', 'fd00::1'],
  kubeletPort: 10_250,
  maxPods: 110,
  images: [],
  problems: [],
  ...fields,
});

function registrarOf(client: MemoryClient, clock = createClock()) {
  const current = { facts: factsOf() };
  const events: string[] = [];
  const registrar = new NodeRegistrar({
    client,
    clock,
    log: silentLogger,
    nodeName: 'n1',
    labels: nodeLabels('n1'),
    taints: [{ key: 'dedicated', effect: 'NoSchedule' }],
    events: { ...noEvents, nodeEvent: (_type, reason) => events.push(reason) },
    facts: async () => current.facts,
  });
  return { registrar, current, events, clock };
}

const conditionOf = (
  node: { status?: { conditions?: Array<{ type: string; status: string }> } },
  type: string,
) => node.status?.conditions?.find((one) => one.type === type);

test('a node registers with what it has, and is Ready', async (t) => {
  const client = new MemoryClient(createClock());
  const { registrar, events } = registrarOf(client);
  t.true(await registrar.sync());
  const node = await client.get(NODES, { name: 'n1' });
  t.like(node.metadata?.labels, { 'kubernetes.io/hostname': 'n1', 'kubernetes.io/os': 'linux' });
  t.deepEqual(node.spec?.taints, [{ key: 'dedicated', effect: 'NoSchedule' }]);
  await registrar.sync();
  const { status } = await client.get(NODES, { name: 'n1' });
  t.like(status, {
    capacity: { cpu: '4', memory: `${8 * 1024 * 1024}Ki`, pods: '110', 'hugepages-2Mi': '0' },
    allocatable: { memory: `${8 * 1024 * 1024 - 100 * 1024}Ki`, 'ephemeral-storage': String(90 * GIB) },
    nodeInfo: { containerRuntimeVersion: 'containerd://1.6.20', bootID: 'boot-1', operatingSystem: 'linux' },
    daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
  });
  t.deepEqual(status?.addresses, [
    { type: 'InternalIP', address: '10.0.0.1' },
    { type: 'InternalIP', address: 'fd00::1' },
    { type: 'Hostname', address: 'n1' },
  ]);
  t.is(conditionOf({ status }, 'Ready')?.status, 'True');
  t.true(events.includes('Starting'));
});

test('nothing is written while nothing changes, but every five minutes', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock);
  const { registrar } = registrarOf(client, clock);
  await registrar.sync();
  await registrar.sync();
  client.writes = [];
  for (let round = 0; round < 20; round += 1) {
    await clock.advance(10_000);
    await registrar.sync();
  }
  t.is(client.writes.length, 0);
  await clock.advance(110_000);
  await registrar.sync();
  t.is(client.writes.length, 1);
});

test('a problem makes the node NotReady at once, with its words, and other conditions stay', async (t) => {
  const client = new MemoryClient(createClock());
  const { registrar, current } = registrarOf(client);
  await registrar.sync();
  await client.patch(
    NODES,
    { name: 'n1' },
    { status: { conditions: [{ type: 'NetworkUnavailable', status: 'False' }] } },
    { type: 'strategic', subresource: 'status' },
  );
  const disk = { capacityBytes: 100, availableBytes: 5, inodes: 0, inodesFree: 0 };
  current.facts = factsOf({ problems: ['container runtime is down'], disk, memoryAvailableBytes: 1 });
  t.false(await registrar.sync());
  const node = await client.get(NODES, { name: 'n1' });
  t.like(conditionOf(node, 'Ready'), {
    status: 'False',
    reason: 'KubeletNotReady',
    message: 'container runtime is down',
  });
  t.is(conditionOf(node, 'DiskPressure')?.status, 'True');
  t.is(conditionOf(node, 'MemoryPressure')?.status, 'True');
  t.is(conditionOf(node, 'NetworkUnavailable')?.status, 'False');
});

test('a node that someone removed registers again; one that exists keeps what others set', async (t) => {
  const client = new MemoryClient(createClock());
  client.seed(NODES, {
    metadata: { name: 'n1', labels: { role: 'x', 'kubernetes.io/os': 'wrong' } },
    spec: { podCIDR: '10.244.0.0/24' },
  });
  const { registrar, current } = registrarOf(client);
  await registrar.sync();
  const adopted = await client.get(NODES, { name: 'n1' });
  t.like(adopted.metadata?.labels, { role: 'x', 'kubernetes.io/os': 'linux' });
  t.is(adopted.spec?.podCIDR, '10.244.0.0/24');
  await client.delete(NODES, { name: 'n1' });
  current.facts = factsOf({ maxPods: 111 });
  await t.throwsAsync(registrar.sync());
  await registrar.sync();
  t.is((await client.get(NODES, { name: 'n1' })).metadata?.name, 'n1');
});

test('another boot of the host is told', async (t) => {
  const client = new MemoryClient(createClock());
  client.seed(NODES, { metadata: { name: 'n1' }, status: { nodeInfo: { bootID: 'boot-0' } as never } });
  const { registrar, events } = registrarOf(client);
  await registrar.sync();
  t.true(events.includes('Rebooted'));
});

test('the lease is made, renewed, and found again after a conflict', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock);
  const lease = new NodeLease({ client, clock, log: silentLogger, nodeName: 'n1', nodeUid: () => 'uid-n1' });
  const read = () => client.get(LEASES, { namespace: 'kube-node-lease', name: 'n1' });
  await lease.renew();
  t.like((await read()).spec, {
    holderIdentity: 'n1',
    leaseDurationSeconds: 40,
    renewTime: '2026-01-01T00:00:00.000000Z',
  });
  t.is((await read()).metadata?.ownerReferences?.[0]?.uid, 'uid-n1');
  await client.update(LEASES, { ...(await read()), spec: { holderIdentity: 'someone' } });
  await clock.advance(10_000);
  await t.throwsAsync(lease.renew());
  await lease.renew();
  t.like((await read()).spec, { holderIdentity: 'n1', renewTime: '2026-01-01T00:00:10.000000Z' });
});

test('facts are read from their texts', (t) => {
  t.like(meminfo('MemTotal:       16 kB\nHugePages_Total:       3\n'), { MemTotal: 16_384 });
  t.is(
    prettyName('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
    'Debian GNU/Linux 12 (bookworm)',
  );
  t.deepEqual([binary(2 ** 21), binary(GIB), binary(1000)], ['2Mi', '1Gi', '1000']);
  t.is(cpuNanoSeconds('cpu  1 2 3 100 50 4 5 6 0 0\n'), 21 * 10_000_000);
});

const manifest =
  'apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app, image: a}]}\n';

test('a static pod is named after its node, defaulted, and another one when its manifest changes', (t) => {
  const pod = staticPod(manifest, '/m/web.yaml', 'N1');
  t.like(pod.metadata, { name: 'web-n1', namespace: 'default' });
  t.like(pod.spec, { nodeName: 'N1', restartPolicy: 'Always', terminationGracePeriodSeconds: 30 });
  t.is(pod.spec?.containers[0]?.imagePullPolicy, 'Always', 'an image without a tag is the latest');
  t.is(staticPod(manifest, '/m/web.yaml', 'N1').metadata?.uid, pod.metadata?.uid);
  t.not(
    staticPod(manifest.replace('image: a', 'image: b'), '/m/web.yaml', 'N1').metadata?.uid,
    pod.metadata?.uid,
  );
  t.throws(() => staticPod('kind: Service', '/m/x.yaml', 'n1'), { code: 'E_MANIFEST' });
});

test('static pods come and go with their files, and have mirrors', async (t) => {
  const folder = join(await temporaryDirectory(t), 'manifests');
  await mkdir(folder);
  const client = new MemoryClient(createClock());
  const running = new Map<string, Pod>();
  let mirrors: Pod[] = [];
  const pods = new StaticPods({
    folder,
    nodeName: 'n1',
    client,
    clock: createClock(),
    log: silentLogger,
    onUpdate: (pod) => running.set(pod.metadata?.uid ?? '', pod),
    onRemove: (uid) => running.delete(uid),
    apiPod: (_namespace, name) => mirrors.find(({ metadata }) => metadata?.name === name),
    node: () => ({ metadata: { name: 'n1', uid: 'uid-n1' } }),
  });
  await writeFile(join(folder, 'web.yaml'), manifest);
  await writeFile(join(folder, 'broken.yaml'), ': no');
  await writeFile(join(folder, '.hidden.yaml'), manifest);
  await pods.look();
  t.deepEqual(
    [...running.values()].map(({ metadata }) => metadata?.name),
    ['web-n1'],
  );
  await pods.syncMirrors();
  mirrors = (await client.list(PODS)).items;
  t.like(mirrors[0]?.metadata?.ownerReferences?.[0], { kind: 'Node', uid: 'uid-n1', controller: true });
  const [pod] = pods.pods();
  t.is(pods.mirrorUid(pod ?? {}), mirrors[0]?.metadata?.uid);
  client.writes = [];
  await pods.syncMirrors();
  t.is(client.writes.length, 0);
  await rm(join(folder, 'web.yaml'));
  await pods.look();
  t.is(running.size, 0);
  await pods.dropMirror(mirrors[0] ?? {});
  t.is((await client.list(PODS)).items.length, 0);
});
