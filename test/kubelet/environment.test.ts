import test from 'ava';
import * as fc from 'fast-check';
import type { ConfigMap, Secret } from '../../src/api/gen/types/core-v1.ts';
import { ApiError } from '../../src/client/errors.ts';
import { containerEnvironment } from '../../src/kubelet/environment/environment.ts';
import { expand, expandStrictly } from '../../src/kubelet/environment/expand.ts';
import { fieldValue } from '../../src/kubelet/environment/field-path.ts';
import { kernelHostname, podHostname } from '../../src/kubelet/environment/hostname.ts';
import { hostNetworkHosts, managedHosts } from '../../src/kubelet/environment/hosts.ts';
import { parseResolvConf, podDns } from '../../src/kubelet/environment/resolv-conf.ts';
import { serviceVariables } from '../../src/kubelet/environment/service-variables.ts';
import { containerOf, podOf } from './pods.ts';

const expands = test.macro((t, text: string, want: string) => {
  const known: Record<string, string> = { A: 'one', EMPTY: '' };
  t.is(
    expand(text, (name) => known[name]),
    want,
  );
});

test('a reference is replaced', expands, 'x$(A)y', 'xoney');
test('an unknown one stays', expands, '$(B)', '$(B)');
test('an empty one vanishes', expands, '[$(EMPTY)]', '[]');
test('two dollars are one, and escape', expands, '$$(A) $$$(A) $$', '$(A) $one $');
test('an open one stays', expands, '$(A', '$(A');
test('a lone dollar stays', expands, '$A $ a$', '$A $ a$');
test('a reference in a reference is a name', expands, '$($(A))', '$($(A))');

test('expand() leaves text without a dollar alone', (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => text.includes('$') || expand(text, () => 'x') === text),
    { seed: 7 },
  );
  t.pass();
});

test('subPathExpr tells what is missing', (t) => {
  t.deepEqual(
    expandStrictly('$(A)/$(B)', (name) => (name === 'A' ? '1' : undefined)),
    {
      text: '1/$(B)',
      missing: ['B'],
    },
  );
});

const services = [
  {
    metadata: { name: 'kubernetes', namespace: 'default' },
    spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] },
  },
  {
    metadata: { name: 'my-db', namespace: 'team' },
    spec: {
      clusterIP: '10.96.0.7',
      ports: [
        { name: 'sql', port: 5432 },
        { port: 53, protocol: 'UDP' },
      ],
    },
  },
  { metadata: { name: 'headless', namespace: 'team' }, spec: { clusterIP: 'None', ports: [{ port: 1 }] } },
];

test('services are variables as docker links had them; those of other namespaces are not', (t) => {
  const variables = serviceVariables(services, 'team', true);
  t.is(variables.get('MY_DB_SERVICE_HOST'), '10.96.0.7');
  t.is(variables.get('MY_DB_SERVICE_PORT_SQL'), '5432');
  t.is(variables.get('MY_DB_PORT'), 'tcp://10.96.0.7:5432');
  t.is(variables.get('MY_DB_PORT_53_UDP_PROTO'), 'udp');
  t.is(variables.get('KUBERNETES_SERVICE_PORT'), '443');
  t.false([...variables.keys()].some((name) => name.startsWith('HEADLESS')));
  const alone = serviceVariables(services, 'team', false);
  t.true(alone.has('KUBERNETES_SERVICE_HOST'));
  t.false(alone.has('MY_DB_SERVICE_HOST'));
});

const notFound = () => new ApiError({ reason: 'NotFound', code: 404, message: 'not found' });
const reader = {
  configMap: async (_namespace: string, name: string): Promise<ConfigMap> => {
    if (name !== 'cm') throw notFound();
    return { data: { a: '1', b: '2' } };
  },
  secret: async (): Promise<Secret> => ({ data: { s: Buffer.from('hidden').toString('base64') } }),
};

const context = {
  pod: podOf({}, { labels: { app: 'web', q: 'a"b' } }),
  podIps: ['10.0.0.1'],
  hostIps: ['192.0.2.1'],
  services: new Map([['SERVICE', 'svc']]),
  allocatable: { memory: '1Gi', cpu: '4' },
  reader,
};

