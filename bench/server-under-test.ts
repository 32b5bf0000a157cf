import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/base/clock.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { RestClient } from '../src/client/rest-client.ts';
import { ControlPlaneProcesses, pinned } from './control-plane.ts';
import type { Connection, Order, Report } from './load-client.ts';
import { cpuSeconds } from './measure.ts';

const LOAD_CLIENT = fileURLToPath(new URL('load-client.ts', import.meta.url));

export interface RunningServer {
  kubeconfigPath: string;
  /** Of the API server first, then of its store where that is a process of its own. */
  pids: readonly number[];
  stop(): Promise<void>;
}

/** An API server alone, and a load that comes from another process; each has a core of its own unless told otherwise. */
export class ServerUnderTest {
  readonly #running: RunningServer;
  readonly #connection: Omit<Connection, 'sessions'>;
  readonly client: RestClient;

  constructor(running: RunningServer) {
    this.#running = running;
    const { servers, credentials } = loadKubeconfig(running.kubeconfigPath);
    const { ca = '', cert = '', key = '' } = credentials();
    this.#connection = { url: servers[0]!, ca, cert, key };
    this.client = new RestClient({ ...loadKubeconfig(running.kubeconfigPath), clock: systemClock });
  }

  /** Ours, with the embedded store. */
  static async start(dataDir: string, { ownCore = true } = {}): Promise<ServerUnderTest> {
    const processes = await ControlPlaneProcesses.start(dataDir, ownCore ? 0 : undefined);
    return new ServerUnderTest({
      kubeconfigPath: processes.kubeconfigPath,
      // taskset execs its command, so this is the server itself.
      pids: [processes.processes.get('apiserver')!.pid!],
      stop: () => processes.stop(),
    });
  }

  get kubeconfigPath(): string {
    return this.#running.kubeconfigPath;
  }

  get url(): string {
    return this.#connection.url;
  }

  get pid(): number {
    return this.#running.pids[0]!;
  }

  /** CPU seconds of the server and its store. */
  async cpuSeconds(): Promise<number> {
    const each = await Promise.all(this.#running.pids.map((pid) => cpuSeconds(pid)));
    return each.reduce((sum, seconds) => sum + seconds, 0);
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
    await this.#running.stop();
  }
}

type DistributiveOmit<T, Keys extends PropertyKey> = T extends unknown ? Omit<T, Keys> : never;
