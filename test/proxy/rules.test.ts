import test from 'ava';
import type { Service } from '../../src/api/gen/types/core-v1.ts';
import type { EndpointSlice } from '../../src/api/gen/types/discovery-v1.ts';
import { rangeContains, type RulesContext } from '../../src/proxy/rules.ts';
import { build, service, slice } from './rule-builders.ts';

const CLUSTER = 'cluster-default/web/tcp/80';
const LOCAL = 'local-default/web/tcp/80';
const EXTERNAL = 'external-default/web/tcp/80';
const MARK = 'meta mark set meta mark or 0x4000';
const dnat = (chain: string, ...addresses: string[]) =>
  `${chain}: meta l4proto tcp dnat ip addr . port to numgen random mod ${addresses.length} map { ` +
  `${addresses.map((address, index) => `${index} : ${address} . 8080`).join(', ')} }`;

const rules = test.macro(
  (t, object: Service, slices: EndpointSlice[], want: string[], context: Partial<RulesContext> = {}) => {
    t.deepEqual(build(object, slices, context), want);
  },
);

test(
  'a cluster IP spreads over the ready endpoints',
  rules,
  service({}),
  [slice('ab')],
  [
    dnat(CLUSTER, '10.244.0.1', '10.244.0.2'),
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
  ],
);

test(
  'an endpoint of this node may reach itself: a hairpin',
  rules,
  service({}),
  [slice('A')],
  [
    dnat(CLUSTER, '10.244.0.1'),
    'hairpin-connections { 10.244.0.1 . 10.244.0.1 . tcp . 8080 }',
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
  ],
);

test(
  'without endpoints the port is refused',
  rules,
  service({}),
  [],
  ['cluster-ips { 10.96.0.10 }', 'no-endpoint-services { 10.96.0.10 . tcp . 80 : goto reject-chain }'],
);

const notReady = slice('ab', () => ({ conditions: { ready: false, serving: false } }));
test(
  'endpoints that are not ready do not count',
  rules,
  service({}),
  [notReady],
  ['cluster-ips { 10.96.0.10 }', 'no-endpoint-services { 10.96.0.10 . tcp . 80 : goto reject-chain }'],
);

const leaving = { ready: false, serving: true, terminating: true };
test(
  'terminating endpoints that still serve are the last resort',
  rules,
  service({}),
  [slice('ab', (letter) => ({ conditions: letter === 'a' ? leaving : { ...leaving, serving: false } }))],
  [
    dnat(CLUSTER, '10.244.0.1'),
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
  ],
);

test(
  'a ready endpoint takes everything from terminating ones',
  rules,
  service({}),
  [slice('ab', (letter) => ({ conditions: letter === 'a' ? leaving : { ready: true } }))],
  [
    dnat(CLUSTER, '10.244.0.2'),
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
  ],
);

