import { mkdtempSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { systemClock } from '../../src/base/clock.ts';
import { parseInventory } from '../../src/bootstrap/inventory/load.ts';
import { issueForPerson } from '../../src/bootstrap/people/issue.ts';
import { mergeKubeconfig, writePrivate } from '../../src/bootstrap/people/merge.ts';
import { readPeople } from '../../src/bootstrap/people/record.ts';
import { StateDirectory } from '../../src/bootstrap/state-directory.ts';
import { clusterPki } from '../../src/pki/cluster-pki.ts';
import { isIssuedBy, matchesKey, parseCertificate } from '../../src/pki/parse.ts';

const INVENTORY = parseInventory(
  `cluster: { name: test }
servers: [{ name: cp1, address: 10.0.0.1, roles: [control-plane] }]
`,
  'i.yaml',
);

async function stateWithCluster(): Promise<StateDirectory> {
  const state = new StateDirectory(mkdtempSync(join(tmpdir(), 'slipway-people-')));
  const { files } = clusterPki({
    clock: systemClock,
    nodes: [{ name: 'cp1', addresses: ['10.0.0.1'], controlPlane: true }],
    serviceAddress: '10.96.0.1',
    clusterDomain: 'cluster.local',
    extraNames: [],
    passphrase: 'locked',
  });
  for (const [path, content] of Object.entries(files)) await state.write(path, content);
  return state;
}

const anna = { user: 'anna', groups: ['developers'], lifetimeMs: 8 * 3_600_000, breakGlass: false };

test('a person gets a certificate of the signer for so long, without the root key, and is recorded', async (t) => {
  const state = await stateWithCluster();
  const { kubeconfig, record } = await issueForPerson(INVENTORY, state, systemClock, anna);
  const { users, clusters } = parse(kubeconfig) as {
    users: Array<{ user: Record<string, string> }>;
    clusters: Array<{ cluster: Record<string, string> }>;
  };
  const pem = (name: string): string => Buffer.from(users[0]?.user[name] ?? '', 'base64').toString();
  const certificate = parseCertificate(pem('client-certificate-data'));
  t.is(certificate.subject.commonName, 'anna');
  t.deepEqual(certificate.subject.organizations, ['developers']);
  t.deepEqual(certificate.usages, ['digital signature', 'client auth']);
  t.true(Math.abs(certificate.notAfterMs - systemClock.now() - anna.lifetimeMs) < 60_000);
  t.true(isIssuedBy(pem('client-certificate-data'), (await state.read('pki/signer.crt')) ?? ''));
  t.true(matchesKey(pem('client-certificate-data'), pem('client-key-data')));
  t.is(clusters[0]?.cluster['server'], 'https://10.0.0.1:6443');
  await issueForPerson(INVENTORY, state, systemClock, { ...anna, user: 'bert' });
  const people = await readPeople(state);
  t.deepEqual(people[0], record);
  t.is(record.serialNumber, certificate.serialNumber);
  t.deepEqual(
    people.map(({ user }) => user),
    ['anna', 'bert'],
  );
  t.is((await stat(join(state.path, 'people/issued.jsonl'))).mode & 0o777, 0o600);
});

test('names and groups that are Kubernetes’ own need --break-glass', async (t) => {
  const state = await stateWithCluster();
  for (const change of [
    { groups: ['system:masters'] },
    { groups: ['developers', 'system:nodes'] },
    { user: 'system:kube-scheduler' },
  ]) {
    const error = await t.throwsAsync(issueForPerson(INVENTORY, state, systemClock, { ...anna, ...change }), {
      code: 'E_PERSON',
    });
    t.regex(error.message, /system:.* is Kubernetes' own/);
  }
  t.deepEqual(await readPeople(state), []);
  const { record } = await issueForPerson(INVENTORY, state, systemClock, {
    ...anna,
    groups: ['system:masters'],
    breakGlass: true,
  });
  t.true(record.breakGlass);
});

test('impossible names and lifetimes are refused, and so is a directory without a cluster', async (t) => {
  const state = await stateWithCluster();
  for (const change of [{ user: '' }, { user: 'x'.repeat(65) }, { user: 'a\nb' }, { lifetimeMs: 10 }]) {
    await t.throwsAsync(issueForPerson(INVENTORY, state, systemClock, { ...anna, ...change }), {
      code: 'E_PERSON',
    });
  }
  const empty = new StateDirectory(mkdtempSync(join(tmpdir(), 'slipway-people-')));
  await t.throwsAsync(issueForPerson(INVENTORY, empty, systemClock, anna), { code: 'E_NO_CLUSTER' });
});

test('merging replaces entries of the same name, keeps the others, and takes the new context', async (t) => {
  const state = await stateWithCluster();
  const { kubeconfig } = await issueForPerson(INVENTORY, state, systemClock, anna);
  const existing = `apiVersion: v1
kind: Config
preferences: { colors: true }
clusters:
- { name: other, cluster: { server: "https://other" } }
- { name: test, cluster: { server: "https://old" } }
contexts: [{ name: other, context: { cluster: other, user: other } }]
users: [{ name: other, user: { token: abc } }]
current-context: other
`;
  const merged = parse(mergeKubeconfig(existing, kubeconfig)) as Record<string, Array<{ name: string }>>;
  t.deepEqual(
    merged['clusters']?.map(({ name }) => name),
    ['other', 'test'],
  );
  t.deepEqual(
    merged['users']?.map(({ name }) => name),
    ['other', 'anna'],
  );
  t.like(merged, { preferences: { colors: true }, 'current-context': 'anna@test' });
  t.false(mergeKubeconfig(existing, kubeconfig).includes('https://old'));
  for (const bad of ['[1]', 'kind: Pod', 'clusters: x', '{']) {
    t.throws(() => mergeKubeconfig(bad, kubeconfig), { code: 'E_PERSON' });
  }
});

test('a kubeconfig is for its owner alone, even where it was not', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'slipway-people-')), 'deep/config');
  await writePrivate(path, 'a');
  await writeFile(path, 'b', { mode: 0o644 });
  await writePrivate(path, 'c');
  t.is(await readFile(path, 'utf8'), 'c');
  t.is((await stat(path)).mode & 0o777, 0o600);
});
