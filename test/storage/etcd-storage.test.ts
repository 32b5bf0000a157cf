import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { storageContract } from '../contract/storage.ts';
import { etcdBinary, startEtcd, type EtcdServer } from '../helpers/etcd.ts';

/** A one-member etcd elects itself as fast as its timeouts let it. */
const FAST = ['--heartbeat-interval', '10', '--election-timeout', '100'];
/** Every test wants an etcd of its own, and all tests of a file begin at once. */
const AT_ONCE = 3;

if (etcdBinary()) {
  storageContract(test, 'etcd', openEmptyStore, { modelRuns: 12 });
} else {
  test.skip('the contract of storage on etcd (no etcd here: apt-get install etcd-server)', () => {});
}

let free = AT_ONCE;
const waiting: Array<() => void> = [];

async function openEmptyStore(): Promise<Storage> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  const [server] = await startEtcd(1, { flags: FAST });
  const storage = await EtcdStorage.open({ endpoints: [server!.url], clock: systemClock });
  const close = storage.close.bind(storage);
  let closed: Promise<void> | undefined;
  storage.close = () => {
    closed ??= closeBoth(close, server!);
    return closed;
  };
  return storage;
}

async function closeBoth(close: () => Promise<void>, server: EtcdServer): Promise<void> {
  await close();
  await server.stop();
  const next = waiting.shift();
  if (next) next();
  else free++;
}
