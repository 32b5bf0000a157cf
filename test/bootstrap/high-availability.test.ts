import test from 'ava';
import { parse } from 'yaml';
import { apiserver, scheduler } from '../../src/bootstrap/components/control-plane.ts';
import { etcd, ETCD_INITIAL_FILE, ETCD_MEMBER_DIRECTORY } from '../../src/bootstrap/components/etcd.ts';
import { apiServersFor, serversForPeople, STORE_FILE } from '../../src/bootstrap/components/files.ts';
import { kubelet } from '../../src/bootstrap/components/node.ts';
import { virtualAddress } from '../../src/bootstrap/components/virtual-address.ts';
import type { Cluster } from '../../src/bootstrap/cluster.ts';
import { checkStep } from '../../src/bootstrap/etcd/version-step.ts';
import { hasServedEtcd, usesEtcd } from '../../src/bootstrap/etcd/state.ts';
import { parseInventory } from '../../src/bootstrap/inventory/load.ts';
import { validateEtcd } from '../../src/bootstrap/phases/etcd.ts';
import { missingPackages } from '../../src/bootstrap/phases/packages.ts';
import { pki } from '../../src/bootstrap/phases/pki.ts';
import { validateVirtualAddress } from '../../src/bootstrap/phases/validate-virtual-address.ts';
import { parseCertificate } from '../../src/pki/parse.ts';
import { newCluster, nodeOf } from './harness.ts';

const inventory = (more = ''): string => `cluster: { name: test }
${more}
servers:
  - { name: cp1, address: 10.0.0.1, roles: [control-plane] }
  - { name: cp2, address: 10.0.0.2, roles: [control-plane] }
  - { name: cp3, address: 10.0.0.3, roles: [control-plane, worker] }
  - { name: w1, address: 10.0.0.4, roles: [worker] }
  - { name: w2, address: 10.0.0.5, roles: [worker] }
`;

async function prepared(more?: string): Promise<Cluster> {
  const { cluster } = newCluster({ inventory: parseInventory(inventory(more), 'i.yaml') });
  if (!('nodes' in pki)) await pki.run(cluster);
  return cluster;
}

const file = () => ({ sha256: '', mode: '600', owner: 'root:root' });

test('members of etcd take nobody who does not prove himself, and have nothing generated', async (t) => {
  const cluster = await prepared();
  for (const node of cluster.controlPlanes) {
    const { unitFile, files } = etcd(node);
    for (const flag of [
      '--client-cert-auth=true',
      '--peer-client-cert-auth=true',
      '--trusted-ca-file=',
      '--peer-trusted-ca-file=',
    ]) {
      t.true(unitFile.content.includes(flag), flag);
    }
    t.notRegex(unitFile.content, /auto-tls|http:\/\/(?!127\.0\.0\.1:2381)/);
    t.notRegex(unitFile.content, /initial-cluster[ =]/, 'members come and go without a change of the others');
    t.regex(unitFile.content, /^User=etcd$/m);
    for (const { path, content, mode, owner } of files) {
      t.not(content, cluster.pki['pki/etcd/ca.key'], path);
      if (path.endsWith('.key')) t.is(mode, 0o600, path);
      if (/(server|peer)\.key$/.test(path)) t.is(owner, 'etcd:etcd', path);
    }
  }
});

test('an API server asks its own member first, and shows etcd a certificate of etcd’s own authority', async (t) => {
  const cluster = await prepared();
  const { unitFile, files } = apiserver(nodeOf(cluster, 'cp2'));
  t.true(
    unitFile.content.includes(
      '--etcd-servers=https://10.0.0.2:2379,https://10.0.0.1:2379,https://10.0.0.3:2379',
    ),
  );
  t.false(unitFile.content.includes('--data-dir'));
  const pair = files.find(({ path }) => path.endsWith('apiserver-etcd-client.crt'));
  t.is(parseCertificate(pair?.content ?? '').issuer.commonName, 'etcd-ca');
});

test('every component has all API servers; nodes begin at different ones, control planes at their own', async (t) => {
  const cluster = await prepared();
  const all = ['https://10.0.0.1:6443', 'https://10.0.0.2:6443', 'https://10.0.0.3:6443'];
  for (const node of cluster.nodes) t.deepEqual(apiServersFor(node).toSorted(), all, node.name);
  t.is(apiServersFor(nodeOf(cluster, 'cp3'))[0], 'https://10.0.0.3:6443');
  t.true(kubelet(nodeOf(cluster, 'w1')).unitFile.content.includes('--api-servers=https://10.0.0.'));
  const conf = scheduler(nodeOf(cluster, 'cp2')).files.find(({ path }) => path.endsWith('scheduler.conf'));
  const servers = JSON.stringify(parse(conf?.content ?? ''));
  t.true(
    servers.includes('https://127.0.0.1:6443') &&
      servers.includes('https://10.0.0.1:6443') &&
      servers.includes('https://10.0.0.3:6443'),
  );
});

