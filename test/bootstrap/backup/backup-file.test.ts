import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Readable } from 'node:stream';
import { systemClock } from '../../../src/base/clock.ts';
import { codeOf, messageOf } from '../../../src/base/errors.ts';
import type { BackupHead } from '../../../src/bootstrap/backup/contents.ts';
import { forServers } from '../../../src/bootstrap/backup/renew-identity.ts';
import { seal, unseal } from '../../../src/bootstrap/backup/sealed-file.ts';
import { verifyBackup } from '../../../src/bootstrap/backup/verify.ts';
import { clusterPki } from '../../../src/pki/cluster-pki.ts';
import { encodeRecords } from '../../../src/storage/record-stream.ts';
import type { StoreRecord } from '../../../src/storage/records.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const PASSPHRASE = 'a long enough passphrase';

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

const sealed = (plain: Buffer, passphrase = PASSPHRASE): Promise<Buffer> =>
  collect(seal(Readable.from([plain.subarray(0, 7), plain.subarray(7)]), passphrase));
const unsealed = (file: Buffer, passphrase = PASSPHRASE): Promise<Buffer> =>
  collect(unseal(Readable.from([file]), passphrase));

/** The first chunk does not tell a wrong passphrase from a change. */
async function refused(t: ExecutionContext, opening: Promise<Buffer>, what = ''): Promise<void> {
  const error = await t.throwsAsync(opening, undefined, what);
  t.regex(codeOf(error) ?? '', /^E_(BACKUP|PASSPHRASE)$/, what);
}

test('what was sealed comes out as it was, at every length around a chunk’s', async (t) => {
  for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000]) {
    const plain = randomBytes(length);
    const file = await sealed(plain);
    t.true((await unsealed(file)).equals(plain), String(length));
    if (length > 100) t.false(file.includes(plain.subarray(0, 100)));
  }
});

test('another passphrase opens nothing', async (t) => {
  const file = await sealed(randomBytes(200_000));
  await t.throwsAsync(unsealed(file, 'another passphrase'), { code: 'E_PASSPHRASE' });
});

test('a file that is cut off, changed anywhere, or rearranged is refused', async (t) => {
  const file = await sealed(randomBytes(200_000));
  const first = file.indexOf(0x0a, 17) + 1;
  const chunk = 4 + 65_536 + 16;
  for (const end of [0, 10, first, first + 3, first + chunk, first + 2 * chunk, file.length - 1]) {
    await refused(t, unsealed(file.subarray(0, end)), `cut at ${end}`);
  }
  for (const at of [3, 25, first + 1, first + 100, first + chunk + 9, file.length - 5]) {
    const changed = Buffer.from(file);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await refused(t, unsealed(changed), `changed at ${at}`);
  }
  const swapped = Buffer.concat([
    file.subarray(0, first),
    file.subarray(first + chunk, first + 2 * chunk),
    file.subarray(first, first + chunk),
    file.subarray(first + 2 * chunk),
  ]);
  await refused(t, unsealed(swapped));
  await t.throwsAsync(unsealed(Buffer.concat([file, Buffer.from('more')])), { code: 'E_BACKUP' });
});

const record = (key: string, object: unknown): StoreRecord => ({
  key,
  modRevision: 7,
  value: Buffer.from(JSON.stringify(object)),
});
const named = (name: string, more: object = {}): object => ({ metadata: { name }, ...more });

