import test from 'ava';
import type { Answer, RecordType } from 'dns-packet';
import { NAMESPACES, SERVICES } from '../../src/api/gen/resources.ts';
import { systemClock } from '../../src/base/clock.ts';
import { untilAborted } from '../../src/base/lifecycle.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { ask } from './dns-client.ts';
import { seedCluster, seedService, seedSlice, startDns } from './world.ts';

/** A record as one line, as a zone file has it. */
function line(record: Answer): string {
  const { name, type } = record;
  if (type === 'SRV')
    return `${name} SRV ${record.data.priority} ${record.data.weight} ${record.data.port} ${record.data.target}`;
  if (type === 'SOA') return `${name} SOA ${record.data.mname} ${record.data.minimum}`;
  if (type === 'TXT') return `${name} TXT ${String(record.data)}`;
  if (type === 'A' || type === 'AAAA' || type === 'CNAME' || type === 'PTR' || type === 'NS')
    return `${name} ${type} ${record.data}`;
  return `${name} ${type}`;
}

const D = 'svc.cluster.local';
const SOA = 'cluster.local SOA ns.dns.cluster.local 5';

interface Row {
  name: string;
  type: RecordType;
  rcode?: string;
  answers?: string[];
  additional?: string[];
}

const address = (name: string, ...addresses: string[]) =>
  addresses.map((ip) => `${name} ${ip.includes(':') ? 'AAAA' : 'A'} ${ip}`);

