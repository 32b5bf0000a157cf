/** What an operator does with a cluster that runs: looks at it, collects for support, lets people in. */
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import type { ClusterStatus } from '../../src/bootstrap/status/status.ts';
import { kubectlSkipReason, kubectlWith } from '../helpers/kubectl.ts';
import { run, type CommandResult } from './command.ts';
import { InstalledCluster } from './installed-cluster.ts';
import { labSkipReason } from './machine.ts';
import { OPS_PASSWORD, ROOT_PASSWORD } from './server.ts';
import { slipwayCommand, slipwayUp, startSlipway } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;
/** Tests of many minutes: `npm run test:all` runs them. */
const longTest = skip === undefined && process.env['TEST_ALL'] ? test.serial : test.serial.skip;

let cluster: InstalledCluster;

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(600_000);
  cluster = await InstalledCluster.prepare(`ops-${process.pid}`);
  const { code, stdout, stderr } = await slipwayUp(cluster.lab, cluster.upRun);
  t.is(code, 0, stdout + stderr);
  await cluster.connect();
  await cluster.nodesReady();
});
test.after.always(async () => cluster?.lab.close());

const status = async (): Promise<{ result: CommandResult; json: ClusterStatus }> => {
  const result = await slipwayCommand(cluster.lab, 'status', {
    ...cluster.upRun,
    flags: ['--output', 'json'],
  });
  return { result, json: JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '{}') as ClusterStatus };
};

labTest('a cluster that is well: one screen, exit code 0', async (t) => {
  const { result, json } = await status();
  t.is(result.code, 0, result.stdout + result.stderr);
  t.deepEqual(json.problems, []);
  t.deepEqual(
    json.servers.map(({ name, reached }) => [name, reached]),
    [
      ['cp1', true],
      ['w1', true],
      ['w2', true],
    ],
  );
  t.is(json.api.nodes?.filter(({ ready }) => ready).length, 3);
  t.like(json.store, { kind: 'embedded' });
  t.true((json.store?.members[0]?.bytes ?? 0) > 10_000);
  const text = await slipwayCommand(cluster.lab, 'status', cluster.upRun);
  t.regex(text.stdout, /^cp1 +Ready +8\/8 +ready/m);
  t.regex(text.stdout, /^w2 +Ready +5\/5 +-/m);
  t.regex(text.stdout, /^all is well$/m);
});

labTest(
  'the support bundle holds what explains a fault, and none of the secrets that were planted',
  async (t) => {
    const w1 = cluster.server('w1');
    await cluster.kubectl('create', 'secret', 'generic', 'planted', '--from-literal=x=planted-in-secret');
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'planted', annotations: { note: 'password=planted-in-annotation' } },
      spec: {
        nodeName: 'w1',
        containers: [
          {
            name: 'a',
            image: 'example.org/none:1',
            imagePullPolicy: 'Never',
            env: [{ name: 'HARMLESS', value: 'planted-in-env' }],
            args: ['--db-password=planted-in-args'],
          },
        ],
      },
    };
    const manifest = join(cluster.lab.directory, 'planted.yaml');
    await writeFile(manifest, JSON.stringify(pod));
    await cluster.kubectl('apply', '-f', manifest);
    await w1.writeFile(
      '/etc/systemd/system/slipway-dns.service.d/planted.conf',
      '[Service]\nEnvironment=DB_PASSWORD=planted-in-unit\n',
    );
    const token = await cluster.kubectl('create', 'token', 'default');
    const rootKey = await readFile(join(cluster.state, 'pki/ca.key'), 'utf8');
    const said = [
      'Authorization: Bearer planted-in-header',
      `token of a pod ${token.trim()}`,
      'joined with abcdef.planted0in0token',
      `sudo said ${OPS_PASSWORD}, root said ${ROOT_PASSWORD}`,
      `-----BEGIN PRIVATE KEY----- ${rootKey.split('\n')[1]}`,
      'fault-that-matters',
    ];
    for (const line of said) {
      await w1.exec('logger --journald', {
        input: `MESSAGE=${line}\nOBJECT_SYSTEMD_UNIT=slipway-kubelet.service\n`,
      });
    }
    const file = join(cluster.lab.directory, 'support.tar.gz');
    const result = await slipwayCommand(cluster.lab, 'support', {
      ...cluster.upRun,
      flags: ['-o', file, '--json'],
    });
    t.is(result.code, 0, result.stdout + result.stderr);
    t.deepEqual((JSON.parse(result.stdout.trim()) as { missing: string[] }).missing, []);
    t.is((await stat(file)).mode & 0o777, 0o600);
    const folder = join(cluster.lab.directory, 'support');
    await mkdir(folder);
    await run('tar', ['-xzf', file, '-C', folder]);
    const at = (name: string): Promise<string> => readFile(join(folder, 'up-support', name), 'utf8');
    t.regex(await at('servers/w1/journal/slipway-kubelet.log'), /fault-that-matters/);
    t.regex(await at('servers/w1/journal/slipway-kubelet.log'), /Authorization: <removed>/);
    t.regex(await at('servers/cp1/system/unit-files.txt'), /ExecStart=.*slipway/);
    t.regex(await at('api/nodes.yaml'), /kind: Node[^]*name: w2/);
    t.regex(await at('api/pods.yaml'), /name: planted/);
    t.regex(await at('api/events.yaml'), /ErrImageNeverPull|Container image/);
    t.regex(await at('status.txt'), /^cluster up/);
    const all = await run('grep', [
      '-raoE',
      `planted-in-[a-z]+|planted0in0token|PRIVATE KEY-----`,
      folder,
    ]).catch(() => '');
    t.is(all, '', 'a planted secret is in the bundle');
    for (const secret of [OPS_PASSWORD, ROOT_PASSWORD, token.trim(), rootKey.split('\n')[1] ?? '']) {
      const found = await run('grep', ['-rlF', secret, folder]).catch(() => '');
      t.is(found, '', 'a secret of the operator is in the bundle');
    }
  },
);

