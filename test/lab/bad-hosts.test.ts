import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { buildRelease } from '../../scripts/build/release.ts';
import { Lab } from './lab.ts';
import { labSkipReason } from './machine.ts';
import { OPS_PASSWORD, type LabServer } from './server.ts';
import {
  differences,
  serverEntries,
  slipwayUp,
  systemInventory,
  writeInventory,
  type UpRun,
} from './up-command.ts';

const skip = labSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;

let lab: Lab;
let pristine: Map<LabServer, string>;
let executable: string[];

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(600_000);
  lab = await Lab.create({
    id: `bad-${process.pid}`,
    servers: [{ name: 'cp1' }, { name: 'w1' }, { name: 'w2' }],
  });
  await buildRelease(join(lab.directory, 'dist'));
  executable = ['--executable', join(lab.directory, 'dist/slipway')];
  pristine = new Map();
  for (const server of lab.servers) pristine.set(server, await systemInventory(server));
});
test.after.always(async () => lab?.close());

const inventory = (change: Record<string, unknown> = {}) => ({
  cluster: { name: 'bad' },
  servers: serverEntries(lab),
  ...change,
});

/** On no server is anything else than before. */
const unchanged = async (t: ExecutionContext): Promise<void> => {
  for (const [server, before] of pristine) {
    t.deepEqual(differences(before, await systemInventory(server)), [], `${server.name} was changed`);
  }
};

/** The run is refused with these words and code, says that nothing was changed, and on no server is anything else. */
const refused = async (t: ExecutionContext, run: UpRun, code: string, ...words: Array<string | RegExp>) => {
  await told(t, run, code, ...words);
  await unchanged(t);
};

/** The same without a look at the servers, for runs that never get to them. */
const told = async (t: ExecutionContext, run: UpRun, code: string, ...words: Array<string | RegExp>) => {
  const result = await slipwayUp(lab, { ...run, flags: [...executable, ...(run.flags ?? [])] });
  t.is(result.code, 2, result.stdout + result.stderr);
  t.true(result.stderr.includes(`[${code}]`), result.stderr);
  for (const word of words)
    t.true(
      typeof word === 'string' ? result.stderr.includes(word) : word.test(result.stderr),
      `${String(word)} in: ${result.stderr}`,
    );
  t.regex(result.stderr, /hint: \S/);
  t.regex(result.stderr, /nothing was changed on any server/);
  t.notRegex(result.stdout + result.stderr, /opspw|wrong-secret/, 'a secret was printed');
};

labTest('a bad inventory names file, line, field, value and rule', async (t) => {
  const servers = serverEntries(lab);
  const path = await writeInventory(lab, 'bad', {
    cluster: { name: 'bad' },
    servers: [...servers, { ...servers[1], name: 'w3', adress: 'x' }],
  });
  await refused(t, { inventory: path }, 'E_INVENTORY', /bad\.yaml:\d+: servers\[3\]\.adress: is not a field/);
});

/** An inventory of the lab's servers that is wrong in one place, and the words that name the place and the rule. */
const BROKEN: ReadonlyArray<[title: string, change: (servers: unknown[]) => unknown, words: RegExp]> = [
  [
    'two control planes',
    (servers) => ({
      servers: servers.map((server, index) =>
        Object.assign({}, server, { roles: [index < 2 ? 'control-plane' : 'worker'] }),
      ),
    }),
    /servers\[1\]\.roles: 2 servers have the role control-plane \(cp1, w1\): there must be 1, 3 or 5/,
  ],
  [
    'no control plane',
    (servers) => ({ servers: servers.slice(1) }),
    /servers: no server has the role control-plane/,
  ],
  [
    'one server twice',
    (servers) => ({ servers: [...servers, servers[2]] }),
    /servers\[3\]\.name: "w2" is also the name of servers\[2\]/,
  ],
  [
    'ranges that overlap',
    () => ({ network: { podRange: '10.100.0.0/16' } }),
    /network\.serviceRange: 10\.96\.0\.0\/12 overlaps network\.podRange 10\.100\.0\.0\/16/,
  ],
  [
    'servers inside the pod range',
    () => ({ network: { podRange: '10.64.0.0/12', serviceRange: '10.200.0.0/16' } }),
    /servers\[0\]\.address: 10\.77\.0\.11 lies inside network\.podRange/,
  ],
  ['a password itself', () => ({ ssh: { passwordFrom: 'hunter22' } }), /ssh\.passwordFrom: .*must say where/],
  ['a port that is none', () => ({ api: { port: 70_000 } }), /api\.port: 70000 /],
  [
    'the virtual address of a server',
    () => ({ api: { virtualAddress: '10.77.0.12' } }),
    /api\.virtualAddress: 10\.77\.0\.12 is the address of w1/,
  ],
  [
    'the API inside the ports of Services',
    () => ({ api: { port: 31_000 } }),
    /api\.port: 31000 lies inside network\.nodePorts/,
  ],
];

