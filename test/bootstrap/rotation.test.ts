/** Rotations in the state directory: stages, other commands in the middle of one, dry runs, and what is refused. */
import test from 'ava';
import { end, reach, RotatedFiles } from '../../src/bootstrap/certificates/rotate/state.ts';
import { generations } from '../../src/bootstrap/certificates/rotate/generation.ts';
import { caFile, clientCaFile } from '../../src/bootstrap/components/files.ts';
import { issueCertificates, pki } from '../../src/bootstrap/phases/pki.ts';
import { AUTHORITIES, ROTATION_STAGES } from '../../src/pki/rotation.ts';
import { splitCertificates } from '../../src/pki/pem.ts';
import { newCluster } from './harness.ts';

const count = (pem: string): number => splitCertificates(pem).length;

/** A cluster with a PKI, and the same state directory for further runs. */
async function made(): Promise<ReturnType<typeof newCluster>> {
  const first = newCluster();
  await issueCertificates(first.cluster);
  return first;
}

/** What a further run of any command sees. */
const again = (of: ReturnType<typeof newCluster>, dryRun = false): ReturnType<typeof newCluster> =>
  newCluster({ state: of.cluster.state, dryRun });

test('each stage is what every later command reads, until the end', async (t) => {
  const first = await made();
  const { cluster } = first;
  const files = new RotatedFiles(cluster);
  const seen: Array<[ca: number, clients: number]> = [];
  for (const stage of ROTATION_STAGES) {
    await reach(stage, files, cluster, AUTHORITIES);
    await files.issue();
    const other = again(first);
    await pki.run(other.cluster);
    t.deepEqual(other.cluster.pki, cluster.pki, `${stage}: "up" has the same files`);
    t.deepEqual(other.cluster.changes, [], `${stage}: and issues nothing`);
    const warnings = other.events.filter(({ type }) => type === 'warning');
    t.true(JSON.stringify(warnings).includes(`stage \\"${stage}\\"`), JSON.stringify(warnings));
    seen.push([count(caFile(cluster).content), count(clientCaFile(cluster).content)]);
  }
  // Roots, and among the clients' the intermediates of kubelets: both while both may be in use.
  t.deepEqual(seen, [
    [2, 3],
    [2, 4],
    [1, 2],
  ]);
  await end(files);
  const last = again(first);
  await pki.run(last.cluster);
  t.deepEqual(last.cluster.changes, []);
  t.deepEqual(
    last.events.filter(({ type }) => type === 'warning'),
    [],
  );
  t.is(caFile(last.cluster).content, caFile(cluster).content);
});

test('a stage that is past is not gone back to, and a stage is not left out', async (t) => {
  const { cluster } = await made();
  const files = new RotatedFiles(cluster);
  await reach('issue', files, cluster, ['ca']);
  t.deepEqual(
    cluster.changes.filter(({ change }) => !change.startsWith('issue ') && !change.startsWith('make pki')),
    [],
    'no stage before the first',
  );
  await reach('trust', files, cluster, ['ca']);
  await reach('issue', files, cluster, ['ca']);
  const before = await cluster.state.readPkiFiles();
  await reach('trust', new RotatedFiles(cluster), cluster, ['ca']);
  t.deepEqual(await cluster.state.readPkiFiles(), before);
});

test('a rotation of other authorities must end first', async (t) => {
  const { cluster } = await made();
  await reach('trust', new RotatedFiles(cluster), cluster, ['etcd/ca']);
  for (const asked of [AUTHORITIES, ['ca']] as const)
    await t.throwsAsync(reach('trust', new RotatedFiles(cluster), cluster, asked), {
      code: 'E_ROTATION',
      message: /has not ended: etcd/,
    });
  await t.notThrowsAsync(reach('trust', new RotatedFiles(cluster), cluster, ['etcd/ca']));
});

test('a dry run plays every stage through and writes nothing', async (t) => {
  const first = await made();
  const before = await first.cluster.state.readPkiFiles();
  const { cluster } = again(first, true);
  const files = new RotatedFiles(cluster);
  const trusted: number[] = [];
  for (const stage of ROTATION_STAGES) {
    await reach(stage, files, cluster, AUTHORITIES);
    await files.issue();
    trusted.push(count(cluster.pki['pki/ca.crt'] ?? ''));
  }
  await end(files);
  t.deepEqual(trusted, [2, 2, 1]);
  t.true(cluster.changes.some(({ change }) => change.startsWith('issue nodes/cp1/apiserver ')));
  t.deepEqual(await first.cluster.state.readPkiFiles(), before);
});

test('certificates are told apart by the authority that issued them', async (t) => {
  const { cluster } = await made();
  const [leaf, signer] = ['nodes/cp1/apiserver.crt', 'pki/signer.crt'].map((path) => cluster.pki[path] ?? '');
  t.is(generations(await cluster.state.readPkiFiles())(leaf ?? ''), undefined, 'nothing is being replaced');
  const files = new RotatedFiles(cluster);
  for (const stage of ['trust', 'issue'] as const) {
    await reach(stage, files, cluster, ['ca']);
    await files.issue();
  }
  const of = generations(await cluster.state.readPkiFiles());
  t.is(of(leaf ?? ''), 'old');
  t.is(of(signer ?? ''), 'old');
  t.is(of(cluster.pki['nodes/cp1/apiserver.crt'] ?? ''), 'new');
  t.is(of(cluster.pki['nodes/cp1/front-proxy-client.crt'] ?? ''), undefined, 'its authority stays');
});