labTest('a person’s kubeconfig works as its groups may, is private, and is on record', async (t) => {
  const file = join(cluster.lab.directory, 'anna.kubeconfig');
  const issue = async (...flags: string[]): Promise<CommandResult> =>
    await cluster.lab.fabricTryExec(
      [
        cluster.upRun.executable ?? '',
        'kubeconfig',
        '-i',
        cluster.upRun.inventory,
        '--user',
        'anna',
        ...flags,
      ],
      { env: { PATH: process.env['PATH'], HOME: join(cluster.lab.directory, 'home') } },
    );
  const refused = await issue('--group', 'system:masters', '--file', file);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /system:masters is Kubernetes' own[^]*\[E_PERSON\][^]*--break-glass/);
  const reach = await readFile(join(cluster.lab.directory, 'kubeconfig'), 'utf8');
  const server = /https:\/\/127\.0\.0\.1:\d+/.exec(reach)?.[0] ?? '';
  const { code, stdout, stderr } = await issue('--group', 'developers', '--server', server, '--file', file);
  t.is(code, 0, stdout + stderr);
  t.is((await stat(file)).mode & 0o777, 0o600);
  const kubectl = kubectlWith(file);
  const whoami = await kubectl.json<{ status: { userInfo: { username: string; groups: string[] } } }>(
    'auth',
    'whoami',
  );
  t.is(whoami.status.userInfo.username, 'anna');
  t.true(whoami.status.userInfo.groups.includes('developers'));
  t.regex((await kubectl.try(['get', 'pods'])).stderr, /Forbidden[^]*"anna"/);
  await cluster.kubectl('create', 'clusterrolebinding', 'dev', '--clusterrole=view', '--group=developers');
  t.is((await kubectl.try(['get', 'pods'])).code, 0);
  t.not((await kubectl.try(['get', 'secrets'])).code, 0, 'the role view does not read secrets');
  const record = await readFile(join(cluster.state, 'people/issued.jsonl'), 'utf8');
  t.regex(record, /^\{"serialNumber":"[0-9a-f]+","user":"anna","groups":\["developers"\].*\}\n$/);
});

