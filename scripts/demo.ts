/**
 * `npm run demo`: three throw-away servers on this machine become a cluster by the very `slipway up` that a user
 * runs. `npm run demo -- --down` removes them. Run twice it brings the same servers up to date.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODES } from '../src/api/gen/resources.ts';
import { messageOf, SlipwayError } from '../src/base/errors.ts';
import { loadInventory } from '../src/bootstrap/inventory/load.ts';
import { PACKAGES } from '../src/bootstrap/phases/packages.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { RestClient } from '../src/client/rest-client.ts';
import { busyboxImage } from '../test/helpers/oci-image.ts';
import { Lab } from '../test/lab/lab.ts';
import { LAB_CACHE, labSkipReason } from '../test/lab/machine.ts';
import { startRelay } from '../test/lab/relay.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const EXECUTABLE = join(ROOT, 'dist/slipway');
const INVENTORY = join(ROOT, 'inventories/demo.yaml');
/** Another name keeps a test's servers apart from a person's. */
const LAB_ID = process.env['SLIPWAY_DEMO_LAB'] ?? 'demo';
const BUSYBOX_IMAGE = 'slipway.local/busybox:1';
const HELP = `npm run demo                      make the servers and the cluster, or bring them up to date
npm run demo -- --no-build        the same with the executable that is in dist/
npm run demo -- --down            remove both; nothing is left behind
npm run demo -- --ssh cp1 [cmd]   log in to a server
`;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(args: string[]): Promise<number> {
  const reason = labSkipReason();
  if (reason !== undefined) throw new SlipwayError('E_DEMO', reason);
  switch (args[0]) {
    case undefined:
      await step('build', 'Build the release', () => run(process.execPath, [join(ROOT, 'scripts/build.ts')]));
      return await demo();
    case '--no-build':
      return await demo();
    case '--down':
      return await down();
    case '--ssh':
      return await ssh(args[1] ?? '', args.slice(2));
    default:
      process.stderr.write(HELP);
      return 2;
  }
}

async function demo(): Promise<number> {
  const lab = await step('servers', 'Make three servers', openServers);
  const bundle = await step('bundle', 'Collect packages', makeBundle);
  const state = join(lab.directory, 'state');
  await step('up', 'slipway up --inventory inventories/demo.yaml', async () => {
    const flags = [
      '--state-dir',
      state,
      '--ssh-key',
      lab.sshKeyPath,
      '--known-hosts',
      lab.knownHostsPath,
      '--bundle',
      bundle,
    ];
    const child = lab.fabricSpawn([EXECUTABLE, 'up', '--inventory', INVENTORY, ...flags], {
      stdio: 'inherit',
    });
    await ended(child, 'slipway up');
  });
  await step('image', `Load the image ${BUSYBOX_IMAGE}`, async () => {
    const image = await busyboxImage(BUSYBOX_IMAGE);
    await Promise.all(
      lab.servers.map((server) => server.exec('ctr -n k8s.io images import -', { input: image })),
    );
  });
  const kubeconfig = await step('relay', 'Open a way from this machine', () => writeKubeconfig(lab, state));
  await step('nodes', 'Ask the cluster for its nodes', () => printNodes(kubeconfig));
  say(`
The cluster is up. From this shell:

  export KUBECONFIG=${kubeconfig}
  kubectl get nodes
  kubectl create deployment web --image=${BUSYBOX_IMAGE} --replicas=3 -- sh -c 'mkdir -p /www && hostname > /www/index.html && httpd -f -p 8080 -h /www'
  kubectl expose deployment web --port=80 --target-port=8080
  kubectl rollout status deployment web
  kubectl exec deployment/web -- wget -qO- http://web

Log in to a server: npm run demo -- --ssh cp1
Remove everything:  npm run demo -- --down`);
  return 0;
}

