import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { loadInventory, parseInventory } from '../../src/bootstrap/inventory/load.ts';
import { addressAt, parseRange } from '../../src/bootstrap/inventory/ranges.ts';
import { inventoryJsonSchema } from '../../src/bootstrap/inventory/schema.ts';

const good = `cluster:
  name: demo
servers:
  - name: cp1
    address: 10.0.0.1
    roles: [control-plane, worker]
  - name: w1
    address: 10.0.0.2
    roles: [worker]
`;

test('a short inventory is filled with the defaults', (t) => {
  const inventory = parseInventory(good, 'i.yaml');
  t.like(inventory, {
    cluster: { name: 'demo', keys: 'ECDSA-P256' },
    network: {
      podRange: '10.244.0.0/16',
      nodeMaskSize: 24,
      serviceRange: '10.96.0.0/12',
      domain: 'cluster.local',
      nodePorts: '30000-32767',
    },
    api: { port: 6443, extraNames: [] },
    ssh: {},
  });
});

/** Changes one thing in the good inventory, and expects exactly these faults. */
const refused = test.macro((t, change: (text: string) => string, ...faults: RegExp[]) => {
  const text = change(good);
  t.not(text, good, 'the change did not apply');
  const error = t.throws(() => parseInventory(text, 'i.yaml'), { code: 'E_INVENTORY' });
  const lines = error.message.split('\n').slice(1);
  t.is(lines.length, faults.length, error.message);
  for (const [index, fault] of faults.entries()) t.regex(lines[index] ?? '', fault);
});
const swap = (from: string, to: string) => (text: string) => text.replace(from, to);
const add = (lines: string) => (text: string) => text + lines;

