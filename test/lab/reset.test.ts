/** A reset puts servers back to what they were before, strangers' things included, and a cluster can be made again. */
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'ava';
import { clientManifest, readyPods, webManifest } from '../e2e/workload.ts';
import { kubectlSkipReason } from '../helpers/kubectl.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { InstalledCluster } from './installed-cluster.ts';
import { installPackages } from './install-packages.ts';
import { labSkipReason } from './machine.ts';
import { everything } from './server-state.ts';
import { differences, slipwayCommand, slipwayUp, startSlipway } from './up-command.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;
const IMAGE = 'slipway.local/busybox:1';
/** Makes CNI's portmap plugin write its chains. */
const HOST_PORT_POD = `
apiVersion: v1
kind: Pod
metadata: { name: host-port, labels: { app: client } }
spec:
  nodeName: w1
  containers:
    - name: main
      image: ${IMAGE}
      command: [sleep, infinity]
      ports: [{ containerPort: 80, hostPort: 8088 }]
      volumeMounts: [{ name: memory, mountPath: /memory }]
  volumes: [{ name: memory, emptyDir: { medium: Memory } }]
`;

let cluster: InstalledCluster;
const before = new Map<string, string>();

test.before(async (t) => {
  if (skip !== undefined) return;
  t.timeout(900_000);
  cluster = await InstalledCluster.prepare(`reset-${process.pid}`);
});
test.after.always(async () => cluster?.lab.close());

const reset = (...flags: string[]) =>
  slipwayCommand(cluster.lab, 'reset', { ...cluster.upRun, flags: ['--yes', ...flags] });

labTest('strangers put their things on a server, and a cluster is made beside them', async (t) => {
  const w1 = cluster.server('w1');
  // nftables is not there before: a stranger who has a table has installed it.
  await w1.exec(`
mkdir -p /etc/stranger /usr/local/lib/stranger /etc/sysctl.d
echo 'theirs' >/etc/stranger/config
echo 'kernel.sysrq = 0' >/etc/sysctl.d/10-stranger.conf
printf '[Unit]\\nDescription=A stranger\\n[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/stranger.service
systemctl daemon-reload
systemctl enable --now --quiet stranger
`);
  await installPackages(w1, ['nftables']);
  await w1.exec(`
nft add table inet stranger
nft 'add chain inet stranger input { type filter hook input priority 10; policy accept; }'
nft add rule inet stranger input tcp dport 9999 drop
mkdir -p /etc/containerd
echo '# of a stranger' >/etc/containerd/config.toml
`);
  for (const server of cluster.lab.servers) before.set(server.name, await everything(server));
  const first = await startSlipway(cluster.lab, 'up', cluster.upRun);
  let text = '';
  for (const stream of [first.stdout, first.stderr])
    stream?.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  await waitFor('the first operator changes servers', () => /: add the system user/.test(text), {
    timeoutMs: 60_000,
  });
  const second = await slipwayUp(cluster.lab, cluster.upRun);
  t.is(second.code, 2, second.stdout + second.stderr);
  t.regex(
    second.stderr,
    new RegExp(
      `cp1: root@\\S+ \\(slipway up, process ${first.pid}, since \\S+\\) is at work there \\[E_LOCKED\\]`,
    ),
  );
  if (first.exitCode === null) await once(first, 'close');
  t.is(first.exitCode, 0, text);
  for (const server of cluster.lab.servers) await server.exec('[ ! -e /run/slipway-operator ]');
  await cluster.connect();
  await cluster.nodesReady();
  const image = await busyboxImage(IMAGE);
  for (const server of cluster.lab.servers)
    await server.exec('ctr -n k8s.io images import -', { input: image });
  const pods = cluster.lab.servers.map(({ name }) => clientManifest(IMAGE, name));
  await cluster.kubectl.withInput(
    [webManifest(IMAGE), ...pods, HOST_PORT_POD].join('\n---\n'),
    'apply',
    '-f',
    '-',
  );
  await readyPods(cluster.kubectl, 'app=web', 3);
  await readyPods(cluster.kubectl, 'app=client', 4);
  await cluster.everyClientIsAnswered(t);
});

labTest('a reset without --yes and without a terminal is refused', async (t) => {
  const refused = await slipwayCommand(cluster.lab, 'reset', cluster.upRun);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /a reset of up destroys its data and must be confirmed \[E_UNCONFIRMED\]/);
});

