import test from 'ava';
import { CONFIGMAPS } from '../../src/api/gen/resources.ts';
import type { ConfigMap } from '../../src/api/gen/types/core-v1.ts';
import { silentLogger } from '../../src/base/log.ts';
import type { Client, WatchOptions } from '../../src/client/client.ts';
import { ApiError } from '../../src/client/errors.ts';
import { InformerFactory } from '../../src/client/informer-factory.ts';
import { ResourceInformer } from '../../src/client/informer.ts';
import type { InformerOptions } from '../../src/client/informer.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { createClock } from '../helpers/fake-clock.ts';
import type { FakeClock } from '../helpers/fake-clock.ts';

const map = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  metadata: { name, namespace: 'x', managedFields: [{}] },
  data,
});

interface Setup {
  clock: FakeClock;
  client: MemoryClient;
  informer: ResourceInformer<ConfigMap>;
  told: string[];
  stop: AbortController;
  running: Promise<void>;
}

function start(
  client: MemoryClient,
  clock: FakeClock,
  options: Partial<InformerOptions<ConfigMap>> = {},
): Setup {
  const informer = new ResourceInformer<ConfigMap>({
    client,
    resource: CONFIGMAPS,
    clock,
    log: silentLogger,
    random: () => 0,
    ...options,
  });
  const told: string[] = [];
  informer.subscribe({
    added: (o) => told.push(`+${o.metadata?.name}`),
    updated: (_, o) => told.push(`~${o.metadata?.name}`),
    deleted: (o) => told.push(`-${o.metadata?.name}`),
  });
  const stop = new AbortController();
  return { clock, client, informer, told, stop, running: informer.run(stop.signal) };
}

test('it holds what the server holds and tells changes in order', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [[CONFIGMAPS, map('a')]]);
  const { informer, told, stop, running } = start(client, clock);
  await informer.whenSynced();
  const b = await client.create(CONFIGMAPS, map('b'));
  await client.update(CONFIGMAPS, { ...b, data: { k: 'v' } });
  await client.delete(CONFIGMAPS, { namespace: 'x', name: 'a' });
  await clock.advance(1);
  t.deepEqual(told, ['+a', '+b', '~b', '-a']);
  t.deepEqual(
    informer.list('x').map((o) => o.data),
    [{ k: 'v' }],
  );
  t.is(informer.get('b', 'x')?.metadata?.managedFields, undefined);
  stop.abort();
  await running;
});

test('a handler that subscribes late is told what is there', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [[CONFIGMAPS, map('a')]]);
  const { informer, stop, running } = start(client, clock);
  await informer.whenSynced();
  const late: string[] = [];
  const unsubscribe = informer.subscribe({ added: (o) => late.push(o.metadata?.name ?? '') });
  unsubscribe();
  await client.create(CONFIGMAPS, map('b'));
  await clock.advance(1);
  t.deepEqual(late, ['a']);
  stop.abort();
  await running;
});

test('it resumes after a break without listing again', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [[CONFIGMAPS, map('a')]]);
  const starts: Array<string | undefined> = [];
  const spy = spyWatch(client, (options) =>
    starts.push(options.sendInitialEvents ? 'list' : options.resourceVersion),
  );
  const { informer, told, stop, running } = start(spy, clock);
  await informer.whenSynced();
  client.close();
  await client.create(CONFIGMAPS, map('b'));
  await clock.advance(1_000);
  t.deepEqual(told, ['+a', '+b']);
  t.deepEqual(starts, ['list', '2']);
  stop.abort();
  await running;
});

test('after 410 it lists again and tells the difference alone', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [
    [CONFIGMAPS, map('a')],
    [CONFIGMAPS, map('b')],
    [CONFIGMAPS, map('c')],
  ]);
  const { informer, told, stop, running } = start(client, clock);
  await informer.whenSynced();
  told.length = 0;
  client.close();
  await client.delete(CONFIGMAPS, { namespace: 'x', name: 'a' });
  await client.create(CONFIGMAPS, map('d'));
  await client.patch(CONFIGMAPS, { namespace: 'x', name: 'b' }, { data: { k: 'v' } }, { type: 'merge' });
  client.compact();
  await clock.advance(5_000);
  t.deepEqual(told.sort(), ['+d', '-a', '~b']);
  stop.abort();
  await running;
});

test('an object that was replaced unseen is told as deleted and added', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [[CONFIGMAPS, map('a')]]);
  const { informer, told, stop, running } = start(client, clock);
  await informer.whenSynced();
  client.close();
  await client.delete(CONFIGMAPS, { namespace: 'x', name: 'a' });
  await client.create(CONFIGMAPS, map('a'));
  client.compact();
  await clock.advance(5_000);
  t.deepEqual(told, ['+a', '-a', '+a']);
  stop.abort();
  await running;
});

test('a server without streamed lists is read in pages', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [[CONFIGMAPS, map('a')]]);
  const spy = spyWatch(client, (options) => {
    if (options.sendInitialEvents) throw new ApiError({ code: 422, reason: 'Invalid' });
  });
  const { informer, told, stop, running } = start(spy, clock);
  await informer.whenSynced();
  await client.create(CONFIGMAPS, map('b'));
  await clock.advance(1);
  t.deepEqual(told, ['+a', '+b']);
  stop.abort();
  await running;
});

test('it backs off while the server fails and recovers by itself', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [[CONFIGMAPS, map('a')]]);
  const tries: number[] = [];
  const spy = spyWatch(client, () => {
    if (tries.push(clock.monotonicMs()) < 5) throw new Error('down');
  });
  const { informer, stop, running } = start(spy, clock);
  await clock.advance(10_000);
  t.deepEqual(tries, [0, 200, 600, 1_400, 3_000]);
  t.true(informer.synced);
  stop.abort();
  await running;
});

test('indexes follow changes', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [[CONFIGMAPS, map('a', { color: 'red' })]]);
  const { informer, stop, running } = start(client, clock, {
    indexes: { color: (o) => (o.data?.color ? [o.data.color] : []) },
  });
  await informer.whenSynced();
  t.is(informer.byIndex('color', 'red').length, 1);
  await client.patch(
    CONFIGMAPS,
    { namespace: 'x', name: 'a' },
    { data: { color: 'blue' } },
    { type: 'merge' },
  );
  await clock.advance(1);
  t.is(informer.byIndex('color', 'red').length, 0);
  t.is(informer.byIndex('color', 'blue').length, 1);
  stop.abort();
  await running;
});

test('a factory shares one informer and starts those that are asked for late', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock, [[CONFIGMAPS, map('a')]]);
  const factory = new InformerFactory(client, clock, silentLogger);
  const stop = new AbortController();
  const running = factory.run(stop.signal);
  const informer = factory.for(CONFIGMAPS, { indexes: { name: (o) => [o.metadata?.name ?? ''] } });
  t.is(factory.for(CONFIGMAPS), informer);
  await factory.whenSynced();
  t.is(informer.byIndex('name', 'a').length, 1);
  stop.abort();
  await running;
});

/** The client with an eye on each watch that starts. */
function spyWatch(client: MemoryClient, seen: (options: WatchOptions) => void): MemoryClient {
  return new Proxy(client, {
    get(target, key) {
      if (key !== 'watch')
        return typeof Reflect.get(target, key) === 'function'
          ? (Reflect.get(target, key) as () => void).bind(target)
          : Reflect.get(target, key);
      return (...[resource, options]: Parameters<Client['watch']>) => {
        seen(options);
        return target.watch(resource, options);
      };
    },
  });
}
