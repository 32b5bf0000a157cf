import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { decode, encode, type Answer, type Packet } from 'dns-packet';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { AnswerCache } from '../../src/dns/answer-cache.ts';
import { parseResolvConf } from '../../src/dns/resolv-conf.ts';
import type { Upstream } from '../../src/dns/upstream.ts';
import { createClock } from '../helpers/fake-clock.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { ask } from './dns-client.ts';
import { seedCluster, startDns } from './world.ts';

interface Outside {
  upstream: Upstream;
  /** Names that were asked, probes left out. */
  asked: string[];
}

/** A name server of the outside world, by UDP and TCP, that answers every name with the given records. */
async function startOutside(
  t: ExecutionContext,
  answer: (name: string, transport: 'udp' | 'tcp') => (Partial<Packet> & { rcode?: number }) | undefined,
): Promise<Outside> {
  const asked: string[] = [];
  const respond = (bytes: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined => {
    const { id, questions = [] } = decode(bytes);
    const name = questions[0]?.name ?? '';
    if (name.endsWith('.invalid')) return undefined;
    asked.push(name);
    const reply = answer(name, transport);
    if (!reply) return undefined;
    return encode({
      type: 'response',
      id: id ?? 0,
      questions,
      flags: (reply.flags ?? 0x180) | (reply.rcode ?? 0),
      answers: reply.answers ?? [],
      authorities: reply.authorities ?? [],
    });
  };
  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const bytes = respond(chunk.subarray(2), 'tcp');
      if (!bytes) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length, 0);
      socket.write(Buffer.concat([length, bytes]));
    });
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket('udp4', (bytes, from) => {
    const answerBytes = respond(bytes, 'udp');
    if (answerBytes) udp.send(answerBytes, from.port, from.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  t.teardown(() => {
    udp.close();
    tcp.close();
  });
  return { upstream: { address: '127.0.0.1', port }, asked };
}

const a = (name: string, data = '192.0.2.1', ttl = 60): Answer => ({ type: 'A', name, data, ttl });

async function startWith(t: ExecutionContext, ...outsides: Outside[]): Promise<number> {
  const client = new MemoryClient(systemClock);
  seedCluster(client);
  return await startDns(t, client, { upstreams: outsides.map(({ upstream }) => upstream) });
}

test("other names are asked outside once, then answered from the cache under each client's own id", async (t) => {
  const outside = await startOutside(t, (name) => ({ answers: [a(name)] }));
  const port = await startWith(t, outside);
  const first = await ask('Www.Example.com', 'A', { port, id: 1 });
  t.is(first.id, 1);
  t.deepEqual(
    first.answers?.map((record) => 'data' in record && record.data),
    ['192.0.2.1'],
  );
  const second = await ask('wWW.example.COM', 'A', { port, id: 2 });
  t.is(second.id, 2);
  t.is(second.questions?.[0]?.name, 'wWW.example.COM');
  t.is(outside.asked.length, 1);
  await ask('www.example.com', 'AAAA', { port });
  t.is(outside.asked.length, 2);
});

test('an alias that leads outside is followed for the client', async (t) => {
  const outside = await startOutside(t, (name) => ({ answers: [a(name)] }));
  const port = await startWith(t, outside);
  const { answers = [] } = await ask('outside.default.svc.cluster.local', 'A', { port });
  t.deepEqual(
    answers.map(({ type, name }) => `${type} ${name}`),
    ['CNAME outside.default.svc.cluster.local', 'A www.example.com'],
  );
});

test('a server that is silent or fails is passed over, and asked last for a while', async (t) => {
  const failing = await startOutside(t, () => ({ rcode: 2 }));
  const good = await startOutside(t, (name) => ({ answers: [a(name)] }));
  const port = await startWith(t, failing, good);
  t.is((await ask('one.example.com', 'A', { port })).rcode, 'NOERROR');
  t.is((await ask('two.example.com', 'A', { port })).rcode, 'NOERROR');
  t.deepEqual(failing.asked, ['one.example.com']);
  t.is(good.asked.length, 2);
});

test('a denial from outside comes through with its reason, and is kept', async (t) => {
  const data = {
    mname: 'ns.example.com',
    rname: 'root.example.com',
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum: 60,
  };
  const soa: Answer = { type: 'SOA', name: 'example.com', ttl: 60, data };
  const outside = await startOutside(t, () => ({ rcode: 3, authorities: [soa] }));
  const port = await startWith(t, outside);
  for (let i = 0; i < 3; i++) {
    const answer = await ask('none.example.com', 'A', { port });
    t.is(answer.rcode, 'NXDOMAIN');
    t.is(answer.authorities?.length, 1);
  }
  t.is(outside.asked.length, 1);
});

test('an answer that outside cuts for UDP is fetched whole by a client that comes back by TCP', async (t) => {
  const many = (name: string) => Array.from({ length: 40 }, (_, i) => a(name, `192.0.2.${i}`));
  const outside = await startOutside(t, (name, transport) =>
    transport === 'udp' ? { flags: 0x380, answers: [] } : { answers: many(name) },
  );
  const port = await startWith(t, outside);
  t.true((await ask('many.example.com', 'A', { port })).flag_tc);
  t.is((await ask('many.example.com', 'A', { port, transport: 'tcp' })).answers?.length, 40);
  // The whole answer is in the cache now; a datagram still cannot hold it.
  const again = await ask('many.example.com', 'A', { port });
  t.true(again.flag_tc);
  t.true(again.size <= 512);
});

test('a server that leads back to us is found out and left out', async (t) => {
  const client = new MemoryClient(systemClock);
  seedCluster(client);
  // Something that relays to our own port, as a local resolver does that was pointed at us.
  let ours = 0;
  const relay = createSocket('udp4');
  relay.on('message', (bytes, from) => {
    const out = createSocket('udp4', (answer) => {
      relay.send(answer, from.port, from.address);
      out.close();
    });
    out.send(bytes, ours, '127.0.0.1');
  });
  relay.bind(0, '127.0.0.1');
  await once(relay, 'listening');
  t.teardown(() => relay.close());
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) };
  const upstreams = [{ address: '127.0.0.1', port: relay.address().port }];
  const onListening = ([port = 0]: readonly number[]) => {
    ours = port;
  };
  const port = await startDns(t, client, { upstreams, log, onListening });
  await waitFor('the loop is found', () => warnings.length > 0);
  t.deepEqual(warnings, ['a name server leads back to this one: it is left out']);
  // With no server left the question is refused at once instead of going round.
  t.is((await ask('www.example.com', 'A', { port })).rcode, 'REFUSED');
});

