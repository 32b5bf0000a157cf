import test from 'ava';
import { CONFIGMAPS } from '../../src/api/gen/resources.ts';
import { hasReason } from '../../src/client/errors.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { clientContract } from '../contract/client.ts';
import { createClock } from '../helpers/fake-clock.ts';

clientContract(test, 'MemoryClient', async () => {
  const client = new MemoryClient(createClock());
  return { client, namespace: 'unit', close: async () => client.close() };
});

test('a watch from before a compaction is Expired', async (t) => {
  const client = new MemoryClient(createClock());
  const { metadata } = client.seed(CONFIGMAPS, { metadata: { name: 'a', namespace: 'x' } });
  client.seed(CONFIGMAPS, { metadata: { name: 'b', namespace: 'x' } });
  client.compact();
  const events = client.watch(CONFIGMAPS, {
    resourceVersion: metadata?.resourceVersion,
    signal: new AbortController().signal,
  });
  const error = await t.throwsAsync(events.next());
  t.true(hasReason(error, 'Expired'));
});
