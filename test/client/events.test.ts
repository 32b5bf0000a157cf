import test from 'ava';
import { EVENTS } from '../../src/api/gen/resources.ts';
import { silentLogger } from '../../src/base/log.ts';
import { ApiError } from '../../src/client/errors.ts';
import { EventRecorder } from '../../src/client/events.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { createClock } from '../helpers/fake-clock.ts';

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'x', uid: 'u' } };

function setup() {
  const clock = createClock();
  const client = new MemoryClient(clock);
  const recorder = new EventRecorder({ client, clock, component: 'unit', host: 'h', log: silentLogger });
  const events = async () => (await client.list(EVENTS)).items;
  return { clock, client, recorder, events };
}

test('an event names its object, its source and its time', async (t) => {
  const { recorder, events } = setup();
  recorder.event(pod, 'Normal', 'Created', 'made it', 'spec.containers{c}');
  await recorder.flush();
  const [event] = await events();
  t.like(event, {
    reason: 'Created',
    message: 'made it',
    type: 'Normal',
    count: 1,
    firstTimestamp: '2026-01-01T00:00:00Z',
    source: { component: 'unit', host: 'h' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'x', uid: 'u', fieldPath: 'spec.containers{c}' },
  });
  t.true(event?.metadata?.name?.startsWith('p.'));
  t.is(event?.metadata?.namespace, 'x');
});

test('a repeated event is counted up on the one that is there', async (t) => {
  const { clock, recorder, events } = setup();
  for (let i = 0; i < 3; i++) {
    recorder.event(pod, 'Warning', 'Failed', 'no');
    await recorder.flush();
    await clock.advance(1_000);
  }
  const all = await events();
  t.is(all.length, 1);
  t.like(all[0], { count: 3, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:02Z' });
});

test('many that differ in their message alone are combined', async (t) => {
  const { recorder, events } = setup();
  for (let i = 0; i < 15; i++) recorder.event(pod, 'Warning', 'Failed', `no ${i}`);
  await recorder.flush();
  const all = await events();
  t.is(all.length, 10);
  const combined = all.find(({ message }) => message?.startsWith('(combined from similar events): '));
  t.is(combined?.count, 6);
});

test('an object that floods is cut off and gets a little more as time passes', async (t) => {
  const { clock, client, recorder } = setup();
  for (let i = 0; i < 40; i++) recorder.event(pod, 'Normal', `Reason${i}`, 'x');
  await recorder.flush();
  t.is(client.writes.length, 25);
  await clock.advance(600_000);
  for (let i = 0; i < 5; i++) recorder.event(pod, 'Normal', `Later${i}`, 'x');
  await recorder.flush();
  t.is(client.writes.length, 27);
});

test('an event that expired is written anew with its count', async (t) => {
  const { client, recorder, events } = setup();
  recorder.event(pod, 'Normal', 'R', 'm');
  await recorder.flush();
  await client.deleteCollection(EVENTS, { namespace: 'x' });
  recorder.event(pod, 'Normal', 'R', 'm');
  await recorder.flush();
  t.deepEqual(
    (await events()).map(({ count }) => count),
    [2],
  );
});

test('a refusal is dropped, a lost connection is tried again', async (t) => {
  const { clock, client, recorder, events } = setup();
  const answers: Array<Error | undefined> = [
    new ApiError({ code: 403, reason: 'Forbidden' }),
    new Error('lost'),
    undefined,
  ];
  client.onWrite = () => {
    const answer = answers.shift();
    if (answer) throw answer;
  };
  recorder.event(pod, 'Normal', 'Refused', 'm');
  recorder.event(pod, 'Normal', 'Lost', 'm');
  await clock.advance(10_000);
  await recorder.flush();
  t.deepEqual(
    (await events()).map(({ reason }) => reason),
    ['Lost'],
  );
});
