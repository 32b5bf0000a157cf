import { join } from 'node:path';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { openStore, type StoreFlags } from '../../src/cmd/open-store.ts';
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import { etcdBinary, startEtcd } from '../helpers/etcd.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const context = { clock: systemClock, log: silentLogger, signal: new AbortController().signal };

test('--data-dir opens the embedded store', async (t) => {
  const storage = await openStore({ dataDir: join(await temporaryDirectory(t), 'store') }, context);
  t.true(storage instanceof EmbeddedStorage);
  await storage.close();
});

(etcdBinary() ? test : test.skip)('--etcd-servers opens etcd at whichever member answers', async (t) => {
  const [member] = await startEtcd();
  t.teardown(() => member!.stop());
  const storage = await openStore({ etcdServers: `http://127.0.0.1:1, ${member!.url}` }, context);
  t.true(storage instanceof EtcdStorage);
  t.is(await storage.currentRevision(), 1);
  await storage.close();
});

test('flags that contradict each other are refused before anything is opened', async (t) => {
  const etcdServers = 'https://127.0.0.1:1';
  const bad: StoreFlags[] = [
    {},
    { dataDir: '/nonexistent', etcdServers },
    { dataDir: '/nonexistent', etcdCafile: 'ca.crt' },
    { etcdServers, etcdCafile: 'ca.crt', etcdCertfile: 'client.crt' },
    { etcdServers, etcdCertfile: 'client.crt', etcdKeyfile: 'client.key' },
    { etcdServers, storeQuotaBytes: 1 },
  ];
  for (const flags of bad) await t.throwsAsync(openStore(flags, context), { code: 'E_STORE_FLAGS' });
  await t.throwsAsync(openStore({ etcdServers: '' }, context), { code: 'E_STORAGE_ENDPOINT' });
});