for (const [title, change, words] of BROKEN) {
  labTest(`an inventory with ${title}`, async (t) => {
    const changed = change(serverEntries(lab)) as Record<string, unknown>;
    const path = await writeInventory(lab, 'broken', inventory(changed));
    await told(t, { inventory: path }, 'E_INVENTORY', words);
  });
}
labTest('inventories that are wrong leave every server as it was', unchanged);

labTest('no inventory, one that is no YAML, and a secret that is not there', async (t) => {
  await told(t, { inventory: '/no/such.yaml' }, 'E_INVENTORY', '/no/such.yaml does not exist');
  const path = await writeInventory(lab, 'syntax', 'cluster: { name: x\nservers: [');
  await told(t, { inventory: path }, 'E_INVENTORY', /syntax\.yaml:\d+: /);
  const ssh = { passwordFrom: 'env:NOT_SET_ANYWHERE' };
  await refused(
    t,
    { inventory: await writeInventory(lab, 'secret', inventory({ ssh })) },
    'E_SECRET',
    'NOT_SET_ANYWHERE',
  );
});

labTest('a clone of another server', async (t) => {
  const [cp1, w1] = [lab.server('cp1'), lab.server('w1')];
  await w1.exec(`echo ${(await cp1.exec('cat /etc/machine-id')).trim()} >/run/id`);
  await w1.exec('mount --bind /run/id /etc/machine-id');
  try {
    const path = await writeInventory(lab, 'clone', inventory());
    const result = await slipwayUp(lab, { inventory: path, flags: executable });
    t.is(result.code, 2, result.stderr);
    t.regex(
      result.stderr,
      /w1: has the same machine-id as cp1 [^]*\[E_PREFLIGHT\][^]*systemd-machine-id-setup/,
    );
  } finally {
    await w1.exec('umount /etc/machine-id; rm /run/id');
  }
  await unchanged(t);
});

labTest('a silent host', async (t) => {
  const w1 = lab.server('w1');
  await w1.linkDown();
  try {
    await refused(
      t,
      { inventory: await writeInventory(lab, 'silent', inventory()) },
      'E_SSH_UNREACHABLE',
      `w1 (root@${w1.address})`,
    );
  } finally {
    await w1.linkUp();
  }
});

labTest('a port where nothing listens', async (t) => {
  const servers = serverEntries(lab);
  Object.assign(servers[1] ?? {}, { ssh: { port: 2222 } });
  await refused(
    t,
    { inventory: await writeInventory(lab, 'port', inventory({ servers })) },
    'E_SSH_UNREACHABLE',
    'w1 (root@10.77.0.12:2222)',
    'nothing listens',
  );
});

labTest('a wrong key', async (t) => {
  const key = join(lab.directory, 'other_key');
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  await refused(
    t,
    { inventory: await writeInventory(lab, 'key', inventory()), flags: ['--ssh-key', key] },
    'E_SSH_AUTH',
    'refuses the login',
    'authorized_keys',
  );
});

labTest('a key file that does not exist', async (t) => {
  await refused(
    t,
    { inventory: await writeInventory(lab, 'nokey', inventory()), flags: ['--ssh-key', '/no/such/key'] },
    'E_SSH_KEY',
    '/no/such/key',
  );
});

labTest('a changed host key names file and line', async (t) => {
  const text = await readFile(lab.knownHostsPath, 'utf8');
  const lines = text.trim().split('\n');
  const swapped = [
    lines[0] ?? '',
    (lines[1] ?? '').replace(/ssh-.*/, (lines[0] ?? '').replace(/^\S+ /, '')),
    lines[2] ?? '',
  ];
  const known = join(lab.directory, 'swapped');
  await writeFile(known, `${swapped.join('\n')}\n`);
  const flags = ['--known-hosts', known, '--accept-new-host-keys'];
  await refused(
    t,
    { inventory: await writeInventory(lab, 'changed', inventory()), flags },
    'E_HOST_KEY_CHANGED',
    'w1',
    `line 2 of ${known}`,
  );
});

labTest('an unknown host key is refused without a terminal, and its fingerprint shown', async (t) => {
  const known = join(lab.directory, 'empty');
  await writeFile(known, '');
  await refused(
    t,
    { inventory: await writeInventory(lab, 'unknown', inventory()), flags: ['--known-hosts', known] },
    'E_HOST_KEY_UNKNOWN',
    /SHA256:[A-Za-z0-9+/]{43}/,
    '--accept-new-host-keys',
  );
});

labTest('sudo refuses a wrong password, and asks for one that is not there', async (t) => {
  const ssh = { user: 'ops' };
  await refused(
    t,
    { inventory: await writeInventory(lab, 'sudo0', inventory({ ssh })) },
    'E_SUDO',
    'none was given',
    'sudoPasswordFrom',
  );
  const wrong = { ...ssh, sudoPasswordFrom: 'env:SUDO_PASSWORD' };
  await refused(
    t,
    {
      inventory: await writeInventory(lab, 'sudo1', inventory({ ssh: wrong })),
      env: { SUDO_PASSWORD: 'wrong-secret' },
    },
    'E_SUDO',
    'the password is wrong',
  );
});

