import test from 'ava';
import { SlipwayError } from '../../src/base/errors.ts';
import { parseInventory } from '../../src/bootstrap/inventory/load.ts';
import { parseDiscovery, type Discovery } from '../../src/bootstrap/wizard/discover.ts';
import { usualControlPlanes } from '../../src/bootstrap/wizard/draft.ts';
import { freeRanges } from '../../src/bootstrap/wizard/ranges.ts';
import { renderInventory } from '../../src/bootstrap/wizard/render.ts';
import { parseServerArgument } from '../../src/bootstrap/wizard/server-argument.ts';
import { defaultAsker, type Asker } from '../../src/bootstrap/wizard/asker.ts';
import { runWizard, type LookAt, type WizardOptions } from '../../src/bootstrap/wizard/wizard.ts';

const NONE: WizardOptions = { servers: [], extraNames: [] };

/** Answers the questions that contain a word with what stands beside it, in turn; others with their default. */
function scripted(answers: Record<string, Array<string | boolean>>): { ask: Asker; complaints: string[] } {
  const complaints: string[] = [];
  const next = (message: string): string | boolean | undefined =>
    Object.entries(answers)
      .find(([word]) => message.includes(word))?.[1]
      .shift();
  return {
    complaints,
    ask: {
      input: async ({ message, default: usual = '', validate }) => {
        for (;;) {
          const answer = String(next(message) ?? usual);
          const verdict = validate(answer);
          if (verdict === true) return answer;
          complaints.push(verdict);
          if (complaints.length > 50) throw new Error(`${message} is answered wrongly for ever: ${verdict}`);
        }
      },
      select: async ({ message, choices, default: usual }) => {
        const wanted = next(message);
        const found = choices.find(({ name }) => wanted !== undefined && name.startsWith(String(wanted)));
        return (found?.value ?? usual ?? choices[0]?.value) as (typeof choices)[number]['value'];
      },
      confirm: async ({ message, default: usual }) => Boolean(next(message) ?? usual),
      say: (line) => void complaints.push(line),
    },
  };
}

const found = (host: string): Discovery => ({
  hostname: `host${host.split('.').at(-1)}`,
  os: 'Debian 12',
  cpus: 2,
  memoryMib: 4096,
  disks: ['sda 40G'],
  addresses: [{ address: host, interface: 'eth0' }],
  networks: ['10.0.0.0/24'],
});
const looking: LookAt = async (host) => ({
  discovery: found(host),
  askedPassword: false,
  askedSudoPassword: false,
});

