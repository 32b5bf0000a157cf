import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianProgram } from './debian-program.ts';
import { waitFor } from './wait-for.ts';

/** PEM files for a member: what it shows to clients, and whose client certificates it takes. */
interface EtcdServerTls {
  certFile: string;
  keyFile: string;
  clientCaFile: string;
}

export interface StartEtcdOptions {
  tls?: EtcdServerTls;
  /** More flags of etcd. */
  flags?: readonly string[];
  /** Data that is there already, e.g. of a restored snapshot: the member's directory, with `data` inside. */
  dir?: string;
}

/** One member of a real etcd on loopback, with its data in a directory of its own. */
export interface EtcdServer {
  readonly name: string;
  readonly url: string;
  readonly peerUrl: string;
  readonly child: ChildProcess;
  /** kill -9, resolves when it is gone. Data stays. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: the machine that stands still but keeps its connections. */
  freeze(): void;
  thaw(): void;
  /** Starts it again over its data, after `kill`. */
  restart(): Promise<void>;
  /** Kills it and removes its data. */
  stop(): Promise<void>;
}

/**
 * Path of an etcd: the one that SLIPWAY_TEST_ETCD names, the installed one, or Debian's, which is unpacked
 * into a cache and never installed (its package would start a service). Undefined where none can be had.
 */
export function etcdBinary(): string | undefined {
  return process.env.SLIPWAY_TEST_ETCD ?? debianBinary('etcd', 'etcd-server');
}

/** Path of an etcdctl of the same release, found in the same way (SLIPWAY_TEST_ETCDCTL names one). */
export function etcdctlBinary(): string | undefined {
  const { SLIPWAY_TEST_ETCD: etcd, SLIPWAY_TEST_ETCDCTL: named } = process.env;
  return named ?? (etcd ? undefined : debianBinary('etcdctl', 'etcd-client'));
}

function debianBinary(name: string, debianPackage: string): string | undefined {
  if (existsSync(`/usr/bin/${name}`)) return `/usr/bin/${name}`;
  return debianProgram(name, debianPackage).program;
}

/** Starts members that form one cluster; resolves when each knows a leader, with TLS when each listens. */
export async function startEtcd(count = 1, options: StartEtcdOptions = {}): Promise<EtcdServer[]> {
  const names = Array.from({ length: count }, (_, i) => `m${i + 1}`);
  const ports = await freePorts(count * 2);
  const peers = names.map((_, i) => `http://127.0.0.1:${ports[count + i]}`);
  const cluster = names.map((name, i) => `${name}=${peers[i]}`).join(',');
  const members = await Promise.all(
    names.map((name, i) => Member.make(name, ports[i]!, peers[i]!, ['new', cluster], options)),
  );
  await Promise.all(members.map((member) => member.start()));
  if (!options.tls)
    for (const { name, url } of members) await waitFor(`${name} to know a leader`, () => healthy(url));
  return members;
}

/** Starts a member that was added to a running cluster. */
export async function startAddedEtcd(
  name: string,
  peerUrl: string,
  cluster: string,
  options: StartEtcdOptions = {},
): Promise<EtcdServer> {
  const [port] = await freePorts(1);
  const member = await Member.make(name, port!, peerUrl, ['existing', cluster], options);
  await member.start();
  return member;
}

/** Members must not outlive a test process that fails before its teardown. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

class Member implements EtcdServer {
  readonly name: string;
  readonly url: string;
  readonly peerUrl: string;
  readonly #dir: string;
  readonly #flags: string[];
  child!: ChildProcess;

  private constructor(name: string, url: string, peerUrl: string, dir: string, flags: string[]) {
    this.name = name;
    this.url = url;
    this.peerUrl = peerUrl;
    this.#dir = dir;
    this.#flags = flags;
  }

  static async make(
    name: string,
    port: number,
    peerUrl: string,
    [state, cluster]: [string, string],
    { tls, flags = [], dir: given }: StartEtcdOptions,
  ): Promise<Member> {
    // In memory where there is such a file system: many tests share one disk.
    const root = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    const dir = given ?? (await mkdtemp(join(root, 'slipway-etcd-')));
    const url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    const settings: Record<string, string> = {
      name,
      'data-dir': join(dir, 'data'),
      logger: 'zap',
      'log-level': 'error',
      'listen-client-urls': url,
      'advertise-client-urls': url,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster-state': state,
      'initial-cluster': cluster,
    };
    if (tls) {
      settings['cert-file'] = tls.certFile;
      settings['key-file'] = tls.keyFile;
      settings['trusted-ca-file'] = tls.clientCaFile;
      settings['client-cert-auth'] = 'true';
    }
    const all = Object.entries(settings).map(([flag, value]) => `--${flag}=${value}`);
    return new Member(name, url, peerUrl, dir, [...all, ...flags]);
  }

  async start(): Promise<void> {
    const binary = etcdBinary();
    if (!binary) throw new Error('there is no etcd');
    // A test process that is killed leaves no member behind either, where the system can see to it.
    const command = existsSync('/usr/bin/setpriv')
      ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', binary]
      : [binary];
    const [program = binary, ...before] = command;
    const child = spawn(program, [...before, ...this.#flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    let words = '';
    child.stderr.on('data', (bytes: Buffer) => (words = (words + bytes.toString()).slice(-4000)));
    const port = Number(new URL(this.url).port);
    await waitFor(`etcd ${this.name} to listen`, () => {
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}: ${words}`);
      return listens(port);
    });
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  restart(): Promise<void> {
    return this.start();
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** etcd calls itself healthy when it can read with a quorum. */
async function healthy(url: string): Promise<boolean> {
  return (await fetch(`${url}/health`)).ok;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/** Ports of loopback that nobody listens on at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    ports.push((server.address() as AddressInfo).port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
