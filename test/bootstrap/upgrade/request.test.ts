import test from 'ava';
import { batchSize, stagesOf } from '../../../src/bootstrap/upgrade/request.ts';

const SERVERS = [
  { name: 'w1', controlPlane: false },
  { name: 'cp1', controlPlane: true },
  { name: 'cp2', controlPlane: true },
  ...['w2', 'w3', 'w4', 'w5'].map((name) => ({ name, controlPlane: false })),
];
const told = (direction: 'forward' | 'back', batch: string): string[] =>
  stagesOf(SERVERS, { direction, batch }).map(({ part, nodes }) => `${part} ${nodes.join(' ')}`);

test('all API servers go before any kubelet, control planes one at a time, workers in batches', (t) => {
  t.deepEqual(told('forward', '2'), [
    'api cp1',
    'api cp2',
    'node cp1',
    'node cp2',
    'node w1 w2',
    'node w3 w4',
    'node w5',
  ]);
});

test('the way back is the other way round: no kubelet is ever newer than an API server', (t) => {
  t.deepEqual(told('back', '50%'), [
    'node w4 w5',
    'node w1 w2 w3',
    'node cp2',
    'node cp1',
    'api cp2',
    'api cp1',
  ]);
});

test('a batch is a number of servers or a share of them, rounded up', (t) => {
  t.is(batchSize('20%', 5), 1);
  t.is(batchSize('20%', 6), 2);
  t.is(batchSize('100%', 7), 7);
  t.is(batchSize('20%', 0), 1);
  t.is(batchSize('3', 100), 3);
  for (const bad of ['0', '-1', '0%', '101%', '1.5', 'all', '']) {
    t.throws(() => batchSize(bad, 5), { code: 'E_UPGRADE', message: /--batch/ }, bad);
  }
});
