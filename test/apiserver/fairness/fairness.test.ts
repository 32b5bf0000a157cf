import test from 'ava';
import { divideSeats } from '../../../src/apiserver/fairness/borrowing.ts';
import { dealHand, QueueSet } from '../../../src/apiserver/fairness/queue-set.ts';
import type { Seated } from '../../../src/apiserver/fairness/queue-set.ts';
import { RetryAfter } from '../../../src/apiserver/fairness/retry-after.ts';
import { flowCounts } from '../../../src/apiserver/fairness/ticket.ts';
import type { Ticket } from '../../../src/apiserver/fairness/ticket.ts';
import { parseRequestInfo } from '../../../src/apiserver/http/request-info.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { createClock } from '../../helpers/fake-clock.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';

const NEVER = new AbortController().signal;

const ticket = (distinguisher: string, more: Partial<Ticket> = {}): Ticket => ({
  schema: 'schema',
  distinguisher,
  seats: 1,
  holdSeats: 0,
  holdMs: 0,
  arrivedMs: 0,
  info: parseRequestInfo('GET', '/version', new URLSearchParams()),
  userName: distinguisher,
  counts: flowCounts(),
  startedMs: 0,
  ...more,
});

test('a flow that floods a level takes turns with one that asks once', async (t) => {
  const queues = new QueueSet(createClock(), { queues: 64, handSize: 6, queueLengthLimit: 50 }, 15_000);
  queues.setLimit(2);
  const running: Seated[] = [];
  const order: string[] = [];
  const ask = (flow: string): void => {
    const seat = queues.enter(ticket(flow), NEVER);
    if (typeof seat === 'string') return;
    const taken = (one: Seated): void => {
      order.push(flow);
      running.push(one);
    };
    if (seat instanceof Promise) void seat.then(taken);
    else taken(seat);
  };
  for (let index = 0; index < 40; index++) ask('elephant');
  ask('mouse');
  t.is(queues.seatsInUse, 2);
  // Every queue of the elephant's hand holds requests: at most so many turns pass before the mouse's.
  for (let turn = 0; turn < 8; turn++) {
    running.shift()?.release();
    await Promise.resolve();
    t.true(queues.seatsInUse <= 2);
  }
  t.true(order.includes('mouse'), order.join());
});

test('what is over a queue is refused, what waits too long or leaves gives its place back', async (t) => {
  const clock = createClock();
  const queues = new QueueSet(clock, { queues: 1, handSize: 1, queueLengthLimit: 2 }, 15_000);
  queues.setLimit(1);
  const first = queues.enter(ticket('a'), NEVER);
  const leaver = new AbortController();
  const late = queues.enter(ticket('a'), NEVER) as Promise<Seated>;
  const left = queues.enter(ticket('a'), leaver.signal) as Promise<Seated>;
  t.is(queues.enter(ticket('a'), NEVER), 'queue-full');
  leaver.abort();
  await t.throwsAsync(left, { message: 'cancelled' });
  const timedOut = t.throwsAsync(late, { message: 'time-out' });
  await clock.advance(15_001);
  await timedOut;
  t.like(queues.counts, { waiting: 0, executing: 1, rejected: 1, timedOut: 1, cancelled: 1 });
  (first as Seated).release();
  (first as Seated).release();
  t.is(queues.seatsInUse, 0);
});

test('a level that rejects has no queue, and work after the answer keeps its seats', async (t) => {
  const clock = createClock();
  const queues = new QueueSet(clock, { queues: 0, handSize: 1, queueLengthLimit: 0 }, 15_000);
  queues.setLimit(1);
  const first = queues.enter(ticket('a', { holdSeats: 3, holdMs: 5 }), NEVER) as Seated;
  t.is(queues.enter(ticket('a'), NEVER), 'concurrency-limit');
  first.release();
  t.is(queues.seatsInUse, 3);
  await clock.advance(6);
  t.is(queues.seatsInUse, 0);
});

test('hands are of different queues, and the same flow gets the same ones', (t) => {
  for (const flow of ['a', 'b', 'c,user', 'd,namespace']) {
    const hand = dealHand(flow, 128, 6);
    t.is(new Set(hand).size, 6);
    t.true(hand.every((card) => card >= 0 && card < 128));
    t.deepEqual(dealHand(flow, 128, 6), hand);
  }
});

test('seats are divided by what is wanted, within bounds', (t) => {
  const shares = [
    { target: 10, least: 10, most: 600 },
    { target: 300, least: 50, most: 600 },
    { target: 90, least: 90, most: 90 },
  ];
  const seats = divideSeats(600, shares);
  t.is(seats[2], 90);
  t.true((seats[1] ?? 0) > (seats[0] ?? 0) * 20);
  t.true(Math.abs(seats.reduce((sum, one) => sum + one, 0) - 600) <= 2);
});