const rows: Row[] = [
  { name: `web.default.${D}`, type: 'A', answers: address(`web.default.${D}`, '10.96.0.20') },
  { name: `WEB.Default.${D}`, type: 'A', answers: address(`WEB.Default.${D}`, '10.96.0.20') },
  { name: `web.default.${D}`, type: 'AAAA', answers: address(`web.default.${D}`, 'fd00::20') },
  { name: `kube-dns.kube-system.${D}`, type: 'AAAA', answers: [] },
  { name: `web.default.${D}`, type: 'MX', answers: [] },
  { name: `none.default.${D}`, type: 'A', rcode: 'NXDOMAIN' },
  { name: `web.nowhere.${D}`, type: 'A', rcode: 'NXDOMAIN' },
  { name: `default.${D}`, type: 'A', answers: [] },
  { name: `nowhere.${D}`, type: 'A', rcode: 'NXDOMAIN' },
  { name: D, type: 'A', answers: [] },
  { name: 'cluster.local', type: 'SOA', answers: [SOA] },
  { name: 'cluster.local', type: 'NS', answers: ['cluster.local NS ns.dns.cluster.local'] },
  { name: 'ns.dns.cluster.local', type: 'A', answers: address('ns.dns.cluster.local', '127.0.0.1') },
  { name: 'dns-version.cluster.local', type: 'TXT', answers: ['dns-version.cluster.local TXT 1.1.0'] },
  // What a search list makes of names that are complete already.
  { name: `web.default.${D}.default.${D}`, type: 'A', rcode: 'NXDOMAIN' },
  { name: `www.example.com.default.${D}`, type: 'A', rcode: 'NXDOMAIN' },
  { name: `www.example.com.${D}`, type: 'A', rcode: 'NXDOMAIN' },
  { name: 'www.example.com.cluster.local', type: 'A', rcode: 'NXDOMAIN' },
  // Headless: the ready endpoints, by name where they have one.
  {
    name: `db.default.${D}`,
    type: 'A',
    answers: address(`db.default.${D}`, '10.244.0.5', '10.244.1.6', '10.244.1.7'),
  },
  { name: `db-0.db.default.${D}`, type: 'A', answers: address(`db-0.db.default.${D}`, '10.244.0.5') },
  { name: `db-1.db.default.${D}`, type: 'A', answers: address(`db-1.db.default.${D}`, '10.244.1.6') },
  {
    name: `10-244-1-7.db.default.${D}`,
    type: 'A',
    answers: address(`10-244-1-7.db.default.${D}`, '10.244.1.7'),
  },
  { name: `db-3.db.default.${D}`, type: 'A', rcode: 'NXDOMAIN' },
  { name: `idle.default.${D}`, type: 'A', rcode: 'NXDOMAIN' },
  {
    name: `_http._tcp.web.default.${D}`,
    type: 'SRV',
    answers: [`_http._tcp.web.default.${D} SRV 0 100 80 web.default.${D}`],
    additional: address(`web.default.${D}`, '10.96.0.20', 'fd00::20'),
  },
  { name: `_http._udp.web.default.${D}`, type: 'SRV', rcode: 'NXDOMAIN' },
  { name: `_http._tcp.web.default.${D}`, type: 'A', answers: [] },
  { name: `_tcp.web.default.${D}`, type: 'SRV', answers: [] },
  { name: `http.tcp.web.default.${D}`, type: 'SRV', rcode: 'NXDOMAIN' },
  {
    name: `_pg._tcp.db.default.${D}`,
    type: 'SRV',
    answers: ['db-0', 'db-1', '10-244-1-7'].map(
      (host) => `_pg._tcp.db.default.${D} SRV 0 100 5432 ${host}.db.default.${D}`,
    ),
    additional: [
      ...address(`db-0.db.default.${D}`, '10.244.0.5'),
      ...address(`db-1.db.default.${D}`, '10.244.1.6'),
      ...address(`10-244-1-7.db.default.${D}`, '10.244.1.7'),
    ],
  },
  {
    name: `inside.default.${D}`,
    type: 'A',
    answers: [`inside.default.${D} CNAME web.default.${D}`, ...address(`web.default.${D}`, '10.96.0.20')],
  },
  { name: `inside.default.${D}`, type: 'CNAME', answers: [`inside.default.${D} CNAME web.default.${D}`] },
  // No server outside is known: the alias alone.
  { name: `outside.default.${D}`, type: 'A', answers: [`outside.default.${D} CNAME www.example.com`] },
  { name: `circle.default.${D}`, type: 'A', rcode: 'SERVFAIL' },
  {
    name: '10-244-3-4.default.pod.cluster.local',
    type: 'A',
    answers: address('10-244-3-4.default.pod.cluster.local', '10.244.3.4'),
  },
  {
    name: 'fd00--1.default.pod.cluster.local',
    type: 'AAAA',
    answers: address('fd00--1.default.pod.cluster.local', 'fd00::1'),
  },
  { name: '10-244-3-4.nowhere.pod.cluster.local', type: 'A', rcode: 'NXDOMAIN' },
  { name: '10-244-3-400.default.pod.cluster.local', type: 'A', rcode: 'NXDOMAIN' },
  { name: '20.0.96.10.in-addr.arpa', type: 'PTR', answers: [`20.0.96.10.in-addr.arpa PTR web.default.${D}`] },
  {
    name: '5.0.244.10.in-addr.arpa',
    type: 'PTR',
    answers: [`5.0.244.10.in-addr.arpa PTR db-0.db.default.${D}`],
  },
  {
    name: '0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa',
    type: 'PTR',
    answers: [
      `0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa PTR web.default.${D}`,
    ],
  },
  { name: '9.9.9.10.in-addr.arpa', type: 'PTR', rcode: 'REFUSED' },
  { name: 'www.example.com', type: 'A', rcode: 'REFUSED' },
];

