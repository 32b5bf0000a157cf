import type { ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildRelease } from '../../scripts/build/release.ts';
import { kubectlWith, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { run, type CommandResult } from './command.ts';
import { Lab } from './lab.ts';
import { startRelay } from './relay.ts';
import type { LabServer } from './server.ts';
import { slipwayCommand, startSlipway, writeInventory, type UpRun } from './up-command.ts';

export interface HaServer {
  name: string;
  roles: Array<'control-plane' | 'worker'>;
}

/** A cluster of several control planes in the lab, whose inventory a test changes as it goes. */
export class HaCluster {
  readonly lab: Lab;
  /** What runs commands, and what servers get. */
  executable: string;
  #inventory = '';

  private constructor(lab: Lab, executable: string) {
    this.lab = lab;
    this.executable = executable;
  }

  /** Makes the servers, the release and the bundle; runs nothing yet. */
  static async prepare(id: string, names: readonly string[]): Promise<HaCluster> {
    const lab = await Lab.create({ id, servers: names.map((name) => ({ name })) });
    const dist = process.env['SLIPWAY_TEST_DIST'] ?? join(lab.directory, 'dist');
    const executable = join(dist, 'slipway');
    if (process.env['SLIPWAY_TEST_DIST'] === undefined) await buildRelease(dist);
    const bundle = process.env['SLIPWAY_TEST_BUNDLE'] ?? join(lab.directory, 'packages.tar');
    if (process.env['SLIPWAY_TEST_BUNDLE'] === undefined) {
      await run(executable, ['bundle', '--output', bundle], { timeoutMs: 300_000 });
    }
    await writeFile(join(lab.directory, 'bundle'), bundle);
    return new HaCluster(lab, executable);
  }

  server(name: string): LabServer {
    return this.lab.server(name);
  }

  /** Writes the inventory anew: these servers, and what else differs from the defaults. */
  async describe(servers: readonly HaServer[], more: Record<string, unknown> = {}): Promise<void> {
    this.#inventory = await writeInventory(this.lab, 'cluster', {
      cluster: { name: 'ha' },
      packages: { bundle: await readFile(join(this.lab.directory, 'bundle'), 'utf8') },
      servers: servers.map((each) => ({ ...each, address: this.server(each.name).address })),
      ...more,
    });
  }

  /** Runs `slipway <args>` on the inventory; with another executable where one is named. */
  async slipway(
    args: readonly string[],
    timeoutMs = 300_000,
    executable = this.executable,
  ): Promise<CommandResult> {
    const [name = '', ...flags] = args;
    const command = { inventory: this.#inventory, executable, flags, timeoutMs };
    return await slipwayCommand(this.lab, name, command);
  }

  /** The same as a child process, for runs that a test breaks off. */
  async start(args: readonly string[], executable = this.executable): Promise<ChildProcess> {
    const [name = '', ...flags] = args;
    return await startSlipway(this.lab, name, {
      inventory: this.#inventory,
      executable,
      flags,
    });
  }

  /** The same for an installer that dies in its steps: it runs from this checkout, which a test can look into. */
  killRun(args: readonly string[]): { name: string; run: UpRun } {
    const at = args.findIndex((word) => word.startsWith('-'));
    const words = at < 0 ? args : args.slice(0, at);
    const flags = [...args.slice(words.length), '--executable', this.executable];
    return { name: words.join(' '), run: { inventory: this.#inventory, flags } };
  }

  get state(): string {
    return join(this.lab.directory, 'home/.local/state/slipway/ha');
  }

  /** kubectl over the API servers of these control planes, in this order. */
  async kubectl(...names: string[]): Promise<Kubectl> {
    const targets = names.map((name) => ({ host: this.server(name).address, port: 6443 }));
    const relay = await startRelay({ labId: this.lab.id, name: `api-${names.join('-')}`, targets });
    const text = await readFile(join(this.state, 'admin.kubeconfig'), 'utf8');
    const path = join(this.lab.directory, `kubeconfig-${names.join('-')}`);
    const local = text
      .replace(/server: .*/, `server: https://127.0.0.1:${relay.port}`)
      .replace(/ {4}extensions:\n.*\n.*\n/, '');
    await writeFile(path, local, { mode: 0o600 });
    return kubectlWith(path);
  }

  async nodesReady(kubectl: Kubectl, names: readonly string[]): Promise<void> {
    await waitFor(
      `${names.join(', ')} are the nodes, and Ready`,
      async () => {
        const { code, stdout } = await kubectl.try(['get', 'nodes', '--no-headers']);
        const lines = stdout.trim().split('\n');
        const ready = lines.filter((line) => / Ready /.test(line)).map((line) => line.split(/\s+/)[0] ?? '');
        return (
          code === 0 && lines.length === names.length && ready.toSorted().join() === names.toSorted().join()
        );
      },
      { timeoutMs: 120_000 },
    );
  }
}