labTest('what somebody changed on servers is counted and named: files, units, settings', async (t) => {
  await cluster.server('w1').exec(`
systemctl disable --quiet slipway-proxy
systemctl stop slipway-dns
sysctl -qw net.ipv4.ip_forward=0
chmod 666 /etc/kubernetes/proxy.conf
`);
  await cluster.server('cp1').exec('echo "# by hand" >>/etc/systemd/system/slipway-scheduler.service');
  const { result, json } = await status();
  t.is(result.code, 1);
  t.deepEqual(json.problems.map((problem) => problem.replaceAll(/\(\/etc[^)]*\)/g, '(…)')).toSorted(), [
    'cp1 is not what the inventory says: "slipway up" would write /etc/systemd/system/slipway-scheduler.service (…)',
    'w1 is not what the inventory says: "slipway up" would restart slipway-proxy.service (it is disabled, and would not start at boot)',
    'w1 is not what the inventory says: "slipway up" would set net.ipv4.ip_forward to 1 (it is 0)',
    'w1 is not what the inventory says: "slipway up" would write /etc/kubernetes/proxy.conf (…)',
    'w1: /etc/systemd/system/slipway-dns.service.d/planted.conf changes a unit of ours, and is not ours',
    'w1: slipway-dns is inactive',
  ]);
  const text = await slipwayCommand(cluster.lab, 'status', cluster.upRun);
  t.regex(text.stdout, /^drift +cp1: 1, w1: 5$/m);
  await cluster.server('w1').exec('rm -r /etc/systemd/system/slipway-dns.service.d');
  const repaired = await slipwayUp(cluster.lab, cluster.upRun);
  t.is(repaired.code, 0, repaired.stdout + repaired.stderr);
});

labTest(
  'an executable that rots keeps its size and time: status and plan name it, up repairs it',
  async (t) => {
    const w2 = cluster.server('w2');
    await w2.exec(`
file=$(readlink -f /opt/slipway/current/slipway)
cp -p "$file" "$file.x"
printf rotten | dd of="$file.x" bs=1 seek=60000000 conv=notrunc status=none
touch -r "$file" "$file.x"
mv "$file.x" "$file"
`);
    const { json } = await status();
    t.true(
      json.problems.some((problem) => /^w2: the executable of \S+ is damaged or replaced/.test(problem)),
      json.problems.join('\n'),
    );
    const plan = await slipwayCommand(cluster.lab, 'plan', cluster.upRun);
    t.is(plan.code, 3, plan.stdout + plan.stderr);
    t.regex(
      plan.stdout,
      /^w2\n {2}install \/opt\/\S+\n {4}because its content is not that of the release\n {2}restart slipway-network/m,
    );
    t.notRegex(plan.stdout, /^(cp1|w1)$/m);
    const repaired = await slipwayUp(cluster.lab, cluster.upRun);
    t.is(repaired.code, 0, repaired.stdout + repaired.stderr);
    t.deepEqual((await status()).json.problems, []);
    await cluster.upChangesNothing(t);
  },
);

labTest('a control plane copies its store to its disk, and the cluster goes back to that copy', async (t) => {
  const cp1 = cluster.server('cp1');
  const folder = '/var/lib/slipway/snapshots';
  t.is((await cp1.exec('systemctl is-active slipway-snapshot.timer')).trim(), 'active');
  t.is((await cluster.server('w1').exec(`ls -d ${folder} 2>/dev/null || true`)).trim(), '');
  await cluster.kubectl('create', 'configmap', 'wanted', '--from-literal=a=b');
  await cp1.exec('systemctl start slipway-snapshot');
  t.regex(
    await cp1.exec(`stat -c '%a %U %n' ${folder} ${folder}/*`),
    /^700 root \S+\n600 root \S+\.snapshot\n$/,
  );
  const { json } = await status();
  t.like(json.servers[0], { snapshots: { count: 1, failed: false } });
  await cluster.kubectl('delete', 'configmap', 'wanted');
  await cluster.kubectl('create', 'configmap', 'unwanted');
  const restore = (name: string, ...flags: string[]) =>
    slipwayCommand(cluster.lab, 'restore', { ...cluster.upRun, flags: ['--snapshot', name, ...flags] });
  await cp1.exec(`head -c 300 ${folder}/2*.snapshot >${folder}/20200101T000000Z-r1.snapshot`);
  for (const [name, flags, code] of [
    ['cp1:latest', [], 'E_UNCONFIRMED'],
    ['w1:latest', ['--yes'], 'E_UNKNOWN_SERVER'],
    ['cp1:20200101T000000Z-r1.snapshot', ['--yes'], 'E_SNAPSHOT'],
    ['cp1:none.snapshot', ['--yes'], 'E_SNAPSHOT'],
  ] as const) {
    const refused = await restore(name, ...flags);
    t.is(refused.code, 2, name);
    t.regex(refused.stderr, new RegExp(`\\[${code}\\]`));
  }
  await cp1.exec(`rm ${folder}/20200101T000000Z-r1.snapshot`);
  const { code, stdout, stderr } = await restore('cp1:latest', '--yes');
  t.is(code, 0, stdout + stderr);
  await cluster.nodesReady();
  t.is((await cluster.kubectl('get', 'configmap', 'wanted', '-o', 'jsonpath={.data.a}')).trim(), 'b');
  t.regex((await cluster.kubectl.try(['get', 'configmap', 'unwanted'])).stderr, /NotFound/);
  t.regex(await cp1.exec('ls /var/lib/slipway'), /^store\.before-/m);
  t.deepEqual((await status()).json.problems, []);
  await cluster.upChangesNothing(t);
});