test('three servers become three control planes, and the inventory loads as it is', async (t) => {
  const { ask } = scripted({
    'Name of the cluster': ['demo'],
    'First server': ['admin@10.0.0.1'],
    'Server 2': ['10.0.0.2'],
    'Server 3': ['10.0.0.3'],
  });
  const text = renderInventory(await runWizard(ask, looking, NONE), 'c.yaml');
  const inventory = parseInventory(text, 'c.yaml');
  t.is(inventory.cluster.name, 'demo');
  t.deepEqual(
    inventory.servers.map(({ name, address, roles, ssh }) => [name, address, roles.join(), ssh?.user]),
    [
      ['host1', '10.0.0.1', 'control-plane,worker', 'admin'],
      ['host2', '10.0.0.2', 'control-plane,worker', 'admin'],
      ['host3', '10.0.0.3', 'control-plane,worker', 'admin'],
    ],
  );
  t.regex(text, /# Debian 12, 2 processors, 4096 MiB, sda 40G/);
});

test('each answer is held to the inventory’s own rules at once', async (t) => {
  const { ask, complaints } = scripted({
    'Name of the cluster': ['Bad Name', 'good'],
    'First server': ['', 'a@b@c', '10.0.0.1'],
    'Name of the server': ['UPPER', 'cp1'],
    'Range of pod': ['10.0.0.0/8', '10.244.1.0/16', '10.50.0.0/16'],
    'Range of Service': ['10.50.128.0/20', '10.60.0.0/16'],
  });
  const draft = await runWizard(ask, looking, NONE);
  const wrong = complaints.filter((line) => !line.startsWith('  found'));
  t.is(wrong.length, 7, wrong.join('\n'));
  for (const [index, words] of [
    /lower-case letters/,
    /A cluster needs a server/,
    /cannot be read/,
    /lower-case letters/,
    /lies inside network\.podRange|overlaps/,
    /IPv4 range/,
    /overlaps network\.podRange/,
  ].entries())
    t.regex(wrong[index] ?? '', words);
  t.like(draft, { name: 'good', podRange: '10.50.0.0/16', serviceRange: '10.60.0.0/16' });
});

test('a server that cannot be reached is asked again, or taken as it is', async (t) => {
  const unreachable: LookAt = async (host) => {
    throw new SlipwayError('E_SSH_UNREACHABLE', `${host} is silent`);
  };
  const { ask, complaints } = scripted({
    'First server': ['10.0.0.9', '10.0.0.1'],
    'without having looked': [false, true],
  });
  const draft = await runWizard(ask, unreachable, NONE);
  t.deepEqual(
    draft.servers.map(({ address, name }) => [address, name]),
    [['10.0.0.1', 'server1']],
  );
  t.true(complaints.includes('10.0.0.9 is silent'));
});

test('the inventory says where typed passwords will be found, and another address for SSH', async (t) => {
  const look: LookAt = async () => ({
    discovery: {
      ...found('10.0.0.1'),
      addresses: [
        { address: '203.0.113.5', interface: 'eth0' },
        { address: '10.0.0.1', interface: 'eth1' },
      ],
    },
    askedPassword: true,
    askedSudoPassword: true,
  });
  const { ask } = scripted({ 'First server': ['ops@203.0.113.5:2222'], 'Address under': ['10.0.0.1'] });
  const text = renderInventory(await runWizard(ask, look, NONE), 'c.yaml');
  t.like(parseInventory(text, 'c.yaml').servers[0], {
    address: '10.0.0.1',
    ssh: {
      address: '203.0.113.5',
      user: 'ops',
      port: 2222,
      passwordFrom: 'env:SLIPWAY_SSH_PASSWORD',
      sudoPasswordFrom: 'env:SLIPWAY_SUDO_PASSWORD',
    },
  });
});

test('without questions: flags are followed, and wrong ones refused with their field', async (t) => {
  const run = (options: Partial<WizardOptions>) =>
    runWizard(
      defaultAsker(() => {}),
      looking,
      { ...NONE, ...options },
    );
  const servers = ['a/10.0.0.1=control-plane', 'b/10.0.0.2=worker'].map(parseServerArgument);
  const bastion = parseServerArgument('jump@192.0.2.1');
  const draft = await run({ servers, bastion, key: '/k', name: 'x', extraNames: ['lb.example.org'] });
  const inventory = parseInventory(renderInventory(draft, 'c.yaml'), 'c.yaml');
  t.deepEqual(
    inventory.servers.map(({ name, roles, ssh }) => [name, roles, ssh?.key]),
    [
      ['a', ['control-plane'], '/k'],
      ['b', ['worker'], '/k'],
    ],
  );
  t.like(inventory, { ssh: { bastion: { address: '192.0.2.1', user: 'jump' } } });
  t.deepEqual(inventory.api.extraNames, ['lb.example.org']);
  for (const [change, words] of [
    [{ podRange: '10.0.0.0/16' }, /network\.podRange "10\.0\.0\.0\/16"/],
    [{ name: 'No Name' }, /cluster\.name "No Name"/],
    [{ servers: ['10.0.0.1=worker'].map(parseServerArgument) }, /no server has the role control-plane/],
    [
      { servers: ['a/10.0.0.1=cp', 'b/10.0.0.2=cp'].map(parseServerArgument) },
      /2 servers have the role control-plane/,
    ],
    [{ virtualAddress: '10.0.0.1' }, /is the address of/],
  ] as const) {
    await t.throwsAsync(run({ servers, ...change }), { code: 'E_USAGE', message: words });
  }
});

test('ranges that servers use are not offered', (t) => {
  t.deepEqual(freeRanges([]), { podRange: '10.244.0.0/16', serviceRange: '10.96.0.0/12' });
  const { podRange, serviceRange } = freeRanges(['10.0.0.0/8', '172.20.5.0/24']);
  t.deepEqual([podRange, serviceRange], ['192.168.128.0/17', '172.21.0.0/16']);
});

test('control planes are odd in number', (t) => {
  t.deepEqual(
    [1, 2, 3, 4, 6, 7, 20].map((count) => usualControlPlanes(count)),
    [1, 1, 3, 3, 3, 5, 5],
  );
});

test('a server argument in all its parts', (t) => {
  t.deepEqual(parseServerArgument('cp1/admin@10.0.0.1:2222=cp,worker'), {
    name: 'cp1',
    host: '10.0.0.1',
    login: { user: 'admin', port: 2222 },
    roles: ['control-plane', 'worker'],
  });
  t.deepEqual(parseServerArgument('10.0.0.1:22'), { host: '10.0.0.1', login: {} });
  for (const bad of ['', '@x', 'a b@', 'x:99999', 'x=boss', 'a/b/c'])
    t.throws(() => parseServerArgument(bad), { code: 'E_USAGE' }, bad);
});

test('addresses of containers and those that move between servers are not offered', (t) => {
  const text = [
    'hostname\tcp1.example.org',
    'default\teth0',
    'address\teth1\t10.0.0.5/24\t',
    'address\teth0\t192.0.2.5/24\t',
    'address\teth0\t192.0.2.100/32\t',
    'address\teth1\t10.0.0.100/24\tsecondary',
    'address\tdocker0\t172.17.0.1/16\t',
    'address\tcni0\t10.244.0.1/24\t',
    'address\tvethab\t169.254.0.1/16\t',
    'route\t10.0.0.0/24',
  ].join('\n');
  const names = (reachedAt: string): string[] =>
    parseDiscovery(text, reachedAt).addresses.map(({ address }) => address);
  t.deepEqual(names('bastion.example.org'), ['192.0.2.5', '10.0.0.5']);
  t.deepEqual(names('10.0.0.5'), ['10.0.0.5', '192.0.2.5']);
  t.is(parseDiscovery(text, '').hostname, 'cp1');
});
