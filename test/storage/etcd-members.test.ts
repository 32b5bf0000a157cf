/** Membership and maintenance on a real etcd: grow, shrink, back up, restore, and recover from a full quota. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EtcdMembers } from '../../src/storage/etcd/members.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { etcdBinary, etcdctlBinary, freePorts, startAddedEtcd, startEtcd } from '../helpers/etcd.ts';
import { TcpProxy } from '../helpers/tcp-proxy.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { put, text } from '../contract/storage-kit.ts';

const run = etcdBinary() ? test : test.skip;

run(
  'a learner is added, catches up, is promoted, and removed, and repeated calls change nothing',
  async (t) => {
    const [first] = await startEtcd();
    t.teardown(() => first!.stop());
    const admin = await EtcdMembers.open({ endpoints: [first!.url], clock: systemClock });
    t.teardown(() => admin.close());
    const [only, ...others] = await admin.list();
    t.like(only, { name: 'm1', peerUrls: [first!.peerUrl], clientUrls: [first!.url], isLearner: false });
    t.deepEqual(others, []);

    const [port] = await freePorts(1);
    const peerUrl = `http://127.0.0.1:${port}`;
    const added = await admin.addLearner([peerUrl]);
    t.like(added.member, { name: '', peerUrls: [peerUrl], isLearner: true });
    t.is((await admin.addLearner([peerUrl])).member.id, added.member.id);
    t.is((await admin.list()).length, 2);
    await t.throwsAsync(admin.promote(added.member.id), { code: 'E_STORAGE_LEARNER_BEHIND' });

    const cluster = `m1=${first!.peerUrl},m2=${peerUrl}`;
    const second = await startAddedEtcd('m2', peerUrl, cluster);
    t.teardown(() => second.stop());
    await waitFor('the learner to be promoted', () => admin.promote(added.member.id));
    t.is((await admin.promote(added.member.id)).length, 2);
    const status = await waitFor('the new member to know its leader', async () => {
      const answer = await admin.status(second.url);
      return answer.leader === undefined ? undefined : answer;
    });
    t.like(status, { id: added.member.id, isLearner: false, leader: only!.id, errors: [] });
    t.regex(status.version, /^3\.\d+\.\d+/);

    const left = await waitFor('the member to be removed', () => admin.remove(added.member.id));
    t.deepEqual(
      left.map((member) => member.id),
      [only!.id],
    );
    t.is((await admin.remove(added.member.id)).length, 1);
  },
);

run('the status of a member that is gone fails with a code', async (t) => {
  const [member] = await startEtcd();
  t.teardown(() => member!.stop());
  const admin = await EtcdMembers.open({ endpoints: [member!.url], clock: systemClock });
  t.teardown(() => admin.close());
  const [port] = await freePorts(1);
  await t.throwsAsync(admin.status(`http://127.0.0.1:${port}`), { code: 'E_STORAGE_UNAVAILABLE' });
});

run('members that hold the same have the same hash, another revision has another', async (t) => {
  const members = await startEtcd(3);
  for (const member of members) t.teardown(() => member.stop());
  const storage = await EtcdStorage.open({ endpoints: [members[0]!.url], clock: systemClock });
  t.teardown(() => storage.close());
  const admin = await EtcdMembers.open({ endpoints: [members[0]!.url], clock: systemClock });
  t.teardown(() => admin.close());
  await put(storage, '/a', '1');
  const revision = await put(storage, '/a', '2');
  const hashes = (at: number) =>
    Promise.all(members.map(async ({ url }) => (await admin.hash(url, at)).hash));
  const equal = await waitFor('all members have it', async () => {
    const found = await hashes(revision).catch(() => undefined);
    return found && new Set(found).size === 1 ? found : undefined;
  });
  t.not((await hashes(revision - 1))[0], equal[0]);
});

run('a snapshot is written whole with its hash; one that is cut off leaves no file', async (t) => {
  const [member] = await startEtcd();
  t.teardown(() => member!.stop());
  const storage = await EtcdStorage.open({ endpoints: [member!.url], clock: systemClock });
  t.teardown(() => storage.close());
  for (let i = 0; i < 20; i++) await put(storage, `/a/${i}`, 'x'.repeat(100_000));
  const dir = await temporaryDirectory(t);
  const admin = await EtcdMembers.open({ endpoints: [member!.url], clock: systemClock });
  t.teardown(() => admin.close());
  const path = join(dir, 'snapshot.db');
  const info = await admin.snapshot(member!.url, path);
  const file = await readFile(path);
  t.is(file.length, info.bytes);
  t.is(file.subarray(-32).toString('hex'), info.sha256);
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.true(info.bytes > 2_000_000);

  const proxy = await TcpProxy.start(Number(new URL(member!.url).port));
  t.teardown(() => proxy.close());
  proxy.cutAfterBytes = 1_000_000;
  const cut = join(dir, 'cut.db');
  await t.throwsAsync(admin.snapshot(proxy.url, cut), { code: 'E_STORAGE_SNAPSHOT' });
  t.false(existsSync(cut) || existsSync(`${cut}.part`));

  if (!etcdctlBinary()) return t.log('not restored: there is no etcdctl');
  const restored = join(dir, 'restored');
  const [port] = await freePorts(1);
  const peerUrl = `http://127.0.0.1:${port}`;
  const flags = ['--name=m1', `--initial-cluster=m1=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`];
  const restore = spawnSync(
    etcdctlBinary()!,
    ['snapshot', 'restore', path, `--data-dir=${join(restored, 'data')}`, ...flags],
    { env: { ...process.env, ETCDCTL_API: '3' } },
  );
  t.is(restore.status, 0, restore.stderr.toString());
  const again = await startAddedEtcd('m1', peerUrl, `m1=${peerUrl}`, { dir: restored });
  t.teardown(() => again.stop());
  const copy = await EtcdStorage.open({ endpoints: [again.url], clock: systemClock });
  t.teardown(() => copy.close());
  t.is((await copy.range({ prefix: '/a/' })).count, 20);

  // A store that was opened on the old cluster must not go on with another one under its address.
  const both = await EtcdStorage.open({
    endpoints: [member!.url, again.url],
    clock: systemClock,
    requestMs: 3000,
  });
  t.teardown(() => both.close());
  await put(both, '/b', '1');
  await member!.kill();
  await t.throwsAsync(both.get('/b'), { code: 'E_STORAGE_WRONG_CLUSTER' });
  return undefined;
});

run('a full quota refuses writes with a code, and writing goes on after making space', async (t) => {
  const [member] = await startEtcd(1, { flags: ['--quota-backend-bytes=4194304'] });
  t.teardown(() => member!.stop());
  const storage = await EtcdStorage.open({ endpoints: [member!.url], clock: systemClock });
  t.teardown(() => storage.close());
  const admin = await EtcdMembers.open({ endpoints: [member!.url], clock: systemClock });
  t.teardown(() => admin.close());
  const large = Buffer.alloc(500_000, 'v');
  const error = await t.throwsAsync(async () => {
    for (let i = 0; i < 40; i++) await storage.put('/a', large);
  });
  t.like(error, { code: 'E_STORAGE_FULL' });
  t.deepEqual(
    (await admin.alarms()).map((alarm) => alarm.type),
    ['NOSPACE'],
  );
  t.true((await storage.get('/a')).kv?.value.equals(large));
  t.true((await storage.size()) > 4_000_000);

  await storage.compact(await storage.currentRevision());
  await admin.defragment(member!.url);
  await admin.disarmNoSpace();
  t.deepEqual(await admin.alarms(), []);
  await waitFor('a write to succeed', () => storage.put('/b', Buffer.from('1')));
  t.is((await storage.get('/b')).kv?.value.toString(), '1');
});

run('a value beyond what etcd takes is refused with a code, and nothing is written', async (t) => {
  const [member] = await startEtcd();
  t.teardown(() => member!.stop());
  const storage = await EtcdStorage.open({ endpoints: [member!.url], clock: systemClock });
  t.teardown(() => storage.close());
  await t.throwsAsync(storage.put('/a', Buffer.alloc(3_000_000), 0), { code: 'E_STORAGE_TOO_LARGE' });
  t.is((await storage.get('/a')).kv, undefined);
  t.is(await storage.currentRevision(), 1);
});

run('two stores in one etcd do not see each other', async (t) => {
  const [member] = await startEtcd();
  t.teardown(() => member!.stop());
  const open = (prefix: string): Promise<EtcdStorage> =>
    EtcdStorage.open({ endpoints: [member!.url], clock: systemClock, prefix });
  const [one, two] = await Promise.all([open('/one'), open('/two')]);
  t.teardown(() => Promise.all([one.close(), two.close()]));
  await put(one, '/a', '1');
  await put(two, '/a', '2');
  await put(two, '/b', '2');
  t.is(text((await one.get('/a')).kv), '/a=1@2/2');
  t.deepEqual(
    (await two.range({ prefix: '' })).kvs.map((kv) => kv.key),
    ['/a', '/b'],
  );
  t.is((await one.range({ prefix: '/' })).count, 1);
});

run('what one client compacts, another knows', async (t) => {
  const [member] = await startEtcd();
  t.teardown(() => member!.stop());
  const open = (): Promise<EtcdStorage> => EtcdStorage.open({ endpoints: [member!.url], clock: systemClock });
  const [one, two] = await Promise.all([open(), open()]);
  t.teardown(() => Promise.all([one.close(), two.close()]));
  for (let i = 0; i < 9; i++) await put(one, '/a', String(i));
  await one.compact(8);
  t.is(await two.compactedRevision(), 8);
  const compacted = { code: 'E_STORAGE_COMPACTED', message: /revision 5 .*8/ };
  await t.throwsAsync(two.get('/a', 5), compacted);
  await t.throwsAsync(two.watch('/', 5, { onEvents() {}, onEnd() {} }), compacted);
  await two.compact(6);
  t.is(await two.compactedRevision(), 8);
});