test('resolv.conf names the servers, up to three', (t) => {
  t.deepEqual(
    parseResolvConf(
      '# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.1 # office\n nameserver fe80::1%eth0\nnameserver nonsense\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n',
    ).map(({ address }) => address),
    ['10.0.0.1', 'fe80::1%eth0', '10.0.0.2'],
  );
});

test('cached answers run down and end; failures and cut answers are not kept', async (t) => {
  const clock = createClock();
  const cache = new AnswerCache(clock, 2);
  const packet = (flags: number, ttl: number) =>
    encode({
      type: 'response',
      id: 1,
      flags,
      questions: [{ type: 'A', name: 'x' }],
      answers: [a('x', '192.0.2.1', ttl)],
    });
  cache.put('ok', packet(0x180, 60));
  cache.put('servfail', packet(0x182, 60));
  cache.put('cut', packet(0x380, 60));
  cache.put('zero', packet(0x180, 0));
  t.is(cache.size, 1);
  await clock.advance(20_000);
  const [record] = decode(cache.get('ok') ?? Buffer.alloc(0)).answers ?? [];
  t.is(record && 'ttl' in record ? record.ttl : undefined, 40);
  await clock.advance(40_000);
  t.is(cache.get('ok'), undefined);
  // No more than the limit, the oldest goes.
  for (const key of ['1', '2', '3']) cache.put(key, packet(0x180, 60));
  t.deepEqual(
    ['1', '2', '3'].map((key) => cache.get(key) !== undefined),
    [false, true, true],
  );
});
