/** Components that are asked for their health while they are restarted. */
import { Duplex } from 'node:stream';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { untilHealthy } from '../../src/bootstrap/phases/wait-components.ts';
import { FakeHost } from '../../src/provision/fake-host.ts';
import { createClock } from '../helpers/fake-clock.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { newCluster, nodeOf } from './harness.ts';

type Behaviour = 'breaks off' | 'is silent' | 'is healthy';

/** A server whose process does this with one connection after the other. */
class RestartedHost extends FakeHost {
  readonly behaviours: Behaviour[];
  asked = 0;

  constructor(behaviours: Behaviour[]) {
    super('w1');
    this.behaviours = behaviours;
  }

  override async forward(): Promise<Duplex> {
    const behaviour = this.behaviours[Math.min(this.asked, this.behaviours.length - 1)];
    this.asked += 1;
    const channel: Duplex = new Duplex({
      read() {},
      write(_chunk, _encoding, done) {
        done();
        // A reset: the channel is closed, and nothing says that it has ended.
        if (behaviour === 'breaks off') channel.destroy();
        if (behaviour === 'is healthy') {
          channel.push('HTTP/1.1 200 OK\r\n\r\nok');
          channel.push(null);
        }
      },
    });
    return channel;
  }
}

test('a connection that breaks off or stays silent is followed by another one', async (t) => {
  const clock = createClock(systemClock.now());
  const { cluster } = newCluster({ clock });
  const node = nodeOf(cluster, 'w1');
  const host = new RestartedHost(['breaks off', 'is silent', 'is healthy']);
  node.host = host;
  let healthy = false;
  const done = untilHealthy(node, 'proxy').then(() => (healthy = true));
  await waitFor('it is healthy', async () => {
    await clock.advance(200);
    return healthy;
  });
  await done;
  t.is(host.asked, 3);
});

test('a process that takes connections and never answers is given up, and told of', async (t) => {
  const clock = createClock(systemClock.now());
  const { cluster } = newCluster({ clock });
  const node = nodeOf(cluster, 'w1');
  node.host = new RestartedHost(['is silent']);
  let over = false;
  const done = t
    .throwsAsync(untilHealthy(node, 'proxy'), { code: 'E_NOT_READY', message: /no answer in 5 s/ })
    .then(() => (over = true));
  await waitFor('it is given up', async () => {
    await clock.advance(500);
    return over;
  });
  await done;
});
