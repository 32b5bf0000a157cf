import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/base/clock.ts';
import { StateDirectory } from '../src/bootstrap/state-directory.ts';
import { bootstrapObjects } from '../src/bootstrap/objects/bootstrap-objects.ts';
import { ensure } from '../src/bootstrap/objects/ensure.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { RestClient } from '../src/client/rest-client.ts';
import { clusterPki } from '../src/pki/cluster-pki.ts';
import { nodeIdentity, SUPER_ADMIN } from '../src/pki/identities.ts';
import { renderKubeconfig } from '../src/pki/kubeconfig.ts';
import { waitFor } from '../test/helpers/wait-for.ts';
import { freePort } from './free-port.ts';

const EXECUTABLE = fileURLToPath(new URL('../dist/slipway', import.meta.url));
export const BENCH_NODE = 'bench';

/** Where the machine has two cores, the server has one for itself and its load comes from another. */
const PINNED = cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0;

/** A command that runs on one core alone. */
export function pinned(core: number, command: readonly string[]): [string, string[]] {
  const [file = '', ...args] = command;
  return PINNED ? ['taskset', ['-c', String(core), file, ...args]] : [file, args];
}

/** The components of a control plane as a server runs them: one process each, of the built executable. */
export class ControlPlaneProcesses {
  readonly #dir: string;
  readonly #state: StateDirectory;
  readonly #port: number;
  readonly processes = new Map<string, ChildProcess>();

  private constructor(dir: string, state: StateDirectory, port: number) {
    this.#dir = dir;
    this.#state = state;
    this.#port = port;
  }

  /** Starts the API server alone, and waits until it is ready. */
  static async start(dir: string, core?: number): Promise<ControlPlaneProcesses> {
    const port = await freePort();
    const state = await writeKeys(dir, `https://127.0.0.1:${port}`);
    const started = new ControlPlaneProcesses(dir, state, port);
    await started.#startApiServer(core);
    return started;
  }

  get kubeconfigPath(): string {
    return join(this.#state.path, 'admin.kubeconfig');
  }

  async startOthers(): Promise<void> {
    const client = new RestClient({ ...loadKubeconfig(this.kubeconfigPath), clock: systemClock });
    for (const wanted of bootstrapObjects({ dnsAddress: '10.96.0.10' })) await ensure(client, wanted);
    client.close();
    const kubeconfig = (name: string): string => `--kubeconfig=${join(this.#dir, `${name}.conf`)}`;
    this.#spawn('controller-manager', [kubeconfig('controller-manager'), '--cluster-cidr=10.244.0.0/16']);
    this.#spawn('scheduler', [kubeconfig('scheduler')]);
  }

  async stop(): Promise<void> {
    for (const child of [...this.processes.values()].toReversed()) {
      if (child.exitCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
  }

  async #startApiServer(core: number | undefined): Promise<void> {
    const file = (name: string): string => join(this.#dir, name);
    const own = file(nodeIdentity(BENCH_NODE, 'apiserver'));
    const flags = [
      `--data-dir=${file('store')}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${this.#port}`,
      `--client-ca-file=${file('pki/ca.crt')}`,
      `--tls-cert-file=${own}.crt`,
      `--tls-private-key-file=${own}.key`,
      `--service-account-key-file=${file('pki/sa.pub')}`,
      `--service-account-signing-key-file=${file('pki/sa.key')}`,
    ];
    this.#spawn('apiserver', flags, core);
    const client = new RestClient({ ...loadKubeconfig(this.kubeconfigPath), clock: systemClock });
    await waitFor(
      'the API server is ready',
      async () => (await client.request('GET', '/readyz')).status === 200,
    );
    client.close();
  }

  #spawn(name: string, flags: readonly string[], core?: number): void {
    const common = ['--log-level=warn', '--metrics-bind-address=127.0.0.1:0'];
    const command = [EXECUTABLE, name, ...common, ...flags];
    const [file = '', ...args] = core === undefined ? command : pinned(core, command).flat();
    // As its unit has it.
    const env = { ...process.env, NODE_OPTIONS: `--max-semi-space-size=${name === 'apiserver' ? 4 : 2}` };
    this.processes.set(name, spawn(file, args, { env, stdio: ['ignore', 'ignore', 'inherit'] }));
  }
}

/** The keys of a cluster with one control plane, and kubeconfigs beside them. */
export async function writeKeys(dir: string, url: string): Promise<StateDirectory> {
  const state = new StateDirectory(dir);
  const { files } = clusterPki({
    clock: systemClock,
    nodes: [{ name: BENCH_NODE, addresses: ['127.0.0.1'], controlPlane: true }],
    serviceAddress: '10.96.0.1',
    clusterDomain: 'cluster.local',
    extraNames: [],
  });
  for (const [name, content] of Object.entries(files)) await state.write(name, content);
  const kubeconfigs = {
    'admin.kubeconfig': SUPER_ADMIN,
    'controller-manager.conf': nodeIdentity(BENCH_NODE, 'controller-manager'),
    'scheduler.conf': nodeIdentity(BENCH_NODE, 'scheduler'),
  };
  for (const [name, path] of Object.entries(kubeconfigs)) {
    const credential = { certPem: files[`${path}.crt`]!, keyPem: files[`${path}.key`]! };
    const caPem = files['pki/ca.crt']!;
    await state.write(
      name,
      renderKubeconfig({ clusterName: 'bench', servers: [url], caPem, user: name, credential }),
    );
  }
  return state;
}