test('a control plane that was alone keeps its store; one that was one of several keeps etcd', (t) => {
  const { cluster } = newCluster();
  t.false(usesEtcd(cluster));
  const cp1 = nodeOf(cluster, 'cp1');
  cp1.facts.directories.add(ETCD_MEMBER_DIRECTORY);
  cp1.facts.files.set(ETCD_INITIAL_FILE, file());
  t.false(hasServedEtcd(cp1), 'what never served does not count');
  t.false(usesEtcd(cluster));
  cp1.facts.files.delete(ETCD_INITIAL_FILE);
  t.true(usesEtcd(cluster));
});

test('two stores in one cluster are refused before anything is changed', async (t) => {
  const cluster = await prepared();
  if ('nodes' in validateEtcd) throw new Error('it runs once');
  nodeOf(cluster, 'cp1').facts.sizes.set(STORE_FILE, 4096);
  await validateEtcd.run(cluster);
  nodeOf(cluster, 'cp2').facts.directories.add(ETCD_MEMBER_DIRECTORY);
  await t.throwsAsync(async () => validateEtcd.run(cluster), {
    code: 'E_TWO_STORES',
    message: /an embedded one on cp1, and etcd on cp2/,
  });
});

test('control planes alone get etcd, and keepalived where there is a virtual address', async (t) => {
  const plain = await prepared();
  t.true(missingPackages(nodeOf(plain, 'cp1')).includes('etcd-server'));
  t.false(missingPackages(nodeOf(plain, 'cp1')).includes('keepalived'));
  t.false(missingPackages(nodeOf(plain, 'w1')).includes('etcd-server'));
  const virtual = await prepared('api: { virtualAddress: 10.0.0.100 }');
  t.true(missingPackages(nodeOf(virtual, 'cp1')).includes('keepalived'));
});

test('a virtual address stands in certificates, in keepalived’s configuration, and first for people', async (t) => {
  const cluster = await prepared('api: { virtualAddress: 10.0.0.100 }');
  t.true(parseCertificate(cluster.pki['nodes/cp2/apiserver.crt'] ?? '').ipAddresses.includes('10.0.0.100'));
  t.is(serversForPeople(cluster, cluster.controlPlanes)[0], 'https://10.0.0.100:6443');
  t.is(
    apiServersFor(nodeOf(cluster, 'w1')).join().includes('10.0.0.100'),
    false,
    'the cluster does not need it',
  );
  const text = virtualAddress(nodeOf(cluster, 'cp2'))
    .files.map(({ content }) => content)
    .join('\n');
  t.regex(text, /unicast_src_ip 10\.0\.0\.2\n {2}unicast_peer \{\n {4}10\.0\.0\.1\n {4}10\.0\.0\.3\n/);
  t.regex(text, /10\.0\.0\.100\/24 dev eth0/);
});

test('a virtual address outside the servers’ network is refused', async (t) => {
  const cluster = await prepared('api: { virtualAddress: 192.0.2.1 }');
  if (!('nodes' in validateVirtualAddress)) throw new Error('it runs on nodes');
  const cp1 = nodeOf(cluster, 'cp1');
  await t.throwsAsync(async () => validateVirtualAddress.run(cp1, cluster), {
    message: /cp1: api\.virtualAddress 192\.0\.2\.1 lies outside the network of its eth0, 10\.0\.0\.1\/24/,
  });
});

test('etcd goes to the next minor version, never back and never over one', (t) => {
  for (const [running, wanted] of [
    ['3.4.23', '3.4.30'],
    ['3.4.23', '3.5.0'],
    ['3.5.35', '3.6.16'],
    ['3.5.35', '3.5.9'],
  ] as const) {
    t.notThrows(() => checkStep('cp1', running, wanted));
  }
  const code = 'E_ETCD_BINARY';
  t.throws(() => checkStep('cp1', '3.4.23', '3.6.16'), {
    code,
    message: /cp1 runs etcd 3\.4\.23, .* 2 minor/,
  });
  t.throws(() => checkStep('cp1', '3.6.16', '3.5.35'), { code, message: /is older/ });
});
