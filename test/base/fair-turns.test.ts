import test from 'ava';
import { FairTurns } from '../../src/base/fair-turns.ts';

/** Counts turns of the loop until it is told to stop. */
function countTurns(): { turns: number; stop(): void } {
  const counter = { turns: 0, stop: () => (running = false) };
  let running = true;
  const tick = (): void => {
    counter.turns++;
    if (running) setImmediate(tick);
  };
  setImmediate(tick);
  return counter;
}

test('work that arrives together is done in order, and the loop goes round after each budget', async (t) => {
  let nowMs = 0;
  const turns = new FairTurns(8, () => nowMs);
  const counter = countTurns();
  const done: Array<[number, number]> = [];
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      await turns.next();
      // Each piece takes 3 ms, in two steps without a turn between them.
      nowMs += 2;
      await Promise.resolve();
      nowMs += 1;
      done.push([i, counter.turns]);
    }),
  );
  counter.stop();
  t.deepEqual(
    done.map(([i]) => i),
    Array.from({ length: 20 }, (_, i) => i),
  );
  const perTurn = new Map<number, number>();
  for (const [, turn] of done) perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1);
  t.true(perTurn.size >= 6, `${perTurn.size} turns`);
  t.true([...perTurn.values()].every((pieces) => pieces <= 3));
});

test('where nobody else works the turn comes without a turn of the loop', async (t) => {
  const turns = new FairTurns(8, () => 0);
  const counter = countTurns();
  await turns.next();
  await turns.next();
  t.is(counter.turns, 0);
  counter.stop();
});

test('work that fails or waits holds nobody up', async (t) => {
  const turns = new FairTurns();
  const never = turns.next().then(() => new Promise(() => {}));
  const fails = turns.next().then(() => {
    throw new Error('failed');
  });
  await t.throwsAsync(fails, { message: 'failed' });
  await turns.next();
  t.truthy(never);
});
