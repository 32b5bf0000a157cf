/** The API servers of a new cluster start at the same moment: each finds half of what the others have made. */
import test from 'ava';
import { SERVICES } from '../../src/api/gen/resources.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { WriteResult } from '../../src/storage/storage.ts';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import { startControlPlane } from '../helpers/control-plane.ts';

/** A write takes a while, as it does in etcd: the others act meanwhile. */
class SlowStorage extends MemoryStorage {
  override async put(key: string, value: Buffer, expected?: number): Promise<WriteResult> {
    await systemClock.sleep(key.includes('10.96.0.1') || key.includes('services/specs') ? 30 : 1);
    return super.put(key, value, expected);
  }
}

test('servers that start at once on one empty store all come up, and agree', async (t) => {
  const storage = new SlowStorage();
  t.teardown(() => storage.close());
  const planes = await Promise.all(Array.from({ length: 5 }, () => startControlPlane({ storage })));
  for (const plane of planes) t.teardown(() => plane.close());
  const services = await Promise.all(
    planes.map((plane) => plane.client().get(SERVICES, { namespace: 'default', name: 'kubernetes' })),
  );
  t.deepEqual(new Set(services.map(({ metadata }) => metadata?.uid)).size, 1);
  for (const { spec } of services) t.is(spec?.clusterIP, '10.96.0.1');
});
