import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { buildRelease } from '../../scripts/build/release.ts';
import { kubectlWith, type Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { run } from './command.ts';
import { Lab } from './lab.ts';
import { startRelay } from './relay.ts';
import { OPS_PASSWORD, ROOT_PASSWORD, type LabServer } from './server.ts';
import { serverEntries, slipwayUp, writeInventory, type UpRun } from './up-command.ts';

/** Three lab servers that `slipway up` makes into a cluster, and what tests ask of it. */
export class InstalledCluster {
  readonly lab: Lab;
  /** The `slipway up` that makes it; give it to slipwayUp as often as you like. */
  readonly upRun: UpRun;
  #kubectl: Kubectl | undefined;

  private constructor(lab: Lab, upRun: UpRun) {
    this.lab = lab;
    this.upRun = upRun;
  }

  /** Makes the servers, the release, the bundle and the inventory; runs nothing yet. */
  static async prepare(id: string): Promise<InstalledCluster> {
    const lab = await Lab.create({ id, servers: [{ name: 'cp1' }, { name: 'w1' }, { name: 'w2' }] });
    await buildRelease(join(lab.directory, 'dist'));
    const executable = join(lab.directory, 'dist/slipway');
    await run(executable, ['bundle', '--output', join(lab.directory, 'packages.tar')], {
      timeoutMs: 300_000,
    });
    // Three ways in: root by key, a user with a key and a password for sudo, root by password through the first one.
    const [cp1, w1, w2] = serverEntries(lab);
    const key = lab.sshKeyPath;
    const sudo = { user: 'ops', key, sudoPasswordFrom: 'env:SUDO_PASSWORD' };
    const servers = [
      { ...cp1, ssh: { key } },
      { ...w1, ssh: sudo, labels: { 'example.org/disk': 'ssd' } },
      { ...w2, ssh: { passwordFrom: 'file:w2-password', bastion: { address: cp1?.address, key } } },
    ];
    await writeFile(join(lab.directory, 'w2-password'), `${ROOT_PASSWORD}\n`);
    const inventory = await writeInventory(lab, 'cluster', {
      cluster: { name: 'up' },
      packages: { bundle: 'packages.tar' },
      servers,
    });
    const env = { SUDO_PASSWORD: OPS_PASSWORD };
    return new InstalledCluster(lab, { inventory, executable, key: false, env, timeoutMs: 300_000 });
  }

  /** The operator's state directory. */
  get state(): string {
    return join(this.lab.directory, 'home/.local/state/slipway/up');
  }

  get kubectl(): Kubectl {
    if (!this.#kubectl) throw new Error('connect() comes first');
    return this.#kubectl;
  }

  server(name: string): LabServer {
    return this.lab.server(name);
  }

  /** Opens a way from this machine's loopback to the first server, for kubectl. */
  async connect(): Promise<void> {
    const { address } = this.server('cp1');
    const relay = await startRelay({
      labId: this.lab.id,
      name: 'api',
      targets: [{ host: address, port: 6443 }],
    });
    const text = await readFile(join(this.state, 'admin.kubeconfig'), 'utf8');
    const path = join(this.lab.directory, 'kubeconfig');
    const local = text.replace(`https://${address}:6443`, `https://127.0.0.1:${relay.port}`);
    await writeFile(path, local, { mode: 0o600 });
    this.#kubectl = kubectlWith(path);
  }

  /** Runs `up`, which must succeed and say that it changed nothing. */
  async upChangesNothing(t: ExecutionContext): Promise<void> {
    const result = await slipwayUp(this.lab, this.upRun);
    t.is(result.code, 0, result.stdout + result.stderr);
    t.regex(result.stdout, /^no changes, in [\d.]+ s$/m);
  }

  async nodesReady(): Promise<void> {
    const ready = async (): Promise<boolean> => {
      const lines = (await this.kubectl('get', 'nodes', '--no-headers')).trim().split('\n');
      return lines.filter((line) => / Ready /.test(line)).length === 3;
    };
    await waitFor('three nodes are Ready', ready, { timeoutMs: 120_000 });
  }

  /** The pod client-<server> of each server gets an answer of the Service web, by its name. */
  async everyClientIsAnswered(t: ExecutionContext): Promise<void> {
    for (const { name } of this.lab.servers) {
      const answer = await waitFor(
        `the web service answers on ${name}`,
        async () => {
          const { code, stdout } = await this.kubectl.try([
            'exec',
            `client-${name}`,
            '--',
            'timeout',
            '5',
            'wget',
            '-qO-',
            'http://web',
          ]);
          return code === 0 ? stdout.trim() : undefined;
        },
        { timeoutMs: 60_000, intervalMs: 500 },
      );
      t.regex(answer, /^web-/, name);
    }
  }

  /** kill -9 of a unit's main process; resolves when systemd has started it again. */
  async killAndWait(server: LabServer, unit: string): Promise<void> {
    const pid = async (): Promise<number> =>
      Number(await server.exec(`systemctl show -p MainPID --value ${unit}`));
    const old = await pid();
    await server.exec(`kill -9 ${old}`);
    await waitFor(`${unit} on ${server.name} runs again`, async () => {
      const now = await pid();
      return now > 0 && now !== old && (await server.tryExec(`systemctl is-active ${unit}`)).code === 0;
    });
  }

  /** The node tells of the server's present boot, and is Ready: not what it said before the cut. */
  async readyInThisBoot(server: LabServer): Promise<void> {
    const bootId = await server.bootId();
    await waitFor(
      `${server.name} is Ready in its new boot`,
      async () => {
        const node = await this.kubectl.json<{
          status: { nodeInfo: { bootID: string }; conditions: Array<{ type: string; status: string }> };
        }>('get', 'node', server.name);
        const ready = node.status.conditions.find(({ type }) => type === 'Ready')?.status;
        return node.status.nodeInfo.bootID === bootId && ready === 'True';
      },
      { timeoutMs: 120_000 },
    );
  }
}
