import test from 'ava';
import { createClock } from '../helpers/fake-clock.ts';
import { WorkQueue } from '../../src/base/work-queue.ts';

function setup(process: (key: string) => Promise<void>) {
  const clock = createClock();
  const errors: string[] = [];
  const queue = new WorkQueue({ clock, process, onError: (key) => errors.push(key) });
  return { clock, errors, queue };
}

test('a key that is added twice before it runs is processed once', async (t) => {
  const seen: string[] = [];
  const { queue } = setup(async (key) => void seen.push(key));
  queue.add('a');
  queue.add('a');
  queue.add('b');
  await queue.whenIdle();
  t.deepEqual(seen, ['a', 'b']);
});

test('a key that is added while it is processed is processed again, never by two workers at a time', async (t) => {
  let running = 0;
  let most = 0;
  let runs = 0;
  const { queue } = setup(async () => {
    running += 1;
    most = Math.max(most, running);
    runs += 1;
    if (runs === 1) queue.add('a');
    await Promise.resolve();
    running -= 1;
  });
  queue.add('a');
  await queue.whenIdle();
  t.is(runs, 2);
  t.is(most, 1);
});

test('a failed key is retried after 5 ms, then 10 ms, and its success resets the delay', async (t) => {
  let failures = 2;
  let runs = 0;
  const { clock, errors, queue } = setup(async () => {
    runs += 1;
    if (failures-- > 0) throw new Error('not yet');
  });
  queue.add('a');
  await queue.whenIdle();
  t.is(runs, 1);
  await clock.advance(4);
  t.is(runs, 1);
  await clock.advance(1);
  await queue.whenIdle();
  t.is(runs, 2);
  await clock.advance(9);
  t.is(runs, 2);
  await clock.advance(1);
  await queue.whenIdle();
  t.is(runs, 3);
  t.deepEqual(errors, ['a', 'a']);
});

test('of several delays for one key the earliest wins', async (t) => {
  const seen: string[] = [];
  const { clock, queue } = setup(async (key) => void seen.push(key));
  queue.addAfter('a', 100);
  queue.addAfter('a', 10);
  queue.addAfter('a', 50);
  await clock.advance(10);
  await queue.whenIdle();
  t.deepEqual(seen, ['a']);
  await clock.advance(200);
  await queue.whenIdle();
  t.deepEqual(seen, ['a']);
});

test('stop() waits for the key in flight and drops the rest', async (t) => {
  const seen: string[] = [];
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { queue } = setup(async (key) => {
    seen.push(key);
    await gate;
  });
  for (const key of ['a', 'b', 'c', 'd', 'e']) queue.add(key);
  await Promise.resolve();
  const stopped = queue.stop();
  release();
  await stopped;
  t.deepEqual(seen, ['a', 'b', 'c', 'd']);
});
