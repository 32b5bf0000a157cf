import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CONFIGMAPS } from '../src/api/gen/resources.ts';
import { systemClock } from '../src/base/clock.ts';
import { ServerUnderTest } from './server-under-test.ts';
import { megabytes, micros, type Section } from './table.ts';

const WATCHERS = 1000;
const EVENTS = 600;
const EVENTS_PER_SECOND = 100;
const TARGET_MICROS = 6;
const REF = { name: 'watched', namespace: 'default' };

/** What an event costs for each of many watchers: CPU of the server with them, less that without. */
export async function benchWatch(root: string): Promise<Section> {
  const dir = await mkdtemp(join(root, 'watch-'));
  const server = await ServerUnderTest.start(join(dir, 'data'));
  try {
    const { eachMicros, bytes } = await fanOut(server);
    return {
      title: `Watch: ${WATCHERS} watchers, ${EVENTS_PER_SECOND} events a second of 1 KB`,
      rows: [
        {
          what: 'CPU of the server for an event and watcher',
          value: micros(eachMicros),
          target: `under ${TARGET_MICROS} µs`,
          met: eachMicros < TARGET_MICROS,
        },
        { what: 'delivered, without loss', value: `${WATCHERS * EVENTS} events, ${megabytes(bytes)}` },
      ],
    };
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** CPU for each event and watcher, and what came to all watchers together. */
export async function fanOut(server: ServerUnderTest): Promise<{ eachMicros: number; bytes: number }> {
  const value = 'x'.repeat(700);
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: REF, data: { value } };
  const { metadata } = await server.client.create(CONFIGMAPS, object);
  // Once for nothing: what is compiled on the way would count as the cost of writes without watchers.
  await costOfEvents(server);
  const alone = await costOfEvents(server);
  const after =
    (await server.client.get(CONFIGMAPS, REF)).metadata?.resourceVersion ?? metadata?.resourceVersion;
  const path = `/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=${after}`;
  let watched = 0;
  let measured: Promise<void> | undefined;
  const { bytes } = await server.load(
    { do: 'watch', sessions: 20, path, watchers: WATCHERS, events: EVENTS },
    (line) => {
      if (line === 'watching') measured = costOfEvents(server).then((cost) => void (watched = cost));
    },
  );
  await measured;
  return { eachMicros: ((watched - alone) / (EVENTS * WATCHERS)) * 1e6, bytes };
}

/** Makes the events at their pace and returns the CPU seconds that the server needed for it. */
async function costOfEvents(server: ServerUnderTest): Promise<number> {
  const { client } = server;
  const before = await server.cpuSeconds();
  const startedMs = systemClock.monotonicMs();
  for (let i = 0; i < EVENTS; i++) {
    await client.patch(CONFIGMAPS, REF, { data: { count: String(i) } }, { type: 'merge' });
    const ahead = startedMs + ((i + 1) * 1000) / EVENTS_PER_SECOND - systemClock.monotonicMs();
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
  }
  // What is still on its way to the watchers counts too.
  await new Promise((resolve) => setTimeout(resolve, 500));
  return (await server.cpuSeconds()) - before;
}
