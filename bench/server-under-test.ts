import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/base/clock.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { RestClient } from '../src/client/rest-client.ts';
import type { Connection, Order, Report } from './load-client.ts';

const LOAD_CLIENT = fileURLToPath(new URL('load-client.ts', import.meta.url));
const EXECUTABLE = fileURLToPath(new URL('../dist/slipway', import.meta.url));

/** The server has one core for itself and its load comes from another, where the machine has two. */
const PINNED = cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0;

function pinned(core: number, command: readonly string[]): [string, string[]] {
  const [file = '', ...args] = command;
  return PINNED ? ['taskset', ['-c', String(core), file, ...args]] : [file, args];
}

/** `slipway server`, the built executable, on a core of its own. */
export class ServerUnderTest {
  readonly #child: ChildProcess;
  readonly #connection: Omit<Connection, 'sessions'>;
  readonly client: RestClient;

  private constructor(child: ChildProcess, kubeconfigPath: string) {
    this.#child = child;
    const { servers, credentials } = loadKubeconfig(kubeconfigPath);
    const { ca = '', cert = '', key = '' } = credentials();
    this.#connection = { url: servers[0]!, ca, cert, key };
    this.client = new RestClient({ ...loadKubeconfig(kubeconfigPath), clock: systemClock });
  }

  static async start(dataDir: string): Promise<ServerUnderTest> {
    const [file, args] = pinned(0, [EXECUTABLE, 'server', '--data-dir', dataDir, '--port', '0']);
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '--max-semi-space-size=4' },
    });
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('kubeconfig: ')) continue;
      child.stdout.resume();
      return new ServerUnderTest(child, line.slice('kubeconfig: '.length));
    }
    throw new Error('slipway server ended before it was ready');
  }

  /** taskset execs its command, so this is the server itself. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Runs one order in a process of its own. */
  async load(
    order: DistributiveOmit<Order, 'url' | 'ca' | 'cert' | 'key'>,
    onLine?: (line: string) => void,
  ): Promise<Report> {
    const [file, args] = pinned(1, [process.execPath, LOAD_CLIENT]);
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end(JSON.stringify({ ...this.#connection, ...order }));
    let last = '';
    for await (const line of createInterface({ input: child.stdout })) {
      last = line;
      onLine?.(line);
    }
    if (!last.startsWith('{')) throw new Error('the load client failed');
    return JSON.parse(last) as Report;
  }

  /** The longest stall of the server's event loop, in milliseconds, since the last call. */
  async longestStallMs(): Promise<number> {
    const { status, body } = await this.client.request('GET', '/metrics');
    if (status !== 200) throw new Error(`/metrics answered ${status}`);
    return Number(/^slipway_event_loop_delay_max_seconds (\S+)$/m.exec(body.toString())?.[1]) * 1000;
  }

  async stop(): Promise<void> {
    this.client.close();
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
  }
}

type DistributiveOmit<T, Keys extends PropertyKey> = T extends unknown ? Omit<T, Keys> : never;
