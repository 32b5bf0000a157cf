/**
 * Runs in the network of a lab or of one of its servers, and asks something every 100 ms until it is told to end:
 *
 *     api <kubeconfig>   writes an object by a client that lives long, and reads it by a new one each time, as kubectl
 *     service <url>      asks a Service, by a new connection each time
 *
 * One JSON line for each answer and each failure.
 */
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { CONFIGMAPS } from '../../src/api/gen/resources.ts';
import { systemClock } from '../../src/base/clock.ts';
import { messageOf } from '../../src/base/errors.ts';
import { loadKubeconfig, type KubeconfigClient } from '../../src/client/kubeconfig.ts';
import { RestClient } from '../../src/client/rest-client.ts';

const EVERY_MS = 100;
/** An answer that takes longer counts as a failure. As client-go's time for a connection. */
const ANSWERED_WITHIN_MS = 30_000;
/** An API server that does not accept a connection for so long is given up for the next one. */
const CONNECTED_WITHIN_MS = 10_000;
const [mode = '', target = ''] = process.argv.slice(2);
const asked = new Set<Promise<void>>();
const end = new AbortController();
process.once('SIGTERM', () => end.abort());

/** Asks on time, whether or not what was asked before has been answered. */
async function everyHundred(what: string, ask: () => Promise<void>): Promise<void> {
  for (let nextMs = systemClock.monotonicMs(); !end.signal.aborted;) {
    const question = one(what, ask);
    asked.add(question);
    void question.finally(() => asked.delete(question));
    nextMs = Math.max(nextMs + EVERY_MS, systemClock.monotonicMs());
    await systemClock.sleep(Math.max(0, nextMs - systemClock.monotonicMs()));
  }
}

/** Asks on time, but never twice at once: for writes, whose order counts. */
async function oneByOne(what: string, ask: () => Promise<void>): Promise<void> {
  while (!end.signal.aborted) {
    const beganMs = systemClock.monotonicMs();
    await one(what, ask);
    await systemClock.sleep(Math.max(0, EVERY_MS - (systemClock.monotonicMs() - beganMs)));
  }
}

async function one(what: string, ask: () => Promise<void>): Promise<void> {
  const [atMs, beganMs] = [systemClock.now(), systemClock.monotonicMs()];
  let reason: string | undefined;
  try {
    await ask();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : '';
    reason = `${messageOf(error)}${cause}`;
  }
  const tookMs = Math.round(systemClock.monotonicMs() - beganMs);
  process.stdout.write(`${JSON.stringify({ what, atMs, tookMs, reason })}\n`);
}

/** A kubeconfig that is read again when somebody has written it anew. */
function currentConfig(path: string): () => KubeconfigClient {
  let text = '';
  let config = loadKubeconfig(path);
  return () => {
    const now = readFileSync(path, 'utf8');
    if (now !== text) [text, config] = [now, loadKubeconfig(path)];
    return config;
  };
}

async function askApi(path: string): Promise<void> {
  const config = currentConfig(path);
  const options = { requestTimeoutMs: ANSWERED_WITHIN_MS, connectTimeoutMs: CONNECTED_WITHIN_MS };
  const writer = new RestClient({
    ...config(),
    ...options,
    credentials: () => config().credentials(),
  });
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'steady-load', namespace: 'default' },
  };
  await writer.create(CONFIGMAPS, { ...object, data: { count: '0' } }).catch(() => undefined);
  const first = await writer.get(CONFIGMAPS, object.metadata);
  let acknowledged = Number(first.data?.['count']);
  let next = acknowledged;
  const write = async (): Promise<void> => {
    next += 1;
    const patch = { data: { count: String(next) } };
    await writer.patch(CONFIGMAPS, object.metadata, patch, { type: 'merge' });
    acknowledged = next;
  };
  const read = async (): Promise<void> => {
    const before = acknowledged;
    const reader = new RestClient({ ...config(), ...options });
    try {
      const { data } = await reader.get(CONFIGMAPS, object.metadata);
      const found = Number(data?.['count']);
      if (!(found >= before)) throw new Error(`read ${found} after ${before} had been acknowledged`);
    } finally {
      reader.close();
    }
  };
  await Promise.all([oneByOne('write', write), everyHundred('read', read)]);
  await Promise.all(asked);
  writer.close();
}

function askService(url: string): Promise<void> {
  return everyHundred(
    'service',
    () =>
      new Promise((resolve, reject) => {
        const request = get(url, { agent: false, timeout: ANSWERED_WITHIN_MS }, (response) => {
          response.on('error', reject).on('end', () => {
            if (response.statusCode === 200) resolve();
            else reject(new Error(`it answers ${response.statusCode}`));
          });
          response.resume();
        });
        request.on('timeout', () => request.destroy(new Error('no answer in time')));
        request.on('error', reject);
      }),
  );
}

await (mode === 'api' ? askApi(target) : askService(target));