for (const transport of ['udp', 'tcp'] as const) {
  test(`the cluster's names are answered as the specification has it, by ${transport}`, async (t) => {
    const client = new MemoryClient(systemClock);
    seedCluster(client);
    const port = await startDns(t, client);
    for (const { name, type, rcode = 'NOERROR', answers = [], additional = [] } of rows) {
      const answer = await ask(name, type, { port, transport });
      const label = `${name} ${type}`;
      t.is(answer.rcode, rcode, label);
      // Records of one kind come in any order, an alias before what it leads to.
      t.deepEqual((answer.answers ?? []).map(line).toSorted(), answers.toSorted(), label);
      if (answers[0]?.includes(' CNAME ')) t.is(answer.answers?.[0]?.type, 'CNAME', label);
      t.deepEqual((answer.additionals ?? []).map(line).toSorted(), additional.toSorted(), label);
      const denial = answers.length === 0 && !['REFUSED', 'SERVFAIL'].includes(rcode);
      t.deepEqual((answer.authorities ?? []).map(line), denial ? [SOA] : [], label);
      t.is(answer.flag_aa, rcode !== 'REFUSED' && rcode !== 'SERVFAIL', label);
    }
  });
}

test('answers follow the cluster as it changes', async (t) => {
  const client = new MemoryClient(systemClock);
  seedCluster(client);
  const port = await startDns(t, client);
  const name = `late.default.${D}`;
  t.is((await ask(name, 'A', { port })).rcode, 'NXDOMAIN');
  seedService(client, 'default/late', { type: 'ExternalName', externalName: `web.default.${D}` });
  await waitFor('the alias', async () => (await ask(name, 'A', { port })).answers?.[0]?.type === 'CNAME');
  const service = await client.get(SERVICES, { namespace: 'default', name: 'late' });
  await client.update(SERVICES, {
    ...service,
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.77', ports: [] },
  });
  await waitFor('the address', async () => {
    const [first] = (await ask(name, 'A', { port })).answers ?? [];
    return first?.type === 'A' && first.data === '10.96.0.77';
  });
  await client.delete(SERVICES, { namespace: 'default', name: 'late' });
  await waitFor('nothing', async () => (await ask(name, 'A', { port })).rcode === 'NXDOMAIN');
  // A namespace that is gone has no name, one that is there has an empty one.
  t.is((await ask(`kube-system.${D}`, 'A', { port })).rcode, 'NOERROR');
  await client.delete(NAMESPACES, { name: 'kube-system' });
  await waitFor(
    'no namespace',
    async () => (await ask(`kube-system.${D}`, 'A', { port })).rcode === 'NXDOMAIN',
  );
});

test('an answer that is too long for a datagram is cut and says so; EDNS and TCP carry it whole', async (t) => {
  const client = new MemoryClient(systemClock);
  seedCluster(client);
  const many = Array.from({ length: 60 }, (_, i) => ({ addresses: [`10.244.7.${i + 1}`] }));
  seedService(client, 'default/many', { clusterIP: 'None' });
  seedSlice(client, 'default/many', many);
  const port = await startDns(t, client);
  const name = `many.default.${D}`;
  const plain = await ask(name, 'A', { port });
  t.true(plain.flag_tc);
  t.true(plain.size <= 512);
  // With compressed names each further address costs 16 bytes.
  t.is(plain.answers?.length, Math.floor((512 - 12 - name.length - 2 - 4) / 16));
  const edns = await ask(name, 'A', { port, udpPayload: 4096 });
  t.false(edns.flag_tc);
  t.is(edns.answers?.length, 60);
  t.true(edns.size <= 1232);
  t.is(edns.additionals?.filter(({ type }) => type === 'OPT').length, 1);
  const tcp = await ask(name, 'A', { port, transport: 'tcp' });
  t.false(tcp.flag_tc);
  t.is(tcp.answers?.length, 60);
});

test('until the cluster is known its names get SERVFAIL, not a denial', async (t) => {
  const client = new MemoryClient(systemClock);
  seedCluster(client);
  const never = {
    async *watch(_resource: unknown, { signal }: { signal: AbortSignal }) {
      await untilAborted(signal);
      yield* [];
    },
  };
  const silent = Object.assign(Object.create(client) as MemoryClient, never);
  const port = await startDns(t, client, { client: silent }, false);
  t.is((await ask(`web.default.${D}`, 'A', { port })).rcode, 'SERVFAIL');
  t.is((await ask(`nowhere.${D}`, 'A', { port })).rcode, 'SERVFAIL');
});