test('a server has upstream’s objects, names the flow of each request and refuses what is over its level', async (t) => {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  const other = new RawApi(plane, { identity: plane.identity('jane') });
  t.teardown(async () => {
    api.close();
    other.close();
    await plane.close();
  });
  const root = '/apis/flowcontrol.apiserver.k8s.io/v1';
  const uidOf = async (kind: string, name: string) =>
    (await api.get(`${root}/${kind}/${name}`)).json().metadata.uid;
  const answer = await api.get('/api/v1/namespaces');
  t.is(answer.headers['x-kubernetes-pf-flowschema-uid'], await uidOf('flowschemas', 'exempt'));
  const denied = await other.get('/api/v1/namespaces');
  t.is(denied.status, 403);
  const defaultUid = await uidOf('prioritylevelconfigurations', 'global-default');
  t.is(denied.headers['x-kubernetes-pf-prioritylevel-uid'], defaultUid);
  const fixed = await api.request('PATCH', `${root}/flowschemas/catch-all`, {
    body: { spec: { matchingPrecedence: 9999 } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  t.regex(String(fixed.json()['message']), /spec of 'catch-all' must equal the fixed value/);
  // A level of no share at all lets one request run, alone.
  await api.post(`${root}/prioritylevelconfigurations`, {
    metadata: { name: 'none' },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 0, limitResponse: { type: 'Reject' } } },
  });
  await api.post(`${root}/flowschemas`, {
    metadata: { name: 'jane' },
    spec: {
      priorityLevelConfiguration: { name: 'none' },
      matchingPrecedence: 10,
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'jane' } }],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
          resourceRules: [
            { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] },
          ],
        },
      ],
    },
  });
  await api.post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'jane' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
  });
  // A list of what has not happened yet waits for it, and holds its seat.
  const refused = await waitFor('one of two at once to be refused', async () => {
    const lists = [0, 1].map(() => other.get('/api/v1/nodes?resourceVersion=900000000'));
    return (await Promise.all(lists)).find(({ status }) => status === 429);
  });
  t.is(refused.body.toString(), 'Too many requests, please try again later.\n');
  t.is(refused.headers['retry-after'], '1');
  t.regex(
    (await api.get('/debug/api_priority_and_fairness/dump_priority_levels')).body.toString(),
    /^PriorityLevelName, .*\ncatch-all, /,
  );
});

test('a flow whose requests take long gets fewer turns than one whose requests are short', async (t) => {
  const clock = createClock();
  const queues = new QueueSet(clock, { queues: 64, handSize: 1, queueLengthLimit: 500 }, 600_000);
  queues.setLimit(1);
  const ran = { slow: 0, quick: 0 };
  const running: Array<{ flow: 'slow' | 'quick'; seat: Seated }> = [];
  const first = queues.enter(ticket('other'), NEVER) as Seated;
  for (let index = 0; index < 100; index++) {
    for (const flow of ['slow', 'quick'] as const) {
      const seat = queues.enter(ticket(flow), NEVER) as Promise<Seated>;
      void seat.then((taken) => running.push({ flow, seat: taken }));
    }
  }
  first.release();
  for (let turn = 0; turn < 60; turn++) {
    await Promise.resolve();
    const one = running.shift();
    if (!one) break;
    ran[one.flow] += 1;
    await clock.advance(one.flow === 'slow' ? 90 : 10);
    one.seat.release();
  }
  t.true(ran.quick > ran.slow * 4, JSON.stringify(ran));
  t.true(ran.slow > 3, JSON.stringify(ran));
});

test('those refused by a level that refuses many are asked to stay away longer, and less long later', (t) => {
  const retryAfter = new RetryAfter();
  const seen: number[] = [];
  for (let second = 1000; second < 1080; second++) {
    const refused = second < 1012 ? 200 : Number(second % 3 === 0);
    for (let index = 0; index < refused; index++) retryAfter.refused(second * 1000 + index);
    seen.push(retryAfter.seconds);
  }
  t.deepEqual(seen.slice(0, 12), [1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8]);
  t.is(Math.max(...seen), 16);
  t.true((seen.at(-1) ?? 0) < 16);
});

test('what waits and what runs is dumped and counted', async (t) => {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  const dump = async (query: string) =>
    (await api.get(`/debug/api_priority_and_fairness/dump_requests${query}`)).body.toString().split('\n');
  const [head, row] = await dump('');
  t.regex(head ?? '', /^PriorityLevelName, FlowSchemaName, QueueIndex, .*, StartTime$/);
  t.regex(row ?? '', /^exempt, +exempt, +-1, +-1, +, +20\d\d-.*Z, 1, +0, +0s, +20\d\d-.*Z$/);
  const details = await dump('?includeRequestDetails=1');
  t.regex(details[1] ?? '', /test-admin, +get, +\/debug\/api_priority_and_fairness\/dump_requests, /);
  const metrics = (await api.get('/metrics')).body.toString();
  t.regex(metrics, /^apiserver_flowcontrol_nominal_limit_seats\{priority_level="workload-low"\} 245$/m);
  t.regex(
    metrics,
    /^apiserver_flowcontrol_current_executing_requests\{flow_schema="exempt",priority_level="exempt"\} 1$/m,
  );
  t.regex(
    metrics,
    /^apiserver_flowcontrol_dispatched_requests_total\{flow_schema="exempt",priority_level="exempt"\} [1-9]/m,
  );
});

test('a schema says whether its level is there as soon as either changes', async (t) => {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  const root = '/apis/flowcontrol.apiserver.k8s.io/v1';
  const schema = {
    metadata: { name: 'mine' },
    spec: { priorityLevelConfiguration: { name: 'mine' }, matchingPrecedence: 900 },
  };
  t.is((await api.post(`${root}/flowschemas`, schema)).status, 201);
  const dangling = async (wanted: string) => {
    const { status } = (await api.get(`${root}/flowschemas/mine`)).json();
    const conditions = (status as { conditions?: Array<{ type: string; status: string }> }).conditions ?? [];
    return conditions.some((one) => one.type === 'Dangling' && one.status === wanted);
  };
  await waitFor('it to be dangling', () => dangling('True'));
  await api.post(`${root}/prioritylevelconfigurations`, {
    metadata: { name: 'mine' },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } } },
  });
  await waitFor('it to be no longer', () => dangling('False'));
  await api.delete(`${root}/prioritylevelconfigurations/mine`);
  await waitFor('it to be dangling again', () => dangling('True'));
});
