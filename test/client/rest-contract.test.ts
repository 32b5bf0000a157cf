import test from 'ava';
import { NAMESPACES, SERVICEACCOUNTS } from '../../src/api/gen/resources.ts';
import { clientContract } from '../contract/client.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';

let plane: TestControlPlane;

test.before(async () => {
  plane = await startControlPlane();
});

test.after.always(() => plane.close());

clientContract(test, 'RestClient', async () => {
  const client = plane.client();
  const { metadata } = await client.create(NAMESPACES, { metadata: { generateName: 'contract-' } });
  // No controller runs here, and pods need their ServiceAccount.
  await client.create(SERVICEACCOUNTS, { metadata: { name: 'default', namespace: metadata?.name } });
  return { client, namespace: metadata?.name ?? '', close: async () => client.close() };
});
