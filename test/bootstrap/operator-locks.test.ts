import { mkdtempSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test from 'ava';
import { OperatorLocks } from '../../src/bootstrap/operator-locks.ts';
import { StateDirectory } from '../../src/bootstrap/state-directory.ts';
import { readStateLock, takeStateLock } from '../../src/bootstrap/state-lock.ts';
import { FakeHost } from '../../src/provision/fake-host.ts';
import { FencedHost } from '../../src/provision/fenced-host.ts';
import { runScript } from '../../src/provision/host.ts';
import { FENCE, type Operator } from '../../src/provision/fence.ts';
import { systemClock } from '../../src/base/clock.ts';
import { newCluster, nodeOf } from './harness.ts';

const ME: Operator = { user: 'me', host: 'here', pid: 1, command: 'up', since: '2026-01-01T00:00:00Z' };

/** A server as the lock's script sees it: whose token stands, and who that is. */
class LockedHost extends FakeHost {
  held: { token: string; operator: Operator } | undefined;

  constructor(name: string, held?: { token: string; operator: Operator }) {
    super(name);
    this.held = held;
    this.when('flock 9', (script) => {
      const [, mine = ''] = /!= '([^']*)' \] && \[/.exec(script) ?? [];
      const [, over = ''] = /&& \[ "\$stands" != '([^']*)'/.exec(script) ?? [];
      if (this.held && this.held.token !== mine && this.held.token !== over) {
        const text = Buffer.from(JSON.stringify(this.held.operator)).toString('base64');
        return { code: 75, stdout: `${this.held.token}\n${text}\n` };
      }
      this.held = { token: mine, operator: ME };
      return '';
    });
    this.when('rm -rf /run/slipway-operator', () => {
      this.held = undefined;
      return '';
    });
  }
}

const locks = (options: { takeLock?: boolean; alive?: boolean } = {}): OperatorLocks =>
  new OperatorLocks({
    operator: ME,
    takeLock: options.takeLock ?? false,
    isAlive: () => options.alive ?? true,
  });

const other = (host: string) => ({ token: 'theirs', operator: { ...ME, user: 'you', host, pid: 7 } });

test('all servers are locked in the order of their names, scripts carry the token, and all are given back', async (t) => {
  const [a, b] = [new LockedHost('a'), new LockedHost('b')];
  const [fencedA, fencedB] = [new FencedHost(a), new FencedHost(b)];
  const mine = locks();
  await mine.take({ cluster: [fencedB, fencedA], servers: [] });
  t.is(a.held?.token, b.held?.token);
  await runScript(fencedA, 'a change', 'true');
  t.is(a.scripts.at(-1), `SLIPWAY_LOCK='${a.held?.token}'\n${FENCE}\ntrue`);
  await fencedA.pipe('cat >/x', Readable.from([Buffer.from('a piece')]));
  t.is(a.scripts.at(-1), `SLIPWAY_LOCK='${a.held?.token}'\n${FENCE}\ncat >/x # with 7 bytes of input`);
  await mine.release();
  t.deepEqual([a.held, b.held], [undefined, undefined]);
  await runScript(fencedA, 'a look', 'true');
  t.is(a.scripts.at(-1), 'true');
});

test('a server that another operator has is named with who and since when, and nothing stays locked', async (t) => {
  const [a, b] = [new LockedHost('a'), new LockedHost('b', other('elsewhere'))];
  const error = await t.throwsAsync(
    locks({ alive: false }).take({ cluster: [new FencedHost(a)], servers: [new FencedHost(b)] }),
    {
      code: 'E_LOCKED',
    },
  );
  t.is(
    error?.message,
    'b: you@elsewhere (slipway up, process 7, since 2026-01-01T00:00:00Z) is at work there',
  );
  t.is(a.held, undefined);
  t.is(b.held?.token, 'theirs');
});

test('a dead process of this machine is taken over at once, one that lives is not, another machine by command', async (t) => {
  const takes = async (host: string, options: { takeLock?: boolean; alive?: boolean }): Promise<boolean> => {
    const server = new LockedHost('a', other(host));
    return locks(options)
      .take({ cluster: [new FencedHost(server)], servers: [] })
      .then(
        () => true,
        () => false,
      );
  };
  t.true(await takes('here', { alive: false }));
  t.false(await takes('here', { alive: true }));
  t.false(await takes('elsewhere', { alive: false }));
  t.true(await takes('elsewhere', { takeLock: true }));
});

test('a script that finds another token says who has taken over', async (t) => {
  const server = new FakeHost('a');
  const stands = Buffer.from(JSON.stringify({ ...ME, user: 'you' })).toString('base64');
  server.when('change', { code: 66, stdout: `${stands}\n` });
  const error = await t.throwsAsync(runScript(server, 'a change', 'change'), { code: 'E_LOCK_LOST' });
  t.regex(
    error?.message ?? '',
    /^a: the lock of this run is gone: you@here \(slipway up, .*\) has taken over$/,
  );
});

test('a command that is fed is stopped once another operator has taken over', async (t) => {
  const server = new LockedHost('a');
  const host = new FencedHost(server);
  await locks().take({ cluster: [host], servers: [] });
  const stands = Buffer.from(JSON.stringify({ ...ME, user: 'you' })).toString('base64');
  server.when('cat >>', { code: 66, stdout: `${stands}\n` });
  await t.throwsAsync(host.pipe('cat >>/x', Readable.from([Buffer.from('a piece')])), {
    code: 'E_LOCK_LOST',
    message: /you@here .* has taken over/,
  });
});

const stateDirectory = (): StateDirectory =>
  new StateDirectory(mkdtempSync(join(tmpdir(), 'slipway-locks-')));