test(
  'internal policy Local uses the endpoints of this node alone',
  rules,
  service({ internalTrafficPolicy: 'Local' }),
  [slice('aB')],
  [
    dnat(LOCAL, '10.244.0.2'),
    'hairpin-connections { 10.244.0.2 . 10.244.0.2 . tcp . 8080 }',
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${LOCAL} }`,
  ],
);

test(
  'internal policy Local without one here is silent',
  rules,
  service({ internalTrafficPolicy: 'Local' }),
  [slice('ab')],
  ['cluster-ips { 10.96.0.10 }', 'no-endpoint-services { 10.96.0.10 . tcp . 80 : drop }'],
);

const nodePort = { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] };
test(
  'a node port masquerades, as the endpoint may be elsewhere',
  rules,
  service(nodePort),
  [slice('a')],
  [
    dnat(CLUSTER, '10.244.0.1'),
    `${EXTERNAL}: ${MARK}`,
    `${EXTERNAL}: goto ${CLUSTER}`,
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
    `service-nodeports { tcp . 30080 : goto ${EXTERNAL} }`,
  ],
);

test(
  'external policy Local keeps clients from outside here and binds nobody inside',
  rules,
  service({ ...nodePort, externalTrafficPolicy: 'Local' }),
  [slice('aB')],
  [
    dnat(CLUSTER, '10.244.0.1', '10.244.0.2'),
    dnat(LOCAL, '10.244.0.2'),
    `${EXTERNAL}: ip saddr { 10.244.0.0/16 } goto ${CLUSTER}`,
    `${EXTERNAL}: fib saddr type local ${MARK}`,
    `${EXTERNAL}: fib saddr type local goto ${CLUSTER}`,
    `${EXTERNAL}: goto ${LOCAL}`,
    'hairpin-connections { 10.244.0.2 . 10.244.0.2 . tcp . 8080 }',
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
    `service-nodeports { tcp . 30080 : goto ${EXTERNAL} }`,
  ],
);

test(
  'external and balancer addresses are served, source ranges guard the balancer alone',
  rules,
  service(
    {
      type: 'LoadBalancer',
      ports: [{ port: 80 }],
      externalIPs: ['198.51.100.1'],
      loadBalancerSourceRanges: ['203.0.113.0/24', ' 10.77.0.0/16'],
    },
    {
      loadBalancer: {
        ingress: [{ ip: '198.51.100.2' }, { ip: '198.51.100.3', ipMode: 'Proxy' }, { hostname: 'x' }],
      },
    },
  ),
  [slice('a')],
  [
    dnat(CLUSTER, '10.244.0.1'),
    `${EXTERNAL}: ${MARK}`,
    `${EXTERNAL}: goto ${CLUSTER}`,
    // The node is within the ranges, so its own calls from the balancer's address are too.
    'firewall-default/web/tcp/80: ip saddr != { 10.77.0.0/16, 203.0.113.0/24, 198.51.100.2 } drop',
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
    `service-ips { 198.51.100.1 . tcp . 80 : goto ${EXTERNAL} }`,
    `service-ips { 198.51.100.2 . tcp . 80 : goto ${EXTERNAL} }`,
    'firewall-ips { 198.51.100.2 . tcp . 80 : goto firewall-default/web/tcp/80 }',
  ],
);

test(
  'session affinity remembers clients by endpoint',
  rules,
  service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }),
  [slice('ab')],
  [
    'set affinity-60-default/web/tcp/80/10.244.0.1/8080 60',
    'set affinity-60-default/web/tcp/80/10.244.0.2/8080 60',
    'endpoint-default/web/tcp/80/10.244.0.1/8080: update @affinity-60-default/web/tcp/80/10.244.0.1/8080 { ip saddr }',
    'endpoint-default/web/tcp/80/10.244.0.1/8080: meta l4proto tcp dnat to 10.244.0.1:8080',
    'endpoint-default/web/tcp/80/10.244.0.2/8080: update @affinity-60-default/web/tcp/80/10.244.0.2/8080 { ip saddr }',
    'endpoint-default/web/tcp/80/10.244.0.2/8080: meta l4proto tcp dnat to 10.244.0.2:8080',
    `${CLUSTER}: ip saddr @affinity-60-default/web/tcp/80/10.244.0.1/8080 goto endpoint-default/web/tcp/80/10.244.0.1/8080`,
    `${CLUSTER}: ip saddr @affinity-60-default/web/tcp/80/10.244.0.2/8080 goto endpoint-default/web/tcp/80/10.244.0.2/8080`,
    `${CLUSTER}: numgen random mod 2 vmap { 0 : goto endpoint-default/web/tcp/80/10.244.0.1/8080, 1 : goto endpoint-default/web/tcp/80/10.244.0.2/8080 }`,
    'cluster-ips { 10.96.0.10 }',
    `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
  ],
);

const zoned = (zones: Record<string, string>) =>
  slice('ab', (letter) => ({ hints: { forZones: [{ name: zones[letter] ?? '' }] } }));
