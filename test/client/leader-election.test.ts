import test from 'ava';
import { LEASES } from '../../src/api/gen/resources.ts';
import { silentLogger } from '../../src/base/log.ts';
import { untilAborted } from '../../src/base/lifecycle.ts';
import { runWhileLeader } from '../../src/client/leader-election.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { createClock } from '../helpers/fake-clock.ts';
import type { FakeClock } from '../helpers/fake-clock.ts';

interface Candidate {
  leading: boolean;
  terms: number;
  stop(): Promise<void>;
}

function stand(client: MemoryClient, clock: FakeClock, identity: string): Candidate {
  const stop = new AbortController();
  const options = { client, clock, identity, leaseName: 'm', log: silentLogger, random: () => 0 };
  const done = runWhileLeader(
    options,
    async (signal) => {
      candidate.leading = true;
      candidate.terms++;
      await untilAborted(signal);
      candidate.leading = false;
    },
    stop.signal,
  );
  const candidate: Candidate = {
    leading: false,
    terms: 0,
    stop: async () => {
      stop.abort();
      await done;
    },
  };
  return candidate;
}

const lease = (client: MemoryClient) => client.get(LEASES, { namespace: 'kube-system', name: 'm' });

test('one of two leads, and the other takes over at once when it stops', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock);
  const a = stand(client, clock, 'a');
  await clock.advance(1);
  const b = stand(client, clock, 'b');
  await clock.advance(60_000);
  t.deepEqual([a.leading, b.leading], [true, false]);
  await a.stop();
  t.is((await lease(client)).spec?.holderIdentity, '');
  await clock.advance(2_000);
  t.true(b.leading);
  t.is((await lease(client)).spec?.leaseTransitions, 1);
  await b.stop();
});

test('a leader that vanished is followed after the lease duration, not before', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock);
  client.seed(LEASES, {
    metadata: { namespace: 'kube-system', name: 'm' },
    spec: { holderIdentity: 'gone', leaseDurationSeconds: 15, leaseTransitions: 4 },
  });
  const a = stand(client, clock, 'a');
  await clock.advance(14_000);
  t.false(a.leading);
  await clock.advance(2_000);
  t.true(a.leading);
  t.is((await lease(client)).spec?.leaseTransitions, 5);
  await a.stop();
});

test('a leader that cannot renew steps down before its lease ends, and stands again', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock);
  const a = stand(client, clock, 'a');
  await clock.advance(1);
  t.true(a.leading);
  client.onWrite = () => {
    throw new Error('down');
  };
  await clock.advance(9_000);
  t.true(a.leading);
  await clock.advance(4_000);
  t.false(a.leading);
  client.onWrite = undefined;
  await clock.advance(2_000);
  t.true(a.leading);
  t.is(a.terms, 2);
  await a.stop();
});

test('a leader whose lease was taken steps down at its next renewal', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock);
  const a = stand(client, clock, 'a');
  await clock.advance(1);
  await client.patch(
    LEASES,
    { namespace: 'kube-system', name: 'm' },
    { spec: { holderIdentity: 'thief' } },
    { type: 'merge' },
  );
  await clock.advance(2_000);
  t.false(a.leading);
  await a.stop();
});

test('a jump of the wall clock moves nobody', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock);
  const a = stand(client, clock, 'a');
  await clock.advance(1);
  const b = stand(client, clock, 'b');
  clock.jump(3_600_000);
  await clock.advance(30_000);
  t.deepEqual([a.leading, a.terms, b.leading], [true, 1, false]);
  await a.stop();
  await b.stop();
});

test('an error of the work gives the lease back and is told', async (t) => {
  const clock = createClock();
  const client = new MemoryClient(clock);
  const options = { client, clock, identity: 'a', leaseName: 'm', log: silentLogger };
  const error = await t.throwsAsync(
    runWhileLeader(options, () => Promise.reject(new Error('boom')), new AbortController().signal),
  );
  t.is(error?.message, 'boom');
  t.is((await lease(client)).spec?.holderIdentity, '');
});