test('a state directory is for one run at a time, and who was taken over writes nothing more', async (t) => {
  const [mine, theirs] = [stateDirectory(), stateDirectory()];
  const same = new StateDirectory(mine.path);
  const first = locks();
  await first.take({ cluster: [], servers: [], state: mine });
  await mine.write('pki/ca.crt', 'mine');
  await t.throwsAsync(locks().take({ cluster: [], servers: [], state: same }), {
    code: 'E_LOCKED',
    message: `${mine.path}: me@here (slipway up, process 1, since 2026-01-01T00:00:00Z) is at work there`,
  });
  await locks().take({ cluster: [], servers: [], state: theirs });
  const second = locks({ takeLock: true });
  await second.take({ cluster: [], servers: [], state: same });
  for (const write of [
    () => mine.write('pki/ca.crt', 'late'),
    () => mine.append('journal.jsonl', 'late'),
    () => mine.remove('pki'),
  ]) {
    await t.throwsAsync(write(), { code: 'E_LOCK_LOST', message: /me@here .* has taken over/ });
  }
  await first.release();
  await same.write('pki/ca.crt', 'theirs');
  t.is(await mine.read('pki/ca.crt'), 'theirs');
  await second.release();
  t.deepEqual(readdirSync(mine.path), ['pki']);
});

test('of many runs that find a dead one’s lock exactly one gets it', async (t) => {
  for (let round = 0; round < 20; round += 1) {
    const state = stateDirectory();
    await locks().take({ cluster: [], servers: [], state });
    const runs = Array.from({ length: 8 }, () => locks({ alive: false }));
    const results = await Promise.allSettled(
      runs.map(async (run) => {
        const own = new StateDirectory(state.path);
        await run.take({ cluster: [], servers: [], state: own });
        return own;
      }),
    );
    // All are the same process here, so that each may replace any other: the last one stands, and only it can write.
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    t.true(won.length > 0);
    const writes = await Promise.allSettled(won.map((own) => own.write('x', 'x')));
    t.is(writes.filter(({ status }) => status === 'fulfilled').length, 1);
    t.truthy(await readStateLock(state.path));
  }
});

test('the cluster is locked as a whole: control planes that a run does not change, too, as far as they answer', async (t) => {
  const opened = new LockedHost('cp1');
  const lock = { operator: ME, takeLock: false, isAlive: () => true };
  const make = (open: () => Promise<FakeHost>) => {
    const made = newCluster({ lock, open });
    const w1 = nodeOf(made.cluster, 'w1');
    w1.host = new LockedHost('w1');
    made.cluster.targets = [w1];
    return { ...made, w1 };
  };
  const first = make(async () => opened);
  await first.w1.change('a change', async () => {
    t.truthy(opened.held);
    // Another operator, with files and a server of his own.
    const second = make(async () => opened);
    await t.throwsAsync(
      second.w1.change('another change', async () => t.fail()),
      { code: 'E_LOCKED', message: /^cp1: me@here/ },
    );
  });
  await first.cluster.unlock();
  t.is(opened.held, undefined);
  const alone = make(async () => {
    throw new Error('no route to host');
  });
  await alone.w1.change('a change', async () => undefined);
  const warnings = alone.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  t.deepEqual(warnings, [
    'does not answer, and is not locked: no route to host',
    'only 0 of 1 control planes could be locked: make sure that nobody else works on this cluster',
  ]);
});

test('a run that has looked before another one changed something changes nothing', async (t) => {
  const lock = { operator: ME, takeLock: false, isAlive: () => true };
  const { cluster } = newCluster({ lock });
  cluster.journalBytes = await cluster.state.size('journal.jsonl');
  await cluster.state.append('journal.jsonl', `${systemClock.now()}\n`);
  await t.throwsAsync(
    cluster.change('a change', async () => t.fail()),
    { code: 'E_STATE_CHANGED' },
  );
  await cluster.unlock();
  t.is(await readStateLock(cluster.state.path), undefined);
});

test('a run that needs no lock takes away what dead runs of its machine have left, and nobody else’s', async (t) => {
  const encode = (held: { token: string; operator: Operator }): string =>
    `${held.token}\n${Buffer.from(JSON.stringify(held.operator)).toString('base64')}\n`;
  const servers = [
    new LockedHost('a', other('here')),
    new LockedHost('b', other('elsewhere')),
    new LockedHost('c'),
  ];
  for (const server of servers) {
    server.when('cat /run/slipway-operator/lock', () => (server.held ? encode(server.held) : ''));
  }
  const state = new StateDirectory(mkdtempSync(join(tmpdir(), 'slipway-')));
  const hosts = servers.map((server) => new FencedHost(server));
  await takeStateLock(state.path, other('here'), () => false);
  await locks({ alive: true }).forgetDead(hosts, state);
  t.is(servers[0]?.held?.token, 'theirs');
  t.is((await readStateLock(state.path))?.token, 'theirs');
  await locks({ alive: false }).forgetDead(hosts, state);
  t.deepEqual(
    servers.map(({ held }) => held?.token),
    [undefined, 'theirs', undefined],
  );
  t.is(await readStateLock(state.path), undefined);
  t.true(servers[0]?.scripts.at(-1)?.includes('flock -n -x 8'));
});

test('what runs left that died while they took the lock of a state directory goes', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-'));
  const left = join(directory, 'operator.lock.old');
  writeFileSync(left, '{}');
  utimesSync(left, 1, 1);
  writeFileSync(join(directory, 'operator.lock.new'), '{}');
  t.is(await takeStateLock(directory, other('here'), () => false), undefined);
  t.deepEqual(readdirSync(directory).toSorted(), ['operator.lock', 'operator.lock.new']);
});
