import test from 'ava';
import { encode } from 'dns-packet';
import * as fc from 'fast-check';
import { systemClock } from '../../src/base/clock.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { encodeReply, ipv6Bytes, RecordError, type DnsRecord } from '../../src/dns/encode.ts';
import { addressOfReverseName } from '../../src/dns/reverse.ts';
import { lifetimeOffsets, parseQuery, type Query } from '../../src/dns/wire.ts';
import { ask, sendRaw } from './dns-client.ts';
import { seedCluster, startDns } from './world.ts';

const SEED = 20_260_101;

const query = (name: string): Query => {
  const parsed = parseQuery(encode({ type: 'query', id: 7, questions: [{ type: 'A', name }] }));
  if (parsed.kind !== 'query') throw new Error('unreachable');
  return parsed.query;
};

test('10,000 random packets are refused or dropped, and never throw', (t) => {
  let queries = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      const parsed = parseQuery(Buffer.from(bytes));
      if (parsed.kind === 'query') queries++;
      // What comes back to a client is at most an error.
      lifetimeOffsets(Buffer.from(bytes));
    }),
    { seed: SEED, numRuns: 10_000 },
  );
  // A random packet is a question by an accident that does not happen.
  t.true(queries < 10, `${queries} random packets were taken for questions`);
});

test('10,000 mutated questions get an answer or silence, and the server goes on', async (t) => {
  const client = new MemoryClient(systemClock);
  seedCluster(client);
  const port = await startDns(t, client);
  const good = encode({
    type: 'query',
    id: 1,
    flags: 0x100,
    questions: [{ type: 'SRV', name: '_pg._tcp.db.default.svc.cluster.local' }],
  });
  const mutation = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
  const cut = fc.nat(good.length);
  // Half of them are cut as well.
  const mutants = fc.sample(fc.tuple(mutation, cut, fc.boolean()), { seed: SEED, numRuns: 10_000 });
  const bytes = mutants.map(([changes, length, shorten]) => {
    const packet = Buffer.from(good);
    for (const [offset, value] of changes) packet[offset] = value;
    return shorten ? packet.subarray(0, length) : packet;
  });
  const sample = bytes.filter((_, index) => index % 200 === 0);
  for (const packet of bytes) parseQuery(packet);
  // Through the real socket too, a part of them: each either an answer with the id or silence.
  for (const packet of sample) {
    const answer = await sendRaw(packet, { port }, 50);
    if (answer) t.is(answer.readUInt16BE(0), packet.readUInt16BE(0));
  }
  t.is((await ask('web.default.svc.cluster.local', 'A', { port })).answers?.length, 1);
});

test('a name that is a pointer, too long, or cut is refused', (t) => {
  const header = Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const kind = (question: Buffer) => parseQuery(Buffer.concat([header, question])).kind;
  t.is(kind(Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])), 'refuse');
  t.is(kind(Buffer.from([3, 97, 98])), 'refuse');
  t.is(
    kind(
      Buffer.concat([
        Buffer.alloc(64 * 5, Buffer.concat([Buffer.from([63]), Buffer.alloc(63, 'a')])),
        Buffer.from([0, 0, 1, 0, 1]),
      ]),
    ),
    'refuse',
  );
  t.is(kind(Buffer.from([1, 97, 0, 0, 1, 0, 1])), 'query');
  // A dot inside of a label is not the dot between two.
  const odd = parseQuery(Buffer.concat([header, Buffer.from([3, 97, 46, 98, 0, 0, 1, 0, 1])]));
  t.not(odd.kind === 'query' && odd.query.name, 'a.b');
  // An answer is never answered.
  const answer = Buffer.concat([header, Buffer.from([1, 97, 0, 0, 1, 0, 1])]);
  answer[2] = 0x81;
  t.is(parseQuery(answer).kind, 'drop');
});

test('the encoder refuses what the wire cannot hold', (t) => {
  const reply = (record: DnsRecord) =>
    encodeReply(query('a.b'), { rcode: 0, authoritative: true, answers: [record] }, 512);
  const bad: DnsRecord[] = [
    { type: 'CNAME', name: 'a.b', ttl: 5, target: `${'x'.repeat(64)}.b` },
    { type: 'CNAME', name: 'a.b', ttl: 5, target: 'a..b' },
    { type: 'CNAME', name: 'a.b', ttl: 5, target: Array.from({ length: 130 }, () => 'x').join('.') },
    { type: 'A', name: 'a.b', ttl: 5, address: '10.0.0.256' },
    { type: 'A', name: 'a.b', ttl: 5, address: 'fd00::1' },
    { type: 'AAAA', name: 'a.b', ttl: 5, address: '10.0.0.1' },
    { type: 'TXT', name: 'a.b', ttl: 5, text: 'x'.repeat(256) },
  ];
  for (const record of bad) t.throws(() => reply(record), { instanceOf: RecordError });
});

test('IPv6 addresses and reverse names are read in all their forms', (t) => {
  const hex = (address: string) => Buffer.from(ipv6Bytes(address)).toString('hex');
  t.is(hex('::1'), '00000000000000000000000000000001');
  t.is(hex('fd00::'), 'fd000000000000000000000000000000');
  t.is(hex('::ffff:10.1.2.3'), '00000000000000000000ffff0a010203');
  t.is(hex('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008');
  t.is(addressOfReverseName('1.0.96.10.in-addr.arpa'), '10.96.0.1');
  t.is(addressOfReverseName('0.96.10.in-addr.arpa'), undefined);
  t.is(addressOfReverseName('1.in-addr.arpa.ip6.arpa'), undefined);
});