const near = (...addresses: string[]) => [
  dnat(CLUSTER, ...addresses),
  'cluster-ips { 10.96.0.10 }',
  `service-ips { 10.96.0.10 . tcp . 80 : goto ${CLUSTER} }`,
];
test(
  'zone hints keep traffic in the zone',
  rules,
  service({}),
  [zoned({ a: 'z1', b: 'z2' })],
  near('10.244.0.1'),
);
test(
  'hints for other zones are ignored',
  rules,
  service({}),
  [zoned({ a: 'z3', b: 'z2' })],
  near('10.244.0.1', '10.244.0.2'),
);
const half = slice('ab', (letter) => (letter === 'a' ? { hints: { forZones: [{ name: 'z1' }] } } : {}));
test(
  'hints that some endpoints lack are ignored',
  rules,
  service({}),
  [half],
  near('10.244.0.1', '10.244.0.2'),
);

test(
  'an endpoint in two slices counts once',
  rules,
  service({}),
  [slice('ab'), slice('ba')],
  near('10.244.0.1', '10.244.0.2'),
);

const nothing: string[] = [];
test('a headless Service has no rules', rules, service({ clusterIP: 'None' }), [slice('a')], nothing);
test('an ExternalName Service has no rules', rules, service({ type: 'ExternalName' }), [slice('a')], nothing);
const foreign = service({}, {}, { 'service.kubernetes.io/service-proxy-name': 'slipway-dns' });
test('a Service of another proxy has no rules', rules, foreign, [slice('a')], nothing);
test('a Service of the other IP family has no rules', rules, service({}), [slice('a')], nothing, {
  family: 'IPv6',
});

const hostile: Service = {
  metadata: { namespace: 'default', name: 'x } ; flush ruleset' },
  spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
};
test('a name that is none never reaches nft', rules, hostile, [slice('a')], nothing);
const hostileSlice: EndpointSlice = {
  ...slice('a'),
  endpoints: [{ addresses: ['10.0.0.1 } flush ruleset'] }],
};
test(
  'an address that is none never reaches nft',
  rules,
  service({}),
  [hostileSlice],
  ['cluster-ips { 10.96.0.10 }', 'no-endpoint-services { 10.96.0.10 . tcp . 80 : goto reject-chain }'],
);

const v6: EndpointSlice = {
  addressType: 'IPv6',
  endpoints: [{ addresses: ['fd00::5'], nodeName: 'x' }],
  ports: [{ port: 8080, protocol: 'TCP' }],
};
test(
  'IPv6 endpoints are written as nft reads them',
  rules,
  service({ clusterIP: 'fd00:96::a', sessionAffinity: 'ClientIP' }),
  [v6],
  [
    'set affinity-10800-default/web/tcp/80/fd00..5/8080 10800',
    'endpoint-default/web/tcp/80/fd00..5/8080: update @affinity-10800-default/web/tcp/80/fd00..5/8080 { ip6 saddr }',
    'endpoint-default/web/tcp/80/fd00..5/8080: meta l4proto tcp dnat to [fd00::5]:8080',
    `${CLUSTER}: ip6 saddr @affinity-10800-default/web/tcp/80/fd00..5/8080 goto endpoint-default/web/tcp/80/fd00..5/8080`,
    `${CLUSTER}: numgen random mod 1 vmap { 0 : goto endpoint-default/web/tcp/80/fd00..5/8080 }`,
    'cluster-ips { fd00:96::a }',
    `service-ips { fd00:96::a . tcp . 80 : goto ${CLUSTER} }`,
  ],
  { family: 'IPv6' },
);

test('rangeContains knows both families', (t) => {
  t.true(rangeContains('10.0.0.0/8', '10.255.0.1'));
  t.false(rangeContains('10.0.0.0/8', '11.0.0.1'));
  t.true(rangeContains('0.0.0.0/0', '11.0.0.1'));
  t.true(rangeContains('fd00::/8', 'fd12::1'));
  t.false(rangeContains('fd00::/8', '10.0.0.1'));
});
