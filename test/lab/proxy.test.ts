import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'ava';
import { SERVICES } from '../../src/api/gen/resources.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { labSkipReason, prepareMachine } from './machine.ts';
import type { Netns } from './netns.ts';
import {
  ask,
  BACKENDS,
  CLIENT_IP,
  NODE_IP,
  OUTSIDE_IP,
  ProxyNetwork,
  ProxyWorld,
  whoAnswers,
} from './proxy-network.ts';

const reason = labSkipReason();
const labTest = reason ? test.skip : test.serial;
if (reason) test.serial.skip(`proxy in namespaces: ${reason}`, () => {});

const newNetwork = async (label: string): Promise<{ network: ProxyNetwork; world: ProxyWorld }> => {
  await prepareMachine();
  const network = await ProxyNetwork.create(label);
  return { network, world: new ProxyWorld(network) };
};

/** One socket and so one source port: each line of input is a datagram, each answer a line of output. */
const UDP_CLIENT = `
  import { createSocket } from 'node:dgram';
  const socket = createSocket('udp4', (answer) => process.stdout.write(answer));
  socket.on('error', () => {});
  process.stdin.on('data', (data) => socket.send(data, 53, '10.96.0.20'));`;

/** A conversation that stays open: each line that is sent comes back. */
function talk(
  from: Netns,
  address: string,
  port: number,
): { say(text: string): Promise<string>; end(): void } {
  const script = `exec 3<>/dev/tcp/${address}/${port}; cat <&3 & cat >&3`;
  const child = from.spawn(['bash', '-c', script]);
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
  return {
    async say(text) {
      if (text !== '') child.stdin?.write(`${text}\n`);
      return String((await lines.next()).value);
    },
    end: () => child.kill('SIGKILL'),
  };
}

