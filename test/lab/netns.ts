import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { runCommand, type RunCommand } from '../../src/base/command.ts';
import { run, systemEnvironment, tryRun, type CommandOptions, type CommandResult } from './command.ts';

/** A bare network namespace: a host's or a pod's network without its processes. Cheaper than a lab server. */
export class Netns {
  readonly name: string;
  readonly #children: ChildProcess[] = [];

  private constructor(name: string) {
    this.name = name;
  }

  /** `label` is unique within the test; namespaces of runs that were killed are removed on the way. */
  static async create(label: string): Promise<Netns> {
    for (const name of await readdir('/run/netns').catch(() => [])) {
      const pid = /^slns\.(\d+)\./.exec(name)?.[1];
      if (pid && !existsSync(`/proc/${pid}`)) await tryRun('ip', ['netns', 'del', name]);
    }
    const namespace = new Netns(`slns.${process.pid}.${label}`);
    await run('ip', ['netns', 'add', namespace.name]);
    await namespace.exec('ip link set lo up');
    return namespace;
  }

  #enter(command: readonly string[]): string[] {
    return [`--net=/run/netns/${this.name}`, '--', ...command];
  }

  /** Runs a bash command inside; rejects where its code is not 0. */
  async exec(command: string, options?: CommandOptions): Promise<string> {
    return await run('nsenter', this.#enter(['bash', '-c', command]), options);
  }

  async tryExec(command: string, options?: CommandOptions): Promise<CommandResult> {
    return await tryRun('nsenter', this.#enter(['bash', '-c', command]), options);
  }

  /** Starts a child inside; it ends with the namespace. */
  spawn(command: readonly string[]): ChildProcess {
    const child = spawn('nsenter', this.#enter(command), {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: systemEnvironment(),
    });
    this.#children.push(child);
    return child;
  }

  /** A RunCommand that does to this namespace what a component would do to its host. */
  get runCommand(): RunCommand {
    return (command, args, options) => runCommand('nsenter', this.#enter([command, ...args]), options);
  }

  /** Connects two namespaces by a cable with an end named `here` in this one and `there` in the other. */
  async connect(here: string, other: Netns, there: string): Promise<void> {
    await run('ip', [
      'link',
      'add',
      here,
      'netns',
      this.name,
      'type',
      'veth',
      'peer',
      'name',
      there,
      'netns',
      other.name,
    ]);
    await this.exec(`ip link set ${here} up`);
    await other.exec(`ip link set ${there} up`);
  }

  async close(): Promise<void> {
    // Grandchildren too: one that is left would hold the test's pipes open.
    const { stdout } = await tryRun('ip', ['netns', 'pids', this.name]);
    for (const pid of stdout.split(/\s+/).filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended in between.
      }
    }
    for (const child of this.#children) {
      child.stdin?.destroy();
      child.stdout?.destroy();
    }
    await tryRun('ip', ['netns', 'del', this.name]);
  }
}