test('env overrides envFrom, which overrides services; later variables use earlier ones', async (t) => {
  const container = containerOf('app', {
    envFrom: [{ prefix: 'X_', configMapRef: { name: 'cm' } }, { secretRef: { name: 's' } }],
    env: [
      { name: 'X_a', value: 'mine' },
      { name: 'SERVICE', value: 'own' },
      { name: 'JOINED', value: '$(X_a)-$(X_b)-$(SERVICE)-$(s)-$(LATER)' },
      { name: 'LATER', value: 'x' },
      { name: 'GONE', valueFrom: { configMapKeyRef: { name: 'none', key: 'k', optional: true } } },
      { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
    ],
  });
  const environment = await containerEnvironment(container, context);
  t.deepEqual(Object.fromEntries(environment), {
    SERVICE: 'own',
    X_a: 'mine',
    X_b: '2',
    s: 'hidden',
    JOINED: 'mine-2-own-hidden-$(LATER)',
    LATER: 'x',
    MEMORY: '1024',
  });
});

test('a missing key or object is an error unless it is optional', async (t) => {
  const missing = containerOf('app', {
    env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'zzz' } } }],
  });
  await t.throwsAsync(containerEnvironment(missing, context), {
    message: "couldn't find key zzz in ConfigMap default/cm",
  });
  const gone = containerOf('app', { envFrom: [{ configMapRef: { name: 'none' } }] });
  await t.throwsAsync(containerEnvironment(gone, context), { message: 'not found' });
});

test('the downward API reads labels by name and as a file', (t) => {
  t.is(fieldValue("metadata.labels['app']", context), 'web');
  t.is(fieldValue('metadata.labels', context), 'app="web"\nq="a\\"b"');
  t.is(fieldValue('status.podIPs', context), '10.0.0.1');
  t.throws(() => fieldValue('spec.hostname', context), { code: 'E_FIELD_REF' });
});

test('/etc/hosts has the pod, its domain and its aliases', (t) => {
  const text = managedHosts(['10.0.0.1'], 'web', 'sub.ns.svc.cluster.local', [
    { ip: '192.0.2.7', hostnames: ['a', 'b'] },
  ]);
  t.true(text.startsWith('# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n'));
  t.true(text.includes('10.0.0.1\tweb.sub.ns.svc.cluster.local\tweb\n'));
  t.true(text.endsWith('\n# Entries added by HostAliases.\n192.0.2.7\ta\tb\n'));
  t.is(hostNetworkHosts('1.2.3.4 me\n', []), '# Kubernetes-managed hosts file (host network).\n1.2.3.4 me\n');
});

test('a host name is cut to what the kernel takes, and is whole where asked', (t) => {
  const long = podOf({}, { name: `${'x'.repeat(62)}-tail` });
  t.is(podHostname(long, 'cluster.local').hostname, 'x'.repeat(62));
  const full = podOf({ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true });
  t.is(kernelHostname(full, 'cluster.local'), 'h.s.default.svc.cluster.local');
});

const settings = {
  clusterDns: ['10.96.0.10'],
  clusterDomain: 'cluster.local',
  node: { servers: ['192.0.2.53'], searches: ['example.org'], options: ['timeout:1'] },
};
const dns = test.macro((t, spec: object, servers: string[], searches: string[], options: string[]) => {
  t.deepEqual(podDns(podOf(spec), settings), { servers, searches, options });
});
const clusterSearch = ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.org'];

test('ClusterFirst', dns, {}, ['10.96.0.10'], clusterSearch, ['ndots:5']);
test(
  'ClusterFirst on the host’s network is the node’s',
  dns,
  { hostNetwork: true },
  ['192.0.2.53'],
  ['example.org'],
  ['timeout:1'],
);
test(
  'ClusterFirstWithHostNet',
  dns,
  { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' },
  ['10.96.0.10'],
  clusterSearch,
  ['ndots:5'],
);
test('Default', dns, { dnsPolicy: 'Default' }, ['192.0.2.53'], ['example.org'], ['timeout:1']);
test(
  'None with its own',
  dns,
  {
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['9.9.9.9'], searches: ['a'], options: [{ name: 'ndots', value: '2' }] },
  },
  ['9.9.9.9'],
  ['a'],
  ['ndots:2'],
);
test(
  'dnsConfig adds and replaces',
  dns,
  { dnsConfig: { nameservers: ['9.9.9.9'], options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] } },
  ['10.96.0.10', '9.9.9.9'],
  clusterSearch,
  ['ndots:2', 'edns0'],
);

test('a resolv.conf is read with its last search line and without comments', (t) => {
  t.deepEqual(parseResolvConf('# c\nnameserver 1.1.1.1\nsearch a b.\nsearch c.\noptions x y\n;z\n'), {
    servers: ['1.1.1.1'],
    searches: ['c'],
    options: ['x', 'y'],
  });
});