/** Runs until it begins that change, and dies there. */
async function killedAt(change: string, name: string, ...flags: string[]): Promise<void> {
  const run = { ...cluster.upRun, flags: [...flags, '--output', 'json'] };
  const child = await startSlipway(cluster.lab, name, run);
  const closed = once(child, 'close');
  if (!child.stdout) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type: string; change?: string; message?: string };
    if (event.type === 'failed') throw new Error(`${name}: ${event.message}`);
    if (event.type === 'change' && event.change?.startsWith(change)) child.kill('SIGKILL');
  }
  await closed;
  if (child.signalCode !== 'SIGKILL') throw new Error(`${name} ended without ${change}`);
}

longTest(
  'killed at each of its steps, a restore of a snapshot goes on, and nothing else runs meanwhile',
  async (t) => {
    t.timeout(600_000);
    await cluster.kubectl('create', 'configmap', 'kept');
    await cluster.server('cp1').exec('systemctl start slipway-snapshot');
    await cluster.kubectl('delete', 'configmap', 'kept');
    const flags = ['--snapshot', 'cp1:latest', '--yes'];
    for (const change of [
      'unpack the snapshot',
      'stop the API server',
      'put the store aside',
      'make the snapshot the store',
      'start slipway-apiserver',
    ]) {
      await killedAt(change, 'restore', ...flags);
      const refused = await slipwayUp(cluster.lab, cluster.upRun);
      t.is(refused.code, 2, change);
      t.regex(refused.stderr, /a restore of a snapshot was cut off[^]*\[E_SNAPSHOT\]/);
    }
    const { code, stdout, stderr } = await slipwayCommand(cluster.lab, 'restore', {
      ...cluster.upRun,
      flags,
    });
    t.is(code, 0, stdout + stderr);
    await cluster.nodesReady();
    await cluster.kubectl('get', 'configmap', 'kept');
    t.deepEqual((await status()).json.problems, []);
    await cluster.upChangesNothing(t);
  },
);

labTest('with the API down and a server dead the status tells of both, and the others', async (t) => {
  await cluster.server('cp1').exec('systemctl stop slipway-apiserver');
  await cluster.server('w2').linkDown();
  try {
    const startedMs = performance.now();
    const { result, json } = await status();
    t.log(
      `took ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
      result.stdout.trim().split('\n').length,
    );
    t.is(result.code, 1, result.stdout + result.stderr);
    t.is(json.api.nodes, undefined);
    t.like(json.servers[2], { name: 'w2', reached: false });
    for (const words of [
      'w2 is not reached',
      'cp1: slipway-apiserver is inactive',
      'cp1: its API server is not ready',
      'no API server answers',
    ]) {
      t.true(
        json.problems.some((problem) => problem.startsWith(words)),
        `${words} in ${json.problems.join('\n')}`,
      );
    }
    t.is(json.servers.filter(({ reached }) => reached).length, 2);
  } finally {
    await cluster.server('w2').linkUp();
    await cluster.server('cp1').exec('systemctl start slipway-apiserver');
  }
});
