/** Runs in the lab's network: writes one object again and again over all API servers, and prints each acknowledgement. */
import { CONFIGMAPS } from '../../src/api/gen/resources.ts';
import { systemClock } from '../../src/base/clock.ts';
import { messageOf } from '../../src/base/errors.ts';
import { loadKubeconfig } from '../../src/client/kubeconfig.ts';
import { RestClient } from '../../src/client/rest-client.ts';

const [path = ''] = process.argv.slice(2);
const client = new RestClient({ ...loadKubeconfig(path), requestTimeoutMs: 3000 });
const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'written', namespace: 'default' } };
await client.create(CONFIGMAPS, { ...object, data: { count: '0' } }).catch(() => {});
for (let count = 1; ; count += 1) {
  try {
    const written = await client.patch(
      CONFIGMAPS,
      object.metadata,
      { data: { count: String(count) } },
      { type: 'merge' },
    );
    process.stdout.write(`${systemClock.now()} ${count} ${written.metadata?.resourceVersion}\n`);
  } catch (error) {
    process.stderr.write(`${count}: ${messageOf(error)}\n`);
  }
  await systemClock.sleep(100);
}