labTest('a cluster IP spreads over all ready endpoints, from pods, the node and outside', async (t) => {
  const { network, world } = await newNetwork('spread');
  const { client, host, outside } = network;
  try {
    world.service('web', { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'] });
    await world.endpoints('web', ['b1', 'b2', 'far']);
    world.start();
    await waitFor(
      'the cluster IP answers',
      async () => typeof (await ask(client, '10.96.0.10', 80)) !== 'string',
    );
    t.deepEqual(await whoAnswers(client, '10.96.0.10', 80, 25), ['b1', 'b2', 'far']);
    t.deepEqual(await whoAnswers(host, '10.96.0.10', 80, 25), ['b1', 'b2', 'far']);
    // A pod keeps its own address; what comes from outside the pod range is masqueraded.
    await world.endpoints('web', ['b1']);
    await waitFor(
      'b1 alone answers',
      async () => (await whoAnswers(client, '10.96.0.10', 80)).join() === 'b1',
    );
    t.deepEqual(await ask(client, '10.96.0.10', 80), { name: 'b1', seen: CLIENT_IP });
    await outside.exec(`ip route add 10.96.0.0/12 via ${NODE_IP}`);
    const answer = await ask(outside, '10.96.0.10', 80);
    t.deepEqual(answer, { name: 'b1', seen: '10.244.0.1' });
    // A pod that reaches itself sees another client than itself.
    t.deepEqual(await ask(network.pods.get('b1') ?? client, '10.96.0.10', 80), {
      name: 'b1',
      seen: '10.244.0.1',
    });
    // Another port of a cluster IP is refused, not lost.
    t.is(await ask(client, '10.96.0.10', 81), 'refused');
  } finally {
    await world.stop();
    await network.close();
  }
});

labTest('without endpoints a Service refuses; deleting it leaves no chain behind', async (t) => {
  const { network, world } = await newNetwork('none');
  const { client, host } = network;
  try {
    world.service('web', {
      type: 'NodePort',
      clusterIP: '10.96.0.10',
      ports: [{ port: 80, nodePort: 30080 }],
    });
    world.start();
    await waitFor('refused', async () => (await ask(client, '10.96.0.10', 80)) === 'refused');
    t.is(await ask(network.outside, NODE_IP, 30080), 'refused');
    await world.endpoints('web', ['b2']);
    await waitFor('answers', async () => typeof (await ask(client, '10.96.0.10', 80)) !== 'string');
    await world.client.delete(SERVICES, { namespace: 'default', name: 'web' });
    await waitFor('chains are gone', async () => {
      const table = await host.exec('nft list table ip slipway-proxy');
      return !table.includes('default/web') && !table.includes('10.96.0.10');
    });
    t.pass();
  } finally {
    await world.stop();
    await network.close();
  }
});

labTest(
  'node ports, external IPs and balancer IPs answer from outside; policy Local keeps the client',
  async (t) => {
    const { network, world } = await newNetwork('external');
    const { client, outside } = network;
    const spec = { clusterIP: '10.96.0.10', ports: [{ port: 80, nodePort: 30080 }] };
    try {
      world.service(
        'web',
        {
          ...spec,
          type: 'LoadBalancer',
          externalIPs: ['198.51.100.1'],
          loadBalancerSourceRanges: ['10.77.0.0/16', '10.77.0.0/24'],
        },
        { loadBalancer: { ingress: [{ ip: '198.51.100.2' }] } },
      );
      await world.endpoints('web', ['b1', 'far']);
      world.start();
      await outside.exec(`ip route add 198.51.100.0/24 via ${NODE_IP}; ip addr add 172.31.0.1/32 dev lo`);
      await waitFor('node port', async () => typeof (await ask(outside, NODE_IP, 30080)) !== 'string');
      t.deepEqual(await whoAnswers(outside, NODE_IP, 30080, 20), ['b1', 'far']);
      t.deepEqual(await whoAnswers(outside, '198.51.100.1', 80, 20), ['b1', 'far']);
      t.deepEqual(await whoAnswers(outside, '198.51.100.2', 80, 20), ['b1', 'far']);
      // A client outside of the balancer's source ranges gets no answer.
      await outside.exec('ip route replace 198.51.100.0/24 via 10.77.0.11 src 172.31.0.1');
      await network.host.exec(`ip route add 172.31.0.1/32 via ${OUTSIDE_IP}`);
      t.is(await ask(outside, '198.51.100.2', 80), 'silence');
      t.not(await ask(outside, '198.51.100.1', 80), 'silence');

      const service = await world.client.get(SERVICES, { namespace: 'default', name: 'web' });
      await world.client.update(SERVICES, {
        ...service,
        spec: { ...service.spec, externalTrafficPolicy: 'Local' },
      });
      await waitFor('Local', async () => (await whoAnswers(outside, NODE_IP, 30080)).join() === 'b1');
      t.deepEqual(await ask(outside, NODE_IP, 30080), { name: 'b1', seen: OUTSIDE_IP });
      // Inside the cluster the external policy does not bind.
      t.deepEqual(await whoAnswers(client, NODE_IP, 30080, 20), ['b1', 'far']);
      await world.endpoints('web', ['far']);
      await waitFor('no local endpoint', async () => (await ask(outside, NODE_IP, 30080)) === 'silence');
      t.deepEqual(await whoAnswers(client, NODE_IP, 30080, 3), ['far']);
    } finally {
      await world.stop();
      await network.close();
    }
  },
);

labTest('client affinity keeps a client with its endpoint, over a restart too', async (t) => {
  const { network, world } = await newNetwork('affinity');
  const { client, host } = network;
  try {
    world.service('web', { clusterIP: '10.96.0.10', sessionAffinity: 'ClientIP' });
    await world.endpoints('web', ['b1', 'b2', 'far']);
    world.start();
    await waitFor('answers', async () => typeof (await ask(client, '10.96.0.10', 80)) !== 'string');
    const first = await whoAnswers(client, '10.96.0.10', 80, 12);
    t.is(first.length, 1);
    await world.stop();
    const before = await host.exec('nft -a list table ip slipway-proxy');
    world.start();
    // A replaced table has new handles.
    await waitFor(
      'the table is replaced',
      async () => (await host.exec('nft -a list table ip slipway-proxy')) !== before,
    );
    t.deepEqual(await whoAnswers(client, '10.96.0.10', 80, 12), first);
    // When the endpoint goes, the client moves.
    const others = (['b1', 'b2', 'far'] as const).filter((name) => name !== first[0]);
    await world.endpoints('web', others);
    await waitFor(
      'another',
      async () => !(await whoAnswers(client, '10.96.0.10', 80, 3)).includes(first[0] ?? ''),
    );
  } finally {
    await world.stop();
    await network.close();
  }
});

labTest(
  'UDP clients leave an endpoint that is gone; TCP conversations outlive changes and restarts',
  async (t) => {
    const { network, world } = await newNetwork('flows');
    const { client } = network;
    try {
      world.service('udp', { clusterIP: '10.96.0.20', ports: [{ port: 53, protocol: 'UDP' }] });
      await world.endpoints('udp', ['b1'], 'UDP');
      world.service('web', { clusterIP: '10.96.0.10' });
      await world.endpoints('web', ['b2']);
      world.start();
      await waitFor('answers', async () => typeof (await ask(client, '10.96.0.10', 80)) !== 'string');
      // Without a clean-up the kernel keeps sending the client's packets to b1.
      const udp = client.spawn([process.execPath, '--input-type=module', '-e', UDP_CLIENT]);
      let last = '';
      createInterface({ input: udp.stdout ?? process.stdin }).on('line', (line) => (last = line));
      const answeredBy = (name: string) =>
        waitFor(`the UDP client is answered by ${name}`, () => {
          udp.stdin?.write('hello\n');
          return last.startsWith(`${name} `);
        });
      await answeredBy('b1');
      const tcp = talk(client, '10.96.0.10', 80);
      t.regex(await tcp.say(''), /^b2 /);

      await world.endpoints('udp', ['b2'], 'UDP');
      await answeredBy('b2');
      await world.endpoints('web', ['b1']);
      await waitFor(
        'new connections go to b1',
        async () => (await whoAnswers(client, '10.96.0.10', 80, 3)).join() === 'b1',
      );
      t.is(await tcp.say('still there?'), 'still there?');
      await world.stop();
      t.is(await tcp.say('with no proxy?'), 'with no proxy?');
      world.start();
      t.is(await tcp.say('and with a new one?'), 'and with a new one?');
      tcp.end();
      udp.kill('SIGKILL');
    } finally {
      await world.stop();
      await network.close();
    }
  },
);

labTest('traffic goes on when the proxy is killed, and while the next one takes over', async (t) => {
  const { network, world } = await newNetwork('kill');
  const { client, host } = network;
  try {
    const code = `
      const { ProxyWorld } = await import(${JSON.stringify(new URL('proxy-network.ts', import.meta.url).href)});
      const { runCommand } = await import(${JSON.stringify(new URL('../../src/base/command.ts', import.meta.url).href)});
      const world = new ProxyWorld({ host: { runCommand } });
      world.service('web', { clusterIP: '10.96.0.10' });
      await world.endpoints('web', ['b1', 'b2']);
      world.start();
      setInterval(() => {}, 1000);`;
    // The whole process runs in the node's network, as on a server.
    const child = host.spawn([process.execPath, '--input-type=module', '-e', code]);
    await waitFor('answers', async () => typeof (await ask(client, '10.96.0.10', 80)) !== 'string');
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    t.deepEqual(await whoAnswers(client, '10.96.0.10', 80, 15), ['b1', 'b2']);

    // Connections without a pause, while a new process replaces the table.
    world.service('web', { clusterIP: '10.96.0.10' });
    await world.endpoints('web', ['b1', 'b2']);
    const hammer = client.spawn([
      'bash',
      '-c',
      'n=0; f=0; trap "echo $n $f; exit" TERM; while :; do n=$((n+1)); (exec 3<>/dev/tcp/10.96.0.10/80) 2>/dev/null || f=$((f+1)); trap "echo $n $f; exit" TERM; done',
    ]);
    for (let round = 0; round < 3; round++) {
      const before = await host.exec('nft -a list table ip slipway-proxy');
      world.start();
      await waitFor(
        'replaced',
        async () => (await host.exec('nft -a list table ip slipway-proxy')) !== before,
      );
      await world.stop();
    }
    const output = once(createInterface({ input: hammer.stdout ?? process.stdin }), 'line');
    hammer.kill('SIGTERM');
    const [connections, failures] = String((await output)[0])
      .split(' ')
      .map(Number);
    t.true((connections ?? 0) > 20, `${connections} connections`);
    t.is(failures, 0);
  } finally {
    await world.stop();
    await network.close();
  }
});

labTest('a flushed ruleset is written again with the next change', async (t) => {
  const { network, world } = await newNetwork('flush');
  const { client, host } = network;
  try {
    world.service('web', { clusterIP: '10.96.0.10' });
    await world.endpoints('web', ['b1']);
    world.start();
    await waitFor('answers', async () => typeof (await ask(client, '10.96.0.10', 80)) !== 'string');
    await host.exec('nft flush ruleset');
    t.is(await ask(client, '10.96.0.10', 80), 'silence');
    await world.endpoints('web', ['b2']);
    await waitFor('answers again', async () => typeof (await ask(client, '10.96.0.10', 80)) !== 'string');
    t.is(BACKENDS.b2, '10.244.0.12');
  } finally {
    await world.stop();
    await network.close();
  }
});
