import test from 'ava';
import { MemoryStorage } from '../../../src/storage/memory/memory-storage.ts';
import type { StorageWatch, StorageWatchHandler } from '../../../src/storage/storage.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

/** A store whose watch a test can break, and keep broken for a while. */
class FragileStorage extends MemoryStorage {
  refuse = false;
  watches = 0;
  #break: (() => void) | undefined;

  override async watch(prefix: string, from: number, handler: StorageWatchHandler): Promise<StorageWatch> {
    if (this.refuse) throw new Error('the store is away');
    const watch = await super.watch(prefix, from, handler);
    this.watches += 1;
    this.#break = () => {
      watch.cancel();
      handler.onEnd(new Error('the connection was lost'));
    };
    return watch;
  }

  breakWatch(): void {
    this.#break?.();
  }
}

async function fragile() {
  const storage = new FragileStorage();
  const plane = await startControlPlane({ storage });
  const api = new RawApi(plane);
  const close = async () => {
    api.close();
    await plane.close();
    await storage.close();
  };
  return { storage, api, close };
}

test('a watch over the store that breaks is taken up again where it was, unseen by clients', async (t) => {
  const { storage, api, close } = await fragile();
  t.teardown(close);
  const watch = await api.watch(`${MAPS}?watch=true`);
  await api.post(MAPS, { metadata: { name: 'a' } });
  t.is((await watch.next())?.object.metadata.name, 'a');
  storage.breakWatch();
  await waitFor('the watch to be taken up', () => storage.watches === 2);
  await api.post(MAPS, { metadata: { name: 'b' } });
  t.is((await watch.next())?.object.metadata.name, 'b');
  watch.close();
  t.is((await api.get('/readyz')).status, 200);
});

test('while the store cannot be watched the server is not ready, writes are kept, and all is seen later', async (t) => {
  const { storage, api, close } = await fragile();
  t.teardown(close);
  storage.refuse = true;
  storage.breakWatch();
  const broken = await api.get('/readyz?verbose');
  t.is(broken.status, 500);
  t.regex(broken.body.toString(), /\[-\]informer-sync failed/);
  const write = api.post(MAPS, { metadata: { name: 'kept' } });
  storage.refuse = false;
  t.is((await write).status, 201);
  t.is((await api.get(`${MAPS}/kept`)).status, 200);
  await waitFor('the server to be ready', async () => (await api.get('/readyz')).status === 200);
});

test('history that was compacted meanwhile makes the cache begin anew, and watchers too', async (t) => {
  const { storage, api, close } = await fragile();
  t.teardown(close);
  await api.post(MAPS, { metadata: { name: 'stays' } });
  await api.post(MAPS, { metadata: { name: 'goes' } });
  const watch = await api.watch(`${MAPS}?watch=true`);
  await watch.take(2);
  storage.refuse = true;
  storage.breakWatch();
  // Others write and compact while this server sees nothing.
  await storage.delete('/registry/configmaps/default/goes');
  const value = (await storage.get('/registry/configmaps/default/stays')).kv?.value ?? Buffer.alloc(0);
  await storage.put(
    '/registry/configmaps/default/arrives',
    Buffer.from(value.toString().replace('"stays"', '"arrives"')),
  );
  await storage.compact(await storage.currentRevision());
  storage.refuse = false;
  const end = await watch.next();
  t.is(end?.type, 'ERROR');
  t.like(end?.object, { code: 410, reason: 'Expired' });
  t.is(await watch.next(), undefined);
  const items = (await api.get(MAPS)).json().items as Array<{ metadata: { name: string } }>;
  t.deepEqual(items.map(({ metadata }) => metadata.name).sort(), ['arrives', 'stays']);
});
