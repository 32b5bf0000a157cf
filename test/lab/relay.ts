import { fork } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, connect, type Server, type Socket, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fabricName, labDirectory, readPid, stopByPidFile, writePid, type LabState } from './state.ts';

/** Where a relay leads: the first of these that accepts a connection gets it. */
export interface RelayTarget {
  host: string;
  port: number;
}

export interface Relay {
  /** Port on 127.0.0.1 of the machine's own network. */
  port: number;
  stop(): Promise<void>;
}

const pidFile = (labId: string, name: string): string => join(labDirectory(labId), `relay-${name}.pid`);

/**
 * Starts a TCP relay from the machine's loopback into a lab's closed network, as a background process that
 * outlives this one and ends with the lab. `port` 0 takes a free one; a relay of the same name is replaced.
 */
export async function startRelay(options: {
  labId: LabState['id'];
  name: string;
  port?: number;
  targets: readonly RelayTarget[];
}): Promise<Relay> {
  const { labId, name, targets } = options;
  await stopByPidFile(pidFile(labId, name));
  // A socket stays in the network namespace where it was made, whoever holds it: this process listens on the
  // machine's loopback and hands the listening socket to a child inside the lab's network, which accepts and dials.
  const server = await listen(options.port ?? 0);
  const port = (server.address() as AddressInfo).port;
  const log = openSync(join(labDirectory(labId), `relay-${name}.log`), 'a');
  const child = fork(fileURLToPath(import.meta.url), [], {
    execPath: 'nsenter',
    execArgv: [`--net=/run/netns/${fabricName(labId)}`, '--', process.execPath],
    detached: true,
    cwd: '/',
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  if (child.pid !== undefined) await writePid(pidFile(labId, name), child.pid);
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`relay ${name} ended at once with code ${code}`)));
    child.send({ targets }, server, (error) => error && reject(error));
  });
  child.removeAllListeners('exit');
  child.disconnect();
  child.unref();
  server.close();
  return { port, stop: () => stopRelay(labId, name) };
}

export async function stopRelay(labId: string, name: string): Promise<void> {
  await stopByPidFile(pidFile(labId, name));
  await rm(pidFile(labId, name), { force: true });
}

/** Whether a relay of this name was started and not stopped. */
export async function relayExists(labId: string, name: string): Promise<boolean> {
  return (await readPid(pidFile(labId, name))) !== undefined;
}

function listen(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1' }, () => resolve(server));
  });
}

/** Dials the targets in turn until one accepts. */
function dial(targets: readonly RelayTarget[]): Promise<Socket> {
  const [target, ...rest] = targets;
  if (!target) return Promise.reject(new Error('no target accepts'));
  return new Promise<Socket>((resolve, reject) => {
    const socket = connect({ ...target, allowHalfOpen: true });
    socket.setTimeout(3000, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeListener('error', reject);
      resolve(socket);
    });
  }).catch(() => dial(rest));
}

function pipeBoth(client: Socket, upstream: Socket): void {
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}

/** The background process: takes the listening socket from its parent and relays until it is killed. */
function relayProcess(): void {
  process.once('message', (message: { targets: RelayTarget[] }, handle) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.on('connection', (client) => {
      client.on('error', () => {});
      dial(message.targets).then(
        (upstream) => pipeBoth(client, upstream),
        () => client.destroy(),
      );
    });
    server.listen(handle as Server, () => process.send?.('ready'));
  });
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) relayProcess();
