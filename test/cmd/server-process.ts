import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.ts';
import { loadKubeconfig } from '../../src/client/kubeconfig.ts';
import { RestClient } from '../../src/client/rest-client.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** `slipway server` as a child process, run from source. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly kubeconfigPath: string;
  readonly url: string;

  private constructor(child: ChildProcess, url: string, kubeconfigPath: string) {
    this.child = child;
    this.url = url;
    this.kubeconfigPath = kubeconfigPath;
  }

  /** Resolves when it says that it is ready. */
  static async start(dataDir: string, ...flags: string[]): Promise<ServerProcess> {
    const child = spawn(process.execPath, [MAIN, 'server', '--data-dir', dataDir, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    let url = '';
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('ready: ')) url = line.slice('ready: '.length);
      if (!line.startsWith('kubeconfig: ')) continue;
      child.stdout.resume();
      return new ServerProcess(child, url, line.slice('kubeconfig: '.length));
    }
    throw new Error(`slipway server ended before it was ready: ${stderr}`);
  }

  /** A client with the kubeconfig that the server wrote. */
  client(): RestClient {
    return new RestClient({ ...loadKubeconfig(this.kubeconfigPath), clock: systemClock });
  }

  /** Sends a signal and resolves with exit code and signal. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<[number | null, string | null]> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      return [this.child.exitCode, this.child.signalCode];
    }
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    return (await exited) as [number | null, string | null];
  }
}
