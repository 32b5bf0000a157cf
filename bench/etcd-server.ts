import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { pinned } from './control-plane.ts';
import { freePort } from './free-port.ts';

/** Debian's etcd on loopback, with its data in `dir`. */
export interface EtcdServer {
  readonly url: string;
  readonly pid: number;
  readonly version: string;
  stop(): Promise<void>;
}

/** On one core alone where one is given. Undefined where etcd is not installed and cannot be: the reason is on standard error. */
export async function startEtcd(dir: string, core?: number): Promise<EtcdServer | undefined> {
  const version = installedVersion();
  if (version === undefined) return undefined;
  const url = `http://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const flags = ['--data-dir', dir, '--listen-client-urls', url, '--advertise-client-urls', url];
  const peers = ['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl];
  const command = ['etcd', ...flags, ...peers, '--initial-cluster', `default=${peerUrl}`];
  const [file, args] = core === undefined ? ['etcd', command.slice(1)] : pinned(core, command);
  const child = spawn(file, args, { stdio: 'ignore' });
  await untilItAnswers(child, url);
  return {
    url,
    pid: child.pid!,
    version,
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function installedVersion(): string | undefined {
  const ask = (): string | undefined =>
    /etcd Version: (\S+)/.exec(spawnSync('etcd', ['--version']).stdout?.toString() ?? '')?.[1];
  if (ask() === undefined && process.getuid?.() === 0) {
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'etcd-server']);
  }
  const version = ask();
  if (version === undefined) process.stderr.write('no comparison with etcd: apt-get install etcd-server\n');
  return version;
}

async function untilItAnswers(child: ChildProcess, url: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`);
    const health = await fetch(`${url}/health`).catch(() => undefined);
    if (health?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('etcd did not answer within 10 s');
}
