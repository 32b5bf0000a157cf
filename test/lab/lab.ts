import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError } from '../../src/base/errors.ts';
import { labGroups } from './cgroups.ts';
import { run, systemEnvironment, tryRun, type CommandOptions, type CommandResult } from './command.ts';
import { baseSystem, labSkipReason, prepareMachine } from './machine.ts';
import { identify, isAlive } from './processes.ts';
import { LabServer } from './server.ts';
import {
  destroy,
  fabricName,
  labDirectory,
  makeFabric,
  readState,
  reapDeadLabs,
  writeState,
  type LabState,
} from './state.ts';

export interface LabOptions {
  /** Names the lab on the machine: 1 to 20 of a-z, 0-9 and '-'. */
  id: string;
  servers: ReadonlyArray<{ name: string }>;
  /** The lab outlives this process and is closed with `Lab.open(id)` and `close()`; for the demo. Default false. */
  detached?: boolean;
  /** Boot the servers and wait for SSH on each. Default true. */
  boot?: boolean;
}

/**
 * A handful of real throw-away servers on one closed network, 10.77.0.0/24: the runner has .1, the servers
 * .11, .12 … in their order. Several labs may run at once with the same addresses. A lab whose process has died
 * is removed when the next one is made.
 */
export class Lab {
  readonly id: string;
  readonly servers: readonly LabServer[];
  readonly #state: LabState;

  private constructor(state: LabState) {
    this.id = state.id;
    this.#state = state;
    this.servers = state.servers.map(({ name, address }) => new LabServer(state.id, name, address));
  }

  static async create(options: LabOptions): Promise<Lab> {
    const reason = labSkipReason();
    if (reason) throw new SlipwayError('E_LAB', reason);
    if (!/^[a-z0-9-]{1,20}$/.test(options.id)) {
      throw new SlipwayError(
        'E_LAB',
        `the lab's id must be 1 to 20 of a-z, 0-9 and '-': current value is ${options.id}`,
      );
    }
    await prepareMachine();
    await baseSystem();
    await reapDeadLabs();
    const state = await claim(options);
    const lab = new Lab(state);
    try {
      await lab.#make();
      if (options.boot !== false) await lab.bootAll();
    } catch (error) {
      // A detached lab is kept for a look; its owner closes it.
      if (!state.detached) await lab.close().catch(() => {});
      throw error;
    }
    return lab;
  }

  /** Opens a lab that another process made; undefined where there is none of that name. */
  static async open(id: string): Promise<Lab | undefined> {
    const state = await readState(id);
    return state ? new Lab(state) : undefined;
  }

  async #make(): Promise<void> {
    await makeFabric(this.id);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `lab ${this.id}`, '-f', this.sshKeyPath]);
    const knownHosts: string[] = [];
    for (const server of this.servers) {
      await server.make(this.#state.groups);
      knownHosts.push(`${server.address},${server.name} ${await server.hostKey()}\n`);
    }
    await writeFile(this.knownHostsPath, knownHosts.join(''));
  }

  /** Private key file that root and ops of every server accept. */
  get sshKeyPath(): string {
    return join(labDirectory(this.id), 'ssh_key');
  }

  /** Host keys of all servers, by address and by name. */
  get knownHostsPath(): string {
    return join(labDirectory(this.id), 'known_hosts');
  }

  /** The lab's folder: a place for a test's own files (inventory, kubeconfig); removed with the lab. */
  get directory(): string {
    return labDirectory(this.id);
  }

  server(name: string): LabServer {
    const found = this.servers.find((server) => server.name === name);
    if (!found) throw new Error(`lab ${this.id} has no server ${name}`);
    return found;
  }

  /** Boots every server that is off and waits until all of them answer on SSH. */
  async bootAll(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.boot()));
    await Promise.all(this.servers.map((server) => server.waitForSsh(120_000)));
  }

  #inFabric(command: readonly string[]): string[] {
    return [`--net=/run/netns/${fabricName(this.id)}`, '--', ...command];
  }

  /** Runs a command on the machine with the lab's network as its own; rejects where its code is not 0. */
  async fabricExec(command: readonly string[], options?: CommandOptions): Promise<string> {
    return await run('nsenter', this.#inFabric(command), options);
  }

  /** The same, giving the exit code instead of rejecting. */
  async fabricTryExec(command: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return await tryRun('nsenter', this.#inFabric(command), options);
  }

  /** Starts a long-running child (slipway up, kubectl) with the lab's network as its own. */
  fabricSpawn(command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('nsenter', this.#inFabric(command), { env: systemEnvironment(), ...options });
  }

  /** Cuts the traffic between two servers, both ways; both still reach everyone else. */
  async partition(a: LabServer, b: LabServer): Promise<void> {
    await this.#cut('add', a, b);
  }

  async heal(a: LabServer, b: LabServer): Promise<void> {
    await this.#cut('delete', a, b);
  }

  async #cut(verb: 'add' | 'delete', a: LabServer, b: LabServer): Promise<void> {
    const pairs = `"${a.port}" . "${b.port}", "${b.port}" . "${a.port}"`;
    await this.fabricExec(['nft', `${verb} element bridge lab cut { ${pairs} }`]);
  }

  /** Removes the lab: processes, namespaces, cgroups, mounts, files. Safe to call twice. */
  async close(): Promise<void> {
    await destroy(this.id);
  }
}

/** Writes the lab down before anything is made, so that a crash at any later moment leaves nothing unknown. */
async function claim(options: LabOptions): Promise<LabState> {
  const existing = await readState(options.id);
  if (existing && (existing.detached || (await isAlive(existing.owner)))) {
    throw new SlipwayError('E_LAB', `a lab named ${options.id} exists already`, {
      hint: 'close it first, or take another id',
    });
  }
  const owner = await identify(process.pid);
  if (!owner) throw new Error('/proc does not show this process');
  await mkdir(labDirectory(options.id), { recursive: true });
  const state: LabState = {
    id: options.id,
    owner,
    detached: options.detached ?? false,
    groups: labGroups(options.id),
    servers: options.servers.map(({ name }, index) => ({ name, address: `10.77.0.${11 + index}` })),
  };
  await writeState(state);
  return state;
}
