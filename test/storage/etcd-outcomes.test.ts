/** Writes whose request or answer is lost on the way: each must take effect once, and say the truth. */
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { etcdBinary, startEtcd } from '../helpers/etcd.ts';
import { TcpProxy } from '../helpers/tcp-proxy.ts';
import { put, text } from '../contract/storage-kit.ts';

const run = etcdBinary() ? test : test.skip;

interface Setup {
  /** Through the proxy first, directly once that fails. */
  storage: EtcdStorage;
  proxy: TcpProxy;
  /** Another client, whose way is good. */
  other: EtcdStorage;
}

async function setUp(t: ExecutionContext): Promise<Setup> {
  const [server] = await startEtcd();
  const proxy = await TcpProxy.start(Number(new URL(server!.url).port));
  const options = { clock: systemClock, attemptMs: 700 };
  const storage = await EtcdStorage.open({ ...options, endpoints: [proxy.url, server!.url] });
  const other = await EtcdStorage.open({ ...options, endpoints: [server!.url] });
  t.teardown(async () => {
    await Promise.all([storage.close(), other.close()]);
    await proxy.close();
    await server!.stop();
  });
  return { storage, proxy, other };
}

run('a creation whose answer is lost is not a conflict with itself', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  proxy.loseAnswers = true;
  t.deepEqual(await storage.put('/a', Buffer.from('1'), 0), { ok: true, revision: 2, previous: undefined });
  t.is(await other.currentRevision(), 2);
  t.is(text((await storage.get('/a')).kv), '/a=1@2/2');
});

run('an update whose answer is lost is done once, and returns the pair before', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  const at = await put(storage, '/a', 'old');
  proxy.loseAnswers = true;
  const result = await storage.put('/a', Buffer.from('new'), at);
  t.like(result, { ok: true, revision: 3 });
  t.is(result.ok ? text(result.previous) : '', '/a=old@2/2');
  t.is(await other.currentRevision(), 3);
});

run(
  'an update whose answer is lost and that others have overwritten since was done all the same',
  async (t) => {
    const { storage, proxy, other } = await setUp(t);
    const at = await put(storage, '/a', 'old');
    proxy.loseAnswers = true;
    const pending = storage.put('/a', Buffer.from('mine'), at);
    for (;;) {
      const { kv } = await other.get('/a');
      if (kv?.value.toString() === 'mine') break;
    }
    t.true((await other.put('/a', Buffer.from('theirs'), 3)).ok);
    t.like(await pending, { ok: true, revision: 3 });
    t.is(text((await storage.get('/a')).kv), '/a=theirs@2/4');
  },
);

run('an update that never arrived is done after all', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  const at = await put(storage, '/a', 'old');
  proxy.loseRequests = true;
  t.like(await storage.put('/a', Buffer.from('new'), at), { ok: true, revision: 3 });
  t.is(await other.currentRevision(), 3);
});

run('an update that never arrived is a conflict when another was faster', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  const at = await put(storage, '/a', 'old');
  proxy.loseRequests = true;
  const pending = storage.put('/a', Buffer.from('mine'), at);
  t.true((await other.put('/a', Buffer.from('theirs'), at)).ok);
  const result = await pending;
  t.false(result.ok);
  t.is(result.ok ? '' : text(result.current), '/a=theirs@2/3');
});

run('an update that never arrived is a conflict when another deleted the key', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  const at = await put(storage, '/a', 'old');
  proxy.loseRequests = true;
  const pending = storage.put('/a', Buffer.from('mine'), at);
  t.true((await other.delete('/a', at)).ok);
  t.like(await pending, { ok: false, current: undefined });
});

run('a deletion whose answer is lost is done once, and returns what it deleted', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  const at = await put(storage, '/a', 'old');
  proxy.loseAnswers = true;
  const result = await storage.delete('/a', at);
  t.like(result, { ok: true, revision: 3 });
  t.is(result.ok ? text(result.previous) : '', '/a=old@2/2');
  t.is(await other.currentRevision(), 3);
});

run('a deletion of a key that another changed meanwhile leaves the change', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  const at = await put(storage, '/a', 'old');
  proxy.loseRequests = true;
  const pending = storage.delete('/a', at);
  await put(other, '/a', 'new');
  t.false((await pending).ok);
  t.is(text((await storage.get('/a')).kv), '/a=new@2/3');
});

run('a write without comparison whose answer is lost is done once', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  await put(storage, '/a', 'old');
  proxy.loseAnswers = true;
  const result = await storage.put('/a', Buffer.from('new'));
  t.like(result, { ok: true, revision: 3 });
  t.is(result.ok ? text(result.previous) : '', '/a=old@2/2');
  t.is(await other.currentRevision(), 3);
});

run('writes that lose their connection again and again are each done once and in order', async (t) => {
  const { storage, proxy, other } = await setUp(t);
  const cutting = (async () => {
    for (let i = 0; i < 20; i++) {
      await other.put(`/tick`, Buffer.from(String(i)));
      proxy.cut();
    }
  })();
  let at = 0;
  for (let i = 0; i < 100; i++) {
    const result = await storage.put('/a', Buffer.from(String(i)), at);
    t.true(result.ok, `write ${i}`);
    t.is(result.ok ? (result.previous?.value.toString() ?? '') : '', i === 0 ? '' : String(i - 1));
    at = result.revision;
  }
  await cutting;
  t.is(await other.currentRevision(), 1 + 100 + 20);
});

run('a write whose fate nobody can tell is neither done nor refused: it says so', async (t) => {
  const [server] = await startEtcd();
  const proxy = await TcpProxy.start(Number(new URL(server!.url).port));
  const options = { clock: systemClock, attemptMs: 300, requestMs: 1000 };
  const storage = await EtcdStorage.open({ ...options, endpoints: [proxy.url] });
  t.teardown(async () => {
    await storage.close();
    await proxy.close();
    await server!.stop();
  });
  proxy.loseAnswers = true;
  await t.throwsAsync(storage.put('/a', Buffer.from('1'), 0), { code: 'E_STORAGE_UNKNOWN_OUTCOME' });
  proxy.loseAnswers = false;
  t.is(text((await storage.get('/a')).kv), '/a=1@2/2');
});
