import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CLUSTERROLEBINDINGS, CONFIGMAPS } from '../src/api/gen/resources.ts';
import { systemClock } from '../src/base/clock.ts';
import { issueCertificate } from '../src/pki/issue.ts';
import { createPods } from './api.ts';
import { pinned } from './control-plane.ts';
import type { AttackReport, HostileOrder, QuietReport } from './hostile-client.ts';
import { ServerUnderTest } from './server-under-test.ts';
import { megabytes, ms, type Row, type Section } from './table.ts';

const CLIENT = fileURLToPath(new URL('hostile-client.ts', import.meta.url));
const SECONDS = 6;

/**
 * How a quiet client fares alone and beside each kind of hostile one: what it waits for its answers, how much memory the
 * server takes at most, and how long its loop stands still. Neither client is an administrator: they share a level of
 * priority and fairness as any two users do.
 */
export async function benchHostile(root: string): Promise<Section> {
  const dir = await mkdtemp(join(root, 'hostile-'));
  const data = join(dir, 'data');
  const server = await ServerUnderTest.start(data);
  try {
    const read = (name: string) => readFile(join(data, 'pki', name), 'utf8');
    const ca = { certPem: await read('ca.crt'), keyPem: await read('ca.key') };
    const bench = new HostileBench(server, ca);
    await bench.prepare();
    return await bench.run();
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

class HostileBench {
  readonly #server: ServerUnderTest;
  readonly #ca: { certPem: string; keyPem: string };

  constructor(server: ServerUnderTest, ca: { certPem: string; keyPem: string }) {
    this.#server = server;
    this.#ca = ca;
  }

  async prepare(): Promise<void> {
    const { client } = this.#server;
    await createPods(this.#server);
    for (const name of ['quiet', 'large']) {
      const object = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: 'default' },
        data: { a: 'b' },
      };
      await client.create(CONFIGMAPS, object);
    }
    const subjects = ['quiet', 'hostile'].map((name) => ({
      kind: 'User',
      name,
      apiGroup: 'rbac.authorization.k8s.io',
    }));
    await client.create(CLUSTERROLEBINDINGS, {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'hostile' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects,
    });
    // What is compiled on the way is not what is measured.
    await this.#be<QuietReport>('quiet', 'quiet');
  }

  async run(): Promise<Section> {
    const names = await this.#be<string[]>('hostile', 'names');
    const rows: Row[] = [];
    await this.#beginPeak();
    const alone = await this.#be<QuietReport>('quiet', 'quiet');
    rows.push({ what: 'quiet client alone', value: await this.#describe(alone) });
    for (const name of names) {
      await this.#beginPeak();
      const attack = this.#be<AttackReport>('hostile', name, SECONDS + 2);
      await systemClock.sleep(1000);
      const beside = await this.#be<QuietReport>('quiet', 'quiet');
      await this.#server.client
        .delete(CONFIGMAPS, { name: 'h', namespace: 'default' })
        .catch(() => undefined);
      const answers = Object.entries(await attack).map(([answer, count]) => `${count} × ${answer}`);
      const ratio = (beside.p99Ms / alone.p99Ms).toFixed(1);
      const p50 = (beside.p50Ms / alone.p50Ms).toFixed(1);
      rows.push({
        what: `beside ${name}`,
        value: `${await this.#describe(beside)}; p50 × ${p50}, p99 × ${ratio}; answers: ${answers.join(', ')}`,
      });
      process.stderr.write(`  ${name}: ${rows.at(-1)!.value}\n`);
    }
    return { title: 'Hostile clients, each beside a quiet one', rows };
  }

  async #describe({ p50Ms, p99Ms, maxMs }: QuietReport): Promise<string> {
    const status = await readFile(`/proc/${this.#server.pid}/status`, 'utf8');
    const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    const stall = await this.#server.longestStallMs();
    return `p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, max ${ms(maxMs)}; peak ${megabytes(peak)}, stall ${ms(stall)}`;
  }

  /** 5 begins the peak anew (proc_pid_clear_refs(5)). */
  async #beginPeak(): Promise<void> {
    await writeFile(`/proc/${this.#server.pid}/clear_refs`, '5');
    await this.#server.longestStallMs();
  }

  /** Runs a client as a user, at a low priority where it is hostile: both have the one core that the server leaves. */
  async #be<Report>(user: string, role: string, seconds = SECONDS): Promise<Report> {
    const { certPem, keyPem } = issueCertificate({
      ca: this.#ca,
      commonName: user,
      organizations: [],
      usages: ['digital signature', 'client auth'],
      clock: systemClock,
    });
    const niceness = user === 'quiet' ? '0' : '19';
    const [file, args] = pinned(1, ['nice', '-n', niceness, process.execPath, CLIENT]);
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { url } = this.#server;
    const order: HostileOrder = { url, ca: this.#ca.certPem, cert: certPem, key: keyPem, role, seconds };
    child.stdin.end(JSON.stringify(order));
    let last = '';
    for await (const line of createInterface({ input: child.stdout })) last = line;
    if (!/^[[{]/.test(last)) throw new Error(`the client that was to be ${role} failed`);
    return JSON.parse(last) as Report;
  }
}
