import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { EmbeddedStorage } from '../src/storage/embedded/embedded-storage.ts';
import { EtcdStorage } from '../src/storage/etcd/etcd-storage.ts';
import { EtcdClient } from './etcd-client.ts';
import { startEtcd, type EtcdServer } from './etcd-server.ts';
import { closedLoop, cpuSeconds, type Latencies } from './measure.ts';
import { micros, ms, rate, type Section } from './table.ts';

const VALUE = Buffer.alloc(1500, 'v');
const KEYS = 500;
const SETTINGS = [
  { clients: 1, count: 1000 },
  { clients: 200, count: 20_000 },
];

interface Measured extends Latencies {
  cpuMicros: number;
}

/** Durable writes of 1.5 KB: the embedded store, then Debian's etcd on the same disk. */
export async function benchStorage(root: string): Promise<Section> {
  const dir = await mkdtemp(join(root, 'storage-'));
  try {
    const ours = await measureEmbedded(join(dir, 'slipway'));
    const theirs = await measureEtcd(join(dir, 'etcd'));
    const rows = SETTINGS.flatMap(({ clients }, i) => {
      const [own, etcd] = [ours[i]!, theirs?.results[i]];
      const hands = `${clients} ${clients === 1 ? 'client' : 'clients'}`;
      return [
        {
          what: `embedded store, ${hands}`,
          value: describe(own),
          ...(etcd
            ? { target: `at least etcd: ${rate(etcd.perSecond)}`, met: own.perSecond >= etcd.perSecond }
            : {}),
        },
        ...(etcd ? [{ what: `etcd ${theirs!.version}, ${hands}`, value: describe(etcd) }] : []),
        ...(theirs ? [{ what: `etcd engine, ${hands}`, value: describeEngine(theirs.engine[i]!) }] : []),
      ];
    });
    return { title: 'Durable writes of 1.5 KB, fsync on, same disk', rows };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function describe({ perSecond, p50Ms, p99Ms, cpuMicros }: Measured): string {
  return `${rate(perSecond)}, p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, CPU ${micros(cpuMicros)}`;
}

/** The CPU of the engine, which is this process with the loop that drives it, and of etcd behind it. */
function describeEngine({ own, etcdMicros }: EngineMeasured): string {
  return `${describe(own)} + etcd ${micros(etcdMicros)}`;
}

async function measureEmbedded(dir: string): Promise<Measured[]> {
  const storage = await EmbeddedStorage.open(dir, { clock: systemClock });
  const results = await measure(process.pid, (key) => storage.put(key, VALUE));
  await storage.close();
  return results;
}

interface EngineMeasured {
  own: Measured;
  etcdMicros: number;
}

interface EtcdMeasured {
  version: string;
  results: Measured[];
  engine: EngineMeasured[];
}

async function measureEtcd(dir: string): Promise<EtcdMeasured | undefined> {
  const server = await startEtcd(dir);
  if (!server) return undefined;
  const client = new EtcdClient(server.url, 8);
  const results = await measure(server.pid, (key) => client.put(key, VALUE));
  client.close();
  const engine = await measureEngine(server);
  await server.stop();
  return { version: server.version, results, engine };
}

/** Our engine over the same etcd: each write returns the pair before it and waits for nobody's watch. */
async function measureEngine(server: EtcdServer): Promise<EngineMeasured[]> {
  const storage = await EtcdStorage.open({ endpoints: [server.url], clock: systemClock });
  const measured: EngineMeasured[] = [];
  for (const setting of SETTINGS) {
    const before = await cpuSeconds(server.pid);
    const [own] = await measure(process.pid, (key) => storage.put(key, VALUE), [setting]);
    const used = (await cpuSeconds(server.pid)) - before;
    measured.push({ own: own!, etcdMicros: (used / (setting.count * 1.1)) * 1e6 });
  }
  await storage.close();
  return measured;
}

/** CPU is that of the process `pid`: of etcd without its client, of ours with the loop that drives it. */
async function measure(
  pid: number,
  put: (key: string) => Promise<unknown>,
  settings = SETTINGS,
): Promise<Measured[]> {
  const results: Measured[] = [];
  for (const { clients, count } of settings) {
    const before = await cpuSeconds(pid);
    const latencies = await closedLoop({ clients, count }, (i) => put(`/registry/pods/default/p${i % KEYS}`));
    const used = (await cpuSeconds(pid)) - before;
    results.push({ ...latencies, cpuMicros: (used / (count * 1.1)) * 1e6 });
  }
  return results;
}
