/** The API servers of a new cluster start at the same moment: each finds half of what the others have made. */
import test from 'ava';
import { SERVICES } from '../../src/api/gen/resources.ts';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import { startControlPlane } from '../helpers/control-plane.ts';

test('servers that start at once on one empty store all come up, and agree', async (t) => {
  const storage = new MemoryStorage();
  t.teardown(() => storage.close());
  const planes = await Promise.all(Array.from({ length: 5 }, () => startControlPlane({ storage })));
  for (const plane of planes) t.teardown(() => plane.close());
  const services = await Promise.all(
    planes.map((plane) => plane.client().get(SERVICES, { namespace: 'default', name: 'kubernetes' })),
  );
  t.deepEqual(new Set(services.map(({ metadata }) => metadata?.uid)).size, 1);
  for (const { spec } of services) t.is(spec?.clusterIP, '10.96.0.1');
});
