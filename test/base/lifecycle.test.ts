import test from 'ava';
import { Backoff } from '../../src/base/backoff.ts';
import { SlipwayError } from '../../src/base/errors.ts';
import { runTogether, untilAborted } from '../../src/base/lifecycle.ts';
import { createClock } from '../helpers/fake-clock.ts';

test('runTogether() stops the other loops when one fails, waits for them, and rethrows', async (t) => {
  const stopped: string[] = [];
  const failure = new SlipwayError('E_TEST', 'the disk is gone');
  const error = await t.throwsAsync(
    runTogether(
      [
        async (signal) => {
          await untilAborted(signal);
          stopped.push('first');
        },
        () => Promise.reject(failure),
      ],
      new AbortController().signal,
    ),
  );
  t.is(error, failure);
  t.deepEqual(stopped, ['first']);
});

test('runTogether() ends without an error when its signal aborts, even where loops reject with an abort', async (t) => {
  const clock = createClock();
  const controller = new AbortController();
  const done = runTogether([(signal) => clock.sleep(1000, signal), untilAborted], controller.signal);
  controller.abort();
  await t.notThrowsAsync(done);
});

test('a back-off doubles up to its cap, spreads by its jitter, and starts again after a reset', (t) => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 350, jitter: 0.5, random: () => 0.5 });
  t.deepEqual([backoff.next(), backoff.next(), backoff.next(), backoff.next()], [125, 250, 437.5, 437.5]);
  backoff.reset();
  t.is(backoff.next(), 125);
});
