import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CASES, createPods, PODS, type Case } from './api.ts';
import { ServerUnderTest } from './server-under-test.ts';
import { megabytes, micros, ms, rate, type Row, type Section } from './table.ts';
import { startUpstream } from './upstream.ts';
import { fanOut } from './watch.ts';

const LISTS_AT_ONCE = 10;
const LARGE_OBJECTS = 1000;
const LARGE_BYTES = 100_000;
const NAMESPACE = '/api/v1/namespaces/default';

const CREATE: Case = {
  what: 'create of a ConfigMap of 1 KB, 64 clients',
  order: {
    method: 'POST',
    path: `${NAMESPACE}/configmaps`,
    contentType: 'application/json',
    body: JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c{n}' },
      data: { value: 'x'.repeat(1000) },
    }),
    clients: 64,
    count: 6000,
  },
};

interface Measured {
  /** By what was measured: its text for the table, and a number of which less is better. */
  results: Map<string, { value: string; cost: number }>;
}

/**
 * The same load on our API server and on upstream's, one after the other, each with its store on one core and its
 * load on the other. Upstream's is taken from KUBE_APISERVER, a path; without it ours is measured alone.
 */
export async function benchCompare(root: string): Promise<Section> {
  const program = process.env['KUBE_APISERVER'];
  const ours = await inDirectory(root, async (dir) =>
    measure(await ServerUnderTest.start(join(dir, 'data'))),
  );
  const theirs =
    program &&
    (await inDirectory(root, async (dir) => {
      const server = await startUpstream(program, join(dir, 'data'), 0);
      return server && measure(server);
    }));
  const rows: Row[] = [];
  for (const [what, { value, cost }] of ours.results) {
    const other = theirs ? theirs.results.get(what) : undefined;
    rows.push({
      what,
      value,
      ...(other ? { target: `upstream: ${other.value}`, met: cost <= other.cost } : {}),
    });
  }
  const title = `Ours${theirs ? ' and kube-apiserver 1.36 with etcd' : ' alone (KUBE_APISERVER names none)'}, each on one core`;
  return { title, rows };
}

async function inDirectory<T>(root: string, body: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(root, 'compare-'));
  try {
    return await body(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measure(server: ServerUnderTest): Promise<Measured> {
  const results: Measured['results'] = new Map();
  try {
    await createPods(server);
    for (const { what, order } of [...CASES, CREATE]) {
      const before = await server.cpuSeconds();
      const report = await server.load({ ...order, do: 'requests', sessions: 4, keys: PODS });
      const cpuMicros = (((await server.cpuSeconds()) - before) / (order.count * 1.1)) * 1e6;
      const value = `${rate(report.perSecond)}, p50 ${ms(report.p50Ms)}, p99 ${ms(report.p99Ms)}, CPU ${micros(cpuMicros)}`;
      results.set(what, { value, cost: 1 / report.perSecond });
    }
    const { eachMicros } = await fanOut(server);
    results.set('1000 watchers: CPU for an event and watcher', {
      value: micros(eachMicros),
      cost: eachMicros,
    });
    const memory = await largeLists(server);
    results.set(`memory for ${LISTS_AT_ONCE} lists of 100 MB at once, at most`, {
      value: megabytes(memory),
      cost: memory,
    });
    return { results };
  } finally {
    await server.stop();
  }
}

/** Peak memory of the API server, its store aside, while many read a large collection at once. */
async function largeLists(server: ServerUnderTest): Promise<number> {
  await server.load({
    do: 'requests',
    method: 'POST',
    path: `${NAMESPACE}/secrets`,
    contentType: 'application/json',
    body: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'large-{n}' },
      stringData: { value: 'x'.repeat(LARGE_BYTES * 0.75) },
    }),
    sessions: 4,
    clients: 8,
    count: LARGE_OBJECTS,
    keys: 1,
    warmUp: 0,
  });
  // 5 begins the peak anew (proc_pid_clear_refs(5)).
  await writeFile(`/proc/${server.pid}/clear_refs`, '5');
  const { bytes } = await server.load({
    do: 'requests',
    method: 'GET',
    path: `${NAMESPACE}/secrets`,
    sessions: LISTS_AT_ONCE,
    clients: LISTS_AT_ONCE,
    count: LISTS_AT_ONCE,
    keys: 1,
    warmUp: 0,
  });
  if (bytes < LISTS_AT_ONCE * LARGE_OBJECTS * LARGE_BYTES)
    throw new Error(`the lists had ${bytes} bytes only`);
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