/** Runs a step; its failure is told with the step, the cause and the remedy, and the servers stay for a look. */
async function step<T>(id: string, title: string, fn: () => Promise<T>): Promise<T> {
  say(`\n== ${title}`);
  try {
    return await fn();
  } catch (cause) {
    const hint = cause instanceof SlipwayError && cause.hint ? `${cause.hint}\nhint: ` : '';
    throw new SlipwayError('E_DEMO', `the demo stopped at the step "${id}" (${title}): ${messageOf(cause)}`, {
      cause,
      hint: `${hint}the servers are kept for a look: npm run demo -- --ssh cp1; run the demo again to go on, or with --down to remove them`,
    });
  }
}

async function openServers(): Promise<Lab> {
  const { servers } = await loadInventory(INVENTORY);
  const existing = await Lab.open(LAB_ID);
  if (existing) {
    await existing.bootAll();
    return existing;
  }
  const lab = await Lab.create({
    id: LAB_ID,
    servers: servers.map(({ name }) => ({ name })),
    detached: true,
  });
  for (const { name, address } of servers) {
    if (lab.server(name).address !== address) {
      throw new SlipwayError(
        'E_DEMO',
        `the lab gives ${name} the address ${lab.server(name).address}, ${INVENTORY} says ${address}`,
      );
    }
  }
  return lab;
}

/** Packages are downloaded once: the bundle is kept in the lab's cache under the names that it was made for. */
async function makeBundle(): Promise<string> {
  const key = createHash('sha256').update(PACKAGES.join(' ')).digest('hex').slice(0, 12);
  const path = join(LAB_CACHE, `bundle-${key}.tar`);
  if (existsSync(path)) say(`${path} is there already`);
  else await run(EXECUTABLE, ['bundle', '--output', path]);
  return path;
}

/** The lab's network is closed: a relay on loopback leads to the API server, and the kubeconfig names the relay. */
async function writeKubeconfig(lab: Lab, state: string): Promise<string> {
  const { address } = lab.server('cp1');
  const relay = await startRelay({ labId: lab.id, name: 'api', targets: [{ host: address, port: 6443 }] });
  const text = await readFile(join(state, 'admin.kubeconfig'), 'utf8');
  const path = join(lab.directory, 'kubeconfig');
  await writeFile(path, text.replaceAll(`https://${address}:6443`, `https://127.0.0.1:${relay.port}`), {
    mode: 0o600,
  });
  return path;
}

async function printNodes(kubeconfig: string): Promise<void> {
  const client = new RestClient(loadKubeconfig(kubeconfig));
  try {
    const { items } = await client.list(NODES);
    for (const { metadata, status } of items) {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
      const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '';
      const version = status?.nodeInfo?.kubeletVersion ?? '';
      say(
        `${(metadata?.name ?? '').padEnd(8)} ${(ready ? 'Ready' : 'NotReady').padEnd(9)} ${address.padEnd(12)} ${version}`,
      );
    }
  } finally {
    client.close();
  }
}

async function down(): Promise<number> {
  const lab = await Lab.open(LAB_ID);
  await lab?.close();
  say(lab ? 'the demo is gone' : 'there is no demo');
  return 0;
}

async function ssh(name: string, command: string[]): Promise<number> {
  const lab = await Lab.open(LAB_ID);
  if (!lab) throw new SlipwayError('E_DEMO', 'there is no demo', { hint: 'npm run demo makes it' });
  const server = lab.server(name);
  const child = lab.fabricSpawn(
    ['ssh', ...server.sshOptions(), '-o', 'BatchMode=no', `root@${server.address}`, ...command],
    {
      stdio: 'inherit',
    },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

async function run(command: string, args: string[]): Promise<void> {
  await ended(spawn(command, args, { stdio: 'inherit', cwd: ROOT }), args[0] ?? command);
}

async function ended(child: ReturnType<typeof spawn>, what: string): Promise<void> {
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0)
    throw new SlipwayError(
      'E_DEMO',
      `${what} ended with exit code ${code ?? 'of a signal'}; its words are above`,
    );
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { reportFatal } = await import('../src/base/lifecycle.ts');
  process.exitCode = reportFatal(error);
}
