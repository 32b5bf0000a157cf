/** `npm run demo` as a person runs it, without a terminal; then what kubectl must be able to do; then --down. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import * as k8s from '@kubernetes/client-node';
import test from 'ava';
import { clientManifest, podsOf, readyPods, webManifest } from '../e2e/workload.ts';
import { debianKubectl } from '../helpers/debian-kubectl.ts';
import { kubectlSkipReason, kubectlWith, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { Lab } from './lab.ts';
import { labSkipReason } from './machine.ts';
import { labDirectory } from './state.ts';

const skip = labSkipReason() ?? kubectlSkipReason();
const labTest = skip === undefined ? test.serial : test.serial.skip;
const DEMO = fileURLToPath(new URL('../../scripts/demo.ts', import.meta.url));
const LAB_ID = `demo-${process.pid}`;
const IMAGE = 'slipway.local/busybox:1';

const debian = skip === undefined ? debianKubectl() : { reason: skip };

let kubectl: Kubectl;
let kubeconfig = '';

async function demo(...args: string[]): Promise<{ code: number; text: string }> {
  const child = spawn(process.execPath, [DEMO, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SLIPWAY_DEMO_LAB: LAB_ID },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const [code] = (await once(child, 'close')) as [number];
  return { code, text };
}

/** exec as @kubernetes/client-node does it, over a WebSocket. */
async function nodeExec(pod: string, command: string[], input: string) {
  const config = new k8s.KubeConfig();
  config.loadFromFile(kubeconfig);
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(input);
  const status = new Promise<k8s.V1Status>((resolve, reject) => {
    new k8s.Exec(config)
      .exec('default', pod, 'web', command, stdout, stderr, stdin, false, resolve)
      .catch(reject);
  });
  const ended = await status;
  // The status comes last on the same connection, so that all output has been read by now.
  const read = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? '';
  const exitCode = ended.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  return { stdout: read(stdout), stderr: read(stderr), status: ended.status, exitCode };
}

test.after.always(async () => {
  if (skip === undefined) await demo('--down');
});

labTest(
  'a demo that fails names the server, the step, the cause and the remedy, and keeps the servers',
  async (t) => {
    const servers = ['cp1', 'w1', 'w2'].map((name) => ({ name }));
    const lab = await Lab.create({ id: LAB_ID, servers, detached: true });
    await lab.server('cp1').exec('/usr/sbin/sshd -p 6443 -o PidFile=/run/other.pid');
    const { code, text } = await demo();
    t.is(code, 1, text);
    t.regex(text, /step "Validate the servers" failed: cp1: port 6443 is taken by sshd \[E_PREFLIGHT\]/);
    t.regex(text, /hint: stop that process, or use another server/);
    t.regex(text, /the demo stopped at the step "up"/);
    t.regex(text, /the servers are kept for a look: npm run demo -- --ssh cp1/);
    t.true(await lab.server('cp1').isOn());
    await lab.server('cp1').exec('kill $(cat /run/other.pid)');
  },
);

labTest(
  'the demo goes on from there, and ends with three Ready nodes and a kubeconfig for this very shell',
  async (t) => {
    const { code, text } = await demo();
    t.is(code, 0, text);
    for (const name of ['cp1', 'w1', 'w2']) t.regex(text, new RegExp(`^${name} +Ready `, 'm'));
    const path = /export KUBECONFIG=(\S+)/.exec(text)?.[1] ?? '';
    t.true(existsSync(path), text);
    kubeconfig = path;
    kubectl = kubectlWith(path);
    t.is((await kubectl('get', 'nodes', '-o', 'name')).trim(), 'node/cp1\nnode/w1\nnode/w2');
    t.true(text.includes(`--image=${IMAGE}`), 'it says which image is there');
  },
);

labTest('a Deployment spreads over the servers and answers by its service name', async (t) => {
  await kubectl.withInput(
    [webManifest(IMAGE), clientManifest(IMAGE, 'w1'), clientManifest(IMAGE, 'w2')].join('\n---\n'),
    'apply',
    '-f',
    '-',
  );
  const pods = await readyPods(kubectl, 'app=web', 3);
  t.true(new Set(pods.map(({ spec }) => spec.nodeName)).size >= 2);
  await readyPods(kubectl, 'app=client', 2);
  const names = pods.map(({ metadata }) => metadata.name);
  const answers = new Set<string>();
  await waitFor(
    'every replica has answered, from another server too',
    async () => {
      for (const client of ['client-w1', 'client-w2']) {
        const { code, stdout } = await kubectl.try([
          'exec',
          client,
          '--',
          'timeout',
          '5',
          'wget',
          '-qO-',
          'http://web.default.svc.cluster.local',
        ]);
        if (code === 0) answers.add(stdout.trim());
      }
      return names.every((name) => answers.has(name));
    },
    { timeoutMs: 60_000 },
  );
  t.is(answers.size, 3);
});