labTest('a reset of one server leaves the others alone', async (t) => {
  const ledger = async (): Promise<string> =>
    cluster.server('w2').exec('cat /var/lib/slipway/ledger/ledger.jsonl');
  const others = await ledger();
  const result = await reset('--node', 'w1');
  t.is(result.code, 0, result.stdout + result.stderr);
  t.regex(result.stdout, /^w1 is as it was before the installation/m);
  t.deepEqual(differences(before.get('w1') ?? '', await everything(cluster.server('w1'))), []);
  t.is((await cluster.server('w1').exec('systemctl is-active stranger')).trim(), 'active');
  t.is(await ledger(), others);
});

labTest('a reset that is killed in the middle goes on when it is run again', async (t) => {
  const child = await startSlipway(cluster.lab, 'reset', {
    ...cluster.upRun,
    flags: ['--yes', '--output', 'json'],
  });
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (/"change":"undo /.test(text)) child.kill('SIGKILL');
  });
  await once(child, 'close');
  t.is(child.signalCode, 'SIGKILL', text);
  const result = await reset('--output', 'json');
  t.is(result.code, 0, result.stdout + result.stderr);
  const done = JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as {
    servers: Array<{ node: string; verdict: string; differences: string[]; left: string[] }>;
  };
  t.deepEqual(
    done.servers.map(({ node, verdict, differences: lines, left }) => [node, verdict, lines, left]),
    [
      ['cp1', 'equal', [], []],
      ['w1', 'clean', [], []],
      ['w2', 'equal', [], []],
    ],
  );
  for (const server of cluster.lab.servers) {
    t.deepEqual(differences(before.get(server.name) ?? '', await everything(server)), [], server.name);
  }
});

labTest(
  'a second reset finds nothing, and a cluster can be made again, by a plan that is applied',
  async (t) => {
    const again = await reset();
    t.is(again.code, 0, again.stdout + again.stderr);
    t.is(again.stdout.match(/had nothing of slipway/g)?.length, 3);
    const file = join(cluster.lab.directory, 'plan.json');
    const planned = await slipwayCommand(cluster.lab, 'plan', { ...cluster.upRun, flags: ['--out', file] });
    t.is(planned.code, 3, planned.stdout + planned.stderr);
    t.regex(planned.stdout, /^w2\n(.*\n)* {2}start slipway-kubelet\.service\n {4}because it is /m);
    t.is(await cluster.server('w2').exec('ls -d /var/lib/slipway /etc/kubernetes 2>/dev/null || true'), '');
    const applied = await slipwayCommand(cluster.lab, `apply ${file}`, cluster.upRun);
    t.is(applied.code, 0, applied.stdout + applied.stderr);
    await cluster.nodesReady();
    const nothing = await slipwayCommand(cluster.lab, 'plan', cluster.upRun);
    t.is(nothing.code, 0, nothing.stdout + nothing.stderr);
    t.is(nothing.stdout, 'no changes\n');
  },
);

labTest(
  'a plan names what somebody changed on a server; when more has changed it is not applied',
  async (t) => {
    const file = join(cluster.lab.directory, 'plan.json');
    await cluster.server('w1').exec('echo "# by hand" >>/etc/kubernetes/proxy.conf');
    const planned = await slipwayCommand(cluster.lab, 'plan', { ...cluster.upRun, flags: ['--out', file] });
    t.is(
      planned.stdout.replace(/; plan \w+/, ''),
      `w1
  write /etc/kubernetes/proxy.conf
    because /etc/kubernetes/proxy.conf was changed on the server since it was written
1 changes on 1 servers
`,
    );
    await cluster.server('w2').exec('systemctl stop slipway-dns');
    const stale = await slipwayCommand(cluster.lab, `apply ${file}`, cluster.upRun);
    t.is(stale.code, 2, stale.stdout + stale.stderr);
    t.regex(
      stale.stderr,
      /no longer fits:\n {2}\+ w2: start slipway-dns\.service \(it is inactive\) \[E_PLAN_STALE\]/,
    );
    t.regex(await cluster.server('w1').exec('cat /etc/kubernetes/proxy.conf'), /# by hand/);
    await cluster.server('w2').exec('systemctl start slipway-dns');
    const applied = await slipwayCommand(cluster.lab, `apply ${file}`, cluster.upRun);
    t.is(applied.code, 0, applied.stdout + applied.stderr);
    t.notRegex(await cluster.server('w1').exec('cat /etc/kubernetes/proxy.conf'), /# by hand/);
  },
);