test(
  'an unknown key',
  refused,
  swap('    address: 10.0.0.2', '    addres: 10.0.0.2'),
  /i\.yaml:7: servers\[1\]\.address: is missing/,
  /i\.yaml:8: servers\[1\]\.addres: is not a field/,
);
test('an unknown section', refused, add('netwrok: {}\n'), /i\.yaml:10: netwrok: is not a field/);
test(
  'a duplicate address',
  refused,
  swap('10.0.0.2', '10.0.0.1'),
  /i\.yaml:8: servers\[1\]\.address: "10\.0\.0\.1" is also the address of servers\[0\]/,
);
test('a duplicate name', refused, swap('w1', 'cp1'), /i\.yaml:7: servers\[1\]\.name: "cp1" is also the name/);
test(
  'no control plane',
  refused,
  swap('[control-plane, worker]', '[worker]'),
  /i\.yaml:3: servers: no server has the role control-plane/,
);
test(
  'two control planes: an even number only adds what can fail',
  refused,
  (text) => text.replace('roles: [worker]', 'roles: [control-plane]'),
  /servers\[1\]\.roles: 2 servers have the role control-plane \(cp1, w1\): there must be 1, 3 or 5\. 2 need 2 alive, so that none may fail, as of 1/,
);
test(
  'a virtual address that a server has already',
  refused,
  add('api: { virtualAddress: 10.0.0.1 }\n'),
  /api\.virtualAddress: 10\.0\.0\.1 is the address of cp1/,
);
test(
  'an unknown role',
  refused,
  swap('roles: [worker]', 'roles: [master]'),
  /i\.yaml:9: servers\[1\]\.roles\[0\]: "master" must be one of control-plane, worker/,
);
test(
  'no role',
  refused,
  swap('roles: [worker]', 'roles: []'),
  /servers\[1\]\.roles: must name at least one role/,
);
test(
  'overlapping ranges',
  refused,
  add('network: { podRange: 10.96.0.0/16 }\n'),
  /i\.yaml:10: network\.serviceRange: 10\.96\.0\.0\/12 overlaps network\.podRange 10\.96\.0\.0\/16/,
);
test(
  'a server inside the pod range',
  refused,
  add('network: { podRange: 10.0.0.0/16 }\n'),
  /servers\[0\]\.address: 10\.0\.0\.1 lies inside network\.podRange/,
  /servers\[1\]\.address: 10\.0\.0\.2 lies inside/,
);
test(
  'a server inside the service range',
  refused,
  add('network: { serviceRange: 10.0.0.0/24 }\n'),
  /servers\[0\]\.address.*network\.serviceRange/,
  /servers\[1\]\.address/,
);
test(
  'too few parts of the pod range',
  refused,
  add('network: { podRange: 10.244.0.0/24, nodeMaskSize: 24 }\n'),
  /network\.nodeMaskSize: \/24 parts of 10\.244\.0\.0\/24 are too few for 2 servers/,
);
test(
  'a DNS address outside of the service range',
  refused,
  add('network: { dnsAddress: 10.1.0.10 }\n'),
  /network\.dnsAddress: 10\.1\.0\.10 must lie inside/,
);
test(
  'an octal address',
  refused,
  swap('10.0.0.2', '010.0.0.2'),
  /servers\[1\]\.address: "010\.0\.0\.2" must be an IPv4 address/,
);
test(
  'an address of three parts',
  refused,
  swap('10.0.0.2', '10.0.2'),
  /servers\[1\]\.address: "10\.0\.2" must be an IPv4 address/,
);
test(
  'a range with host bits',
  refused,
  add('network: { podRange: 10.244.1.0/16 }\n'),
  /network\.podRange: "10\.244\.1\.0\/16" must be an IPv4 range/,
);
test(
  'a name that is no DNS label',
  refused,
  swap('w1', 'W_1'),
  /servers\[1\]\.name: "W_1" must be lower-case letters/,
);
test(
  'a secret in the file',
  refused,
  add('ssh: { passwordFrom: hunter2 }\n'),
  /ssh\.passwordFrom: "hunter2" must say where the secret is/,
);
test('a port out of range', refused, add('api: { port: 70000 }\n'), /api\.port: 70000 .*65535/);
test(
  'an API port among the node ports',
  refused,
  add('api: { port: 30500 }\n'),
  /api\.port: 30500 lies inside network\.nodePorts/,
);
test(
  'node ports the wrong way round',
  refused,
  add('network: { nodePorts: 32767-30000 }\n'),
  /network\.nodePorts: 32767-30000 is no range/,
);
test('a missing section', refused, swap('cluster:\n  name: demo\n', ''), /cluster: is missing/);
test('broken YAML', refused, swap('roles: [worker]', 'roles: [worker'), /i\.yaml:\d+: /);
test('a key twice', refused, add('cluster: { name: other }\n'), /i\.yaml:10: Map keys must be unique/);
test('a scalar instead of a document', refused, () => 'hello\n', /i\.yaml:1: "hello" is wrong/);

test('a file that is not there is named with a remedy', async (t) => {
  const error = await t.throwsAsync<Error & { hint?: string }>(loadInventory('/no/such.yaml'), {
    code: 'E_INVENTORY',
  });
  t.regex(error.message, /\/no\/such\.yaml does not exist/);
  t.truthy(error.hint);
});

test('addresses of a range are counted from its start', (t) => {
  const range = parseRange('10.96.0.0/12');
  t.truthy(range);
  if (range) t.deepEqual([addressAt(range, 1), addressAt(range, 10)], ['10.96.0.1', '10.96.0.10']);
  for (const bad of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/8/8', 'fd00::/8', ''])
    t.is(parseRange(bad), undefined, bad);
});

const folder = fileURLToPath(new URL('../../inventories/', import.meta.url));

test('every example inventory is right', async (t) => {
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  t.true(names.length >= 2);
  for (const name of names) await t.notThrowsAsync(loadInventory(folder + name), name);
});

test('the published JSON Schema is the one that the code checks by', (t) => {
  const published: unknown = JSON.parse(readFileSync(`${folder}schema.json`, 'utf8'));
  t.deepEqual(
    published,
    JSON.parse(JSON.stringify(inventoryJsonSchema())),
    'run: node scripts/inventory-schema.ts',
  );
});