labTest('kubectl logs, exec, scale, rollout, delete and get -w do what they should', async (t) => {
  const [pod] = await podsOf(kubectl, 'app=web');
  const name = pod?.metadata.name ?? '';
  t.is((await kubectl('logs', name)).split('\n')[0], 'serving');
  t.is((await kubectl('exec', name, '--', 'hostname')).trim(), name);
  t.is(await kubectl.withInput('to and fro', 'exec', '-i', name, '--', 'cat'), 'to and fro');
  t.is((await kubectl.try(['exec', name, '--', 'sh', '-c', 'exit 3'])).code, 3);
  t.deepEqual(await nodeExec(name, ['sh', '-c', 'cat; echo no >&2; exit 4'], 'to and fro'), {
    stdout: 'to and fro',
    stderr: 'no\n',
    status: 'Failure',
    exitCode: '4',
  });

  const watch = kubectl.spawn('get', 'pods', '-l', 'app=web', '-w', '--no-headers');
  let watched = '';
  watch.stdout?.setEncoding('utf8').on('data', (chunk: string) => (watched += chunk));
  await kubectl('scale', 'deployment/web', '--replicas=5');
  const five = await readyPods(kubectl, 'app=web', 5);
  await waitFor('the watch has told of the new pods', () =>
    five.every(({ metadata }) => watched.includes(metadata.name)),
  );
  watch.kill();
  await kubectl('scale', 'deployment/web', '--replicas=3');
  await readyPods(kubectl, 'app=web', 3);

  await kubectl('set', 'env', 'deployment/web', 'GREETING=hello');
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=90s');
  const env = async () =>
    await kubectl(
      'get',
      'deployment',
      'web',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].env[0].value}',
    );
  t.is(await env(), 'hello');
  await kubectl('rollout', 'undo', 'deployment/web');
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=90s');
  t.is(await env(), '');

  const before = new Set((await readyPods(kubectl, 'app=web', 3)).map(({ metadata }) => metadata.uid));
  await kubectl('rollout', 'restart', 'deployment/web');
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=90s');
  const after = await readyPods(kubectl, 'app=web', 3);
  t.true(
    after.every(({ metadata }) => !before.has(metadata.uid)),
    'every pod is a new one',
  );

  await kubectl('delete', 'pod', after[0]?.metadata.name ?? '');
  const replaced = await readyPods(kubectl, 'app=web', 3);
  t.false(replaced.some(({ metadata }) => metadata.uid === after[0]?.metadata.uid));
});

const debianTest = debian.reason === undefined ? test.serial : test.serial.skip;
debianTest('Debian’s old kubectl lists, streams logs, and runs commands over SPDY', async (t) => {
  const old = kubectlWith(kubeconfig, debian.reason === undefined ? debian.program : '');
  t.regex(await old('version', '--client'), /v1\.20\./);
  const [pod] = await readyPods(old, 'app=web', 3);
  const name = pod?.metadata.name ?? '';
  t.regex(await old('get', 'pods'), new RegExp(`^${name} +1/1 +Running`, 'm'));
  t.is((await old('logs', name)).split('\n')[0], 'serving');
  t.is(await old.withInput('to and fro', 'exec', '-i', name, '--', 'cat'), 'to and fro');
  t.is((await old.try(['exec', name, '--', 'sh', '-c', 'exit 3'])).code, 3);
  await old.withInput(webManifest(IMAGE).replace('replicas: 3', 'replicas: 4'), 'apply', '-f', '-');
  await old('rollout', 'status', 'deployment/web', '--timeout=90s');
  await readyPods(old, 'app=web', 4);
  await old('scale', 'deployment/web', '--replicas=3');
  await readyPods(old, 'app=web', 3);
});

labTest('the demo run again changes nothing', async (t) => {
  const { code, text } = await demo('--no-build');
  t.is(code, 0, text);
  t.regex(text, /^no changes, in /m);
  await readyPods(kubectl, 'app=web', 3);
});

labTest('--down leaves nothing behind', async (t) => {
  const { code, text } = await demo('--down');
  t.is(code, 0, text);
  t.false(existsSync(labDirectory(LAB_ID)));
  t.deepEqual(
    (await readdir('/run/netns')).filter((name) => name.startsWith(`slab.${LAB_ID}`)),
    [],
  );
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  t.false(mounts.includes(labDirectory(LAB_ID)));
});