labTest('no space left', async (t) => {
  const w2 = lab.server('w2');
  await w2.limitSpace('/opt', 64);
  try {
    const path = await writeInventory(lab, 'space', inventory());
    const result = await slipwayUp(lab, { inventory: path, flags: executable });
    t.is(result.code, 2, result.stderr);
    t.regex(result.stderr, /w2: no space left on \/opt: 0 MiB are free, \d+ MiB are needed/);
    t.regex(result.stderr, /\[E_PREFLIGHT\]/);
    t.regex(result.stderr, /hint: free some space on \/opt of w2/);
  } finally {
    await w2.unlimitSpace('/opt');
  }
  await unchanged(t);
});

labTest('a port that the cluster needs is taken', async (t) => {
  const w1 = lab.server('w1');
  await w1.exec('/usr/sbin/sshd -p 10250 -o PidFile=/run/other.pid');
  try {
    await refused(
      t,
      { inventory: await writeInventory(lab, 'taken', inventory()) },
      'E_PREFLIGHT',
      'w1: port 10250 is taken by sshd',
    );
  } finally {
    await w1.exec('kill $(cat /run/other.pid)');
  }
});

labTest('an address that is another server’s', async (t) => {
  const servers = serverEntries(lab);
  Object.assign(servers[1] ?? {}, { address: '10.77.0.99', ssh: { address: '10.77.0.12' } });
  await refused(
    t,
    { inventory: await writeInventory(lab, 'address', inventory({ servers })) },
    'E_PREFLIGHT',
    'w1: has no address 10.77.0.99; it has 10.77.0.12',
  );
});

labTest('two entries that are one server', async (t) => {
  const w2 = lab.server('w2');
  await w2.exec('ip address add 10.77.0.80/24 dev eth0');
  try {
    const servers = [...serverEntries(lab), { name: 'w3', address: '10.77.0.80', roles: ['worker'] }];
    await refused(
      t,
      {
        inventory: await writeInventory(lab, 'twice', inventory({ servers })),
        flags: ['--accept-new-host-keys'],
      },
      'E_PREFLIGHT',
      /w3: has the same machine-id as w2/,
    );
  } finally {
    await w2.exec('ip address del 10.77.0.80/24 dev eth0');
  }
});

labTest('a server inside the pod range that it has on another interface', async (t) => {
  const w2 = lab.server('w2');
  await w2.exec('ip address add 10.244.7.1/24 dev eth0');
  try {
    await refused(
      t,
      { inventory: await writeInventory(lab, 'inside', inventory()) },
      'E_PREFLIGHT',
      /w2: its interface eth0 has 10\.244\.7\.1, which lies inside network\.podRange/,
    );
  } finally {
    await w2.exec('ip address del 10.244.7.1/24 dev eth0');
  }
});

labTest('a damaged bundle, and one that is none', async (t) => {
  const none = join(lab.directory, 'none.tar');
  await copyFile('/usr/bin/openssl', none);
  await refused(
    t,
    { inventory: await writeInventory(lab, 'bundle', inventory()), flags: ['--bundle', none] },
    'E_BUNDLE',
    none,
  );
  const short = join(lab.directory, 'short.tar');
  await mkdir(join(lab.directory, 'x'), { recursive: true });
  await writeFile(
    join(lab.directory, 'x/manifest.json'),
    JSON.stringify({
      formatVersion: 1,
      suite: 'bookworm',
      files: [{ name: 'a.deb', bytes: 1, sha256: 'x' }],
    }),
  );
  await promisify(execFile)('tar', ['-C', join(lab.directory, 'x'), '-cf', short, 'manifest.json']);
  await refused(
    t,
    { inventory: await writeInventory(lab, 'bundle', inventory()), flags: ['--bundle', short] },
    'E_BUNDLE',
    'a.deb is not what it was',
  );
  await truncate(short, 700);
  await refused(
    t,
    { inventory: await writeInventory(lab, 'bundle', inventory()), flags: ['--bundle', short] },
    'E_BUNDLE',
    short,
  );
});

labTest('an executable that is missing or none of Linux', async (t) => {
  const path = await writeInventory(lab, 'exe', inventory());
  for (const [executable, words] of [
    ['/no/such', /is missing: \/no\/such/],
    ['/etc/passwd', /is no Linux executable/],
  ] as const) {
    const result = await slipwayUp(lab, { inventory: path, flags: ['--executable', executable] });
    t.is(result.code, 2);
    t.regex(result.stderr, words);
    t.regex(result.stderr, /\[E_EXECUTABLE\]/);
  }
});

labTest('a dry run with sudo shows the changes and makes none', async (t) => {
  const ssh = { user: 'ops', sudoPasswordFrom: 'env:SUDO_PASSWORD' };
  const path = await writeInventory(lab, 'dry', inventory({ ssh }));
  const result = await slipwayUp(lab, {
    inventory: path,
    flags: [...executable, '--dry-run'],
    env: { SUDO_PASSWORD: OPS_PASSWORD },
  });
  t.is(result.code, 0, result.stderr);
  t.regex(result.stdout, /would cp1: start slipway-apiserver\.service/);
  t.regex(result.stdout, /would w2: install containerd/);
  t.regex(result.stdout, /\d+ changes would be made/);
  await unchanged(t);
});
