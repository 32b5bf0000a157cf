import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVICEACCOUNTS } from '../src/api/gen/resources.ts';
import { isAlreadyExists } from '../src/client/errors.ts';
import type { Order, Report } from './load-client.ts';
import { ordinaryPod } from './pod.ts';
import { ServerUnderTest } from './server-under-test.ts';
import { micros, ms, rate, type Row, type Section } from './table.ts';

export const PODS = 500;
const PATH = '/api/v1/namespaces/default/pods';
const MERGE_PATCH = 'application/merge-patch+json';

export interface Case {
  what: string;
  order: Omit<Extract<Order, { do: 'requests' }>, 'do' | 'url' | 'ca' | 'cert' | 'key' | 'sessions' | 'keys'>;
  /** Requests a second to reach. */
  target?: number;
}

export const CASES: readonly Case[] = [
  {
    what: 'GET of a pod, 64 clients',
    order: { method: 'GET', path: `${PATH}/p{i}`, clients: 64, count: 20_000 },
    target: 3000,
  },
  {
    what: `LIST of ${PODS} pods, 4 clients`,
    order: { method: 'GET', path: PATH, clients: 4, count: 400 },
  },
  {
    what: 'PATCH (merge) of a pod, 64 clients',
    order: {
      method: 'PATCH',
      path: `${PATH}/p{i}`,
      contentType: MERGE_PATCH,
      body: '{"metadata":{"annotations":{"count":"{n}"}}}',
      clients: 64,
      count: 6000,
    },
    target: 800,
  },
  {
    what: 'PATCH (strategic) of a pod, 64 clients',
    order: {
      method: 'PATCH',
      path: `${PATH}/p{i}`,
      contentType: 'application/strategic-merge-patch+json',
      body: '{"spec":{"containers":[{"name":"web","image":"registry.example.com/shop/web:{n}"}]}}',
      clients: 64,
      count: 6000,
    },
    target: 800,
  },
];

/** Rates of the API over TLS and HTTP/2, the server on one core, its load from another. */
export async function benchApi(root: string): Promise<Section> {
  const rows: Row[] = [];
  const onOneCoreMs = await withPods(root, true, async (server) => {
    for (const { what, order, target } of CASES) rows.push(await measure(server, what, order, target));
    return server.longestStallMs();
  });
  // Once more with every core: on one, what is measured is also the writer's and the collector's threads and
  // the rest of the machine, which the loop then waits for.
  const onAllCoresMs = await withPods(root, false, async (server) => {
    for (const { order } of CASES) await server.load({ ...order, do: 'requests', sessions: 4, keys: PODS });
    return server.longestStallMs();
  });
  rows.push({ what: 'longest stall of the event loop under these', value: ms(onOneCoreMs) });
  rows.push({
    what: 'the same with all cores for the server',
    value: ms(onAllCoresMs),
    target: 'at most 50 ms',
    met: onAllCoresMs <= 50,
  });
  return { title: 'API, 1 core, TLS, HTTP/2, 64 requests at once', rows };
}

/** Runs `body` on a server with pods, whose cold start is not counted. */
async function withPods<T>(
  root: string,
  ownCore: boolean,
  body: (server: ServerUnderTest) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(root, 'api-'));
  const server = await ServerUnderTest.start(join(dir, 'data'), { ownCore });
  try {
    await createPods(server);
    await server.longestStallMs();
    return await body(server);
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Makes the pods that the cases work on. */
export async function createPods(server: ServerUnderTest): Promise<Report> {
  await ensureServiceAccount(server);
  return server.load({
    do: 'requests',
    method: 'POST',
    path: PATH,
    contentType: 'application/json',
    body: JSON.stringify(ordinaryPod('p{n}')),
    sessions: 4,
    clients: 16,
    count: PODS,
    keys: PODS,
    warmUp: 0,
  });
}

async function measure(
  server: ServerUnderTest,
  what: string,
  order: Case['order'],
  target: number | undefined,
): Promise<Row> {
  const before = await server.cpuSeconds();
  const report = await server.load({ ...order, do: 'requests', sessions: 4, keys: PODS });
  const used = (await server.cpuSeconds()) - before;
  const cpuMicros = (used / (order.count * 1.1)) * 1e6;
  return {
    what,
    value: describe(report, cpuMicros),
    ...(target ? { target: `at least ${rate(target)}`, met: report.perSecond >= target } : {}),
  };
}

function describe({ perSecond, p50Ms, p99Ms }: Report, cpuMicros: number): string {
  return `${rate(perSecond)}, p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, CPU ${micros(cpuMicros)}`;
}

/** Pods of a namespace wait for its service account, which a controller makes; here nobody waits. */
async function ensureServiceAccount({ client }: ServerUnderTest): Promise<void> {
  const metadata = { name: 'default', namespace: 'default' };
  try {
    await client.create(SERVICEACCOUNTS, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
