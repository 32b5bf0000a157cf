import test from 'ava';
import { OperatorLocks } from '../../src/bootstrap/operator-locks.ts';
import { FakeHost } from '../../src/provision/fake-host.ts';
import { FencedHost } from '../../src/provision/fenced-host.ts';
import { runScript } from '../../src/provision/host.ts';
import { FENCE, type Operator } from '../../src/provision/fence.ts';

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
  await mine.take([fencedB, fencedA]);
  t.is(a.held?.token, b.held?.token);
  await runScript(fencedA, 'a change', 'true');
  t.is(a.scripts.at(-1), `SLIPWAY_LOCK='${a.held?.token}'\n${FENCE}\ntrue`);
  await mine.release();
  t.deepEqual([a.held, b.held], [undefined, undefined]);
  await runScript(fencedA, 'a look', 'true');
  t.is(a.scripts.at(-1), 'true');
});

test('a server that another operator has is named with who and since when, and nothing stays locked', async (t) => {
  const [a, b] = [new LockedHost('a'), new LockedHost('b', other('elsewhere'))];
  const error = await t.throwsAsync(locks({ alive: false }).take([new FencedHost(a), new FencedHost(b)]), {
    code: 'E_LOCKED',
  });
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
      .take([new FencedHost(server)])
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
