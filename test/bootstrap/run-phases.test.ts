import test from 'ava';
import { SlipwayError } from '../../src/base/errors.ts';
import { allNodes, type NodePhase, type Phase } from '../../src/bootstrap/phase.ts';
import { PhaseError, runPhases } from '../../src/bootstrap/run-phases.ts';
import { plainView } from '../../src/bootstrap/view/plain.ts';
import { jsonView } from '../../src/bootstrap/view/json.ts';
import { systemClock } from '../../src/base/clock.ts';
import { newCluster } from './harness.ts';

/** A phase that keeps in `done` what it did, and fails on one server. */
const phase = (id: string, kind: Phase['kind'], fail?: string, done: string[] = []): NodePhase => ({
  id,
  title: `Do ${id}`,
  kind,
  nodes: allNodes,
  run: async (node) => {
    if (node.name === fail)
      throw new SlipwayError('E_TEST', `${node.name} has no wheels`, { hint: 'fit wheels' });
    if (kind === 'change') {
      await node.change(`turn ${node.name}`, async () => void done.push(`${id} ${node.name}`));
    }
  },
});

test('a failure lets the other servers finish the phase, begins no further one, and names server, step, cause and remedy', async (t) => {
  const { cluster, events } = newCluster();
  const done: string[] = [];
  const error = await t.throwsAsync<PhaseError>(
    runPhases(cluster, [
      phase('a', 'change', undefined, done),
      phase('b', 'change', 'w1', done),
      phase('c', 'change', undefined, done),
    ]),
  );
  t.true(error instanceof PhaseError);
  t.is(error.message, 'step "Do b" failed: w1 has no wheels');
  t.is(error.code, 'E_TEST');
  t.is(error.hint, 'fit wheels');
  t.true(error.changed);
  t.is(done.filter((each) => each.startsWith('b')).length, 2);
  t.is(done.filter((each) => each.startsWith('c')).length, 0);
  t.true(events.some((event) => event.type === 'node-failed' && event.node === 'w1'));
});

test('a failure of a check says that nothing was changed', async (t) => {
  const { cluster } = newCluster();
  const error = await t.throwsAsync<PhaseError>(
    runPhases(cluster, [phase('check', 'check', 'w1'), phase('b', 'change')]),
  );
  t.false(error.changed);
  t.regex(error.hint ?? '', /nothing was changed on any server/);
});

test('a bug keeps its own error', async (t) => {
  const { cluster } = newCluster();
  const bug: Phase = {
    id: 'bug',
    title: 'Bug',
    kind: 'check',
    nodes: allNodes,
    run: async () => Promise.reject(new TypeError('oops')),
  };
  await t.throwsAsync(runPhases(cluster, [bug]), { message: 'step "Bug" failed: oops', code: 'E_PHASE' });
});

test('a dry run tells every change, makes none, and leaves out what waits for them', async (t) => {
  const { cluster, events } = newCluster({ dryRun: true });
  const done: string[] = [];
  await runPhases(cluster, [phase('a', 'change', undefined, done), phase('w', 'wait', undefined, done)]);
  t.deepEqual(done, []);
  t.deepEqual(
    cluster.changes.map(({ change }) => change),
    ['turn cp1', 'turn w1', 'turn w2'],
  );
  t.true(events.every((event) => event.type !== 'change' || event.dryRun));
  t.true(events.some((event) => event.type === 'phase-finished' && event.phase === 'w' && event.skipped));
});

test('an interrupted run ends with the reason of the interruption, before the next change', async (t) => {
  const stop = new AbortController();
  const { cluster } = newCluster({ signal: stop.signal });
  const first: Phase = {
    id: 'f',
    title: 'F',
    kind: 'change',
    run: async () => stop.abort(new Error('stop')),
  };
  await t.throwsAsync(runPhases(cluster, [first, phase('b', 'change')]), { message: 'stop' });
});

test('the plain view is a line for each step, change, warning and failure', async (t) => {
  const lines: string[] = [];
  const { cluster } = newCluster({ report: plainView((line) => lines.push(line)).report });
  await t.throwsAsync(runPhases(cluster, [phase('a', 'change', 'w2')]));
  t.deepEqual(lines, ['Do a (cp1, w1, w2)', '  cp1: turn cp1', '  w1: turn w1', '  FAILED w2 has no wheels']);
});

test('the JSON view is one object a line, with the time', async (t) => {
  const lines: string[] = [];
  const { cluster } = newCluster({ report: jsonView((line) => lines.push(line), systemClock).report });
  await runPhases(cluster, [phase('a', 'change')]);
  const events = lines.map((line) => JSON.parse(line) as { type: string; time: string });
  t.true(events.every(({ time }) => /^\d{4}-\d\d-\d\dT/.test(time)));
  t.deepEqual(
    events.map(({ type }) => type),
    [
      'plan',
      'phase-started',
      'change',
      'change',
      'change',
      'node-finished',
      'node-finished',
      'node-finished',
      'phase-finished',
    ],
  );
});