test('a restored store has nothing of servers that are gone, and all the rest', async (t) => {
  const kept = [
    record('/registry/configmaps/default/a', named('a')),
    record('/registry/endpoints/default/web', named('web')),
    record('/registry/leases.coordination.k8s.io/default/mine', named('mine')),
    record('/registry/nodes/w1', named('w1')),
    record('/registry/pods/default/here', named('here', { spec: { nodeName: 'w1' } })),
    record('/registry/pods/default/waits', named('waits', { spec: {} })),
    record('/registry/secrets/kube-system/mine', named('mine')),
  ];
  const left = [
    record('/registry/endpoints/default/kubernetes', named('kubernetes')),
    record('/registry/endpointslices.discovery.k8s.io/default/kubernetes', named('kubernetes')),
    record('/registry/certificatesigningrequests.certificates.k8s.io/csr-1', named('csr-1')),
    record('/registry/leases.coordination.k8s.io/kube-node-lease/w1', named('w1')),
    record('/registry/leases.coordination.k8s.io/kube-system/kube-scheduler', named('kube-scheduler')),
    record('/registry/masterleases/10.0.0.1', {}),
    record('/registry/nodes/gone', named('gone')),
    record('/registry/pods/default/there', named('there', { spec: { nodeName: 'gone' } })),
    record('/registry/secrets/kube-system/bootstrap-token-abcdef', named('bootstrap-token-abcdef')),
  ];
  async function* all(): AsyncGenerator<StoreRecord> {
    yield* [...kept, ...left];
  }
  const keys: string[] = [];
  for await (const { key } of forServers(all(), new Set(['cp1', 'w1']))) keys.push(key);
  t.deepEqual(
    keys,
    kept.map(({ key }) => key),
  );
});

async function backupFile(
  folder: string,
  records: StoreRecord[],
  change: (files: Record<string, string>) => void = () => {},
): Promise<string> {
  const { files } = clusterPki({
    clock: systemClock,
    nodes: [{ name: 'cp1', addresses: ['10.0.0.1'], controlPlane: true }],
    serviceAddress: '10.96.0.1',
    clusterDomain: 'cluster.local',
    extraNames: [],
    passphrase: PASSPHRASE,
  });
  change(files);
  const head: BackupHead = {
    format: 1,
    cluster: 'c',
    release: '1',
    madeAt: '2026-01-01T00:00:00Z',
    inventory: '',
    files,
  };
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'c.backup');
  await writeFile(path, await collect(seal(encodeRecords(500, records, head), PASSPHRASE)));
  return path;
}

const verify = (path: string): ReturnType<typeof verifyBackup> =>
  verifyBackup({
    path,
    passphrase: PASSPHRASE,
    clock: systemClock,
    opener: () => (_key, value) => {
      if (value.toString() !== 'k8s:enc:good') throw new Error('does not open');
      return Buffer.from(JSON.stringify(named('s')));
    },
  });

test('a good backup is verified: objects by kind, Secrets opened, certificates with their keys', async (t) => {
  const records = [
    ...Array.from({ length: 1200 }, (_, i) => record(`/registry/configmaps/default/c${i}`, named(`c${i}`))),
    { key: '/registry/secrets/default/s', modRevision: 9, value: Buffer.from('k8s:enc:good') },
  ];
  const result = await verify(await backupFile(await temporaryDirectory(t), records));
  t.deepEqual(result.problems, []);
  t.deepEqual(result.kinds, { configmaps: 1200, secrets: 1 });
  t.deepEqual([result.objects, result.encrypted, result.revision], [1201, 1, 500]);
  t.true(result.certificates >= 15);
});

test('what is wrong in a backup is found: values, Secrets, keys, missing authorities', async (t) => {
  const records = [
    { key: '/registry/configmaps/default/a', modRevision: 1, value: Buffer.from('{"metadata":') },
    { key: '/registry/secrets/default/s', modRevision: 2, value: Buffer.from('k8s:enc:bad') },
  ];
  const path = await backupFile(await temporaryDirectory(t), records, (files) => {
    files['nodes/cp1/apiserver.key'] = files['nodes/cp1/scheduler.key'] ?? '';
    delete files['pki/sa.key'];
  });
  const { problems } = await verify(path);
  t.is(problems.length, 4, problems.join('\n'));
  for (const part of ['configmaps/default/a', 'secrets/default/s', 'nodes/cp1/apiserver.crt', 'pki/sa.key'])
    t.true(
      problems.some((problem) => problem.includes(part)),
      part,
    );
});

test('a backup whose file ends early is refused, and says so', async (t) => {
  const records = Array.from({ length: 3000 }, (_, i) =>
    record(
      `/registry/configmaps/default/c${i}`,
      named(`c${i}`, { data: { x: randomBytes(60).toString('hex') } }),
    ),
  );
  const path = await backupFile(await temporaryDirectory(t), records);
  await writeFile(path, (await readFile(path)).subarray(0, -70_000));
  const error = await t.throwsAsync(verify(path), { code: 'E_BACKUP' });
  t.regex(messageOf(error), /cut off|changed/);
});
