import { spawn } from 'node:child_process';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, type RunCommand } from '../../src/base/command.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { run, tryRun, type CommandOptions, type CommandResult } from './command.ts';
import { cgroupVersion, makeServerGroups } from './cgroups.ts';
import { baseSystem, SCRIPTS } from './machine.ts';
import { isAlive } from './processes.ts';
import { fabricName, killServer, labDirectory, readPid, serverNetns, writePid } from './state.ts';

/** Passwords of the lab's servers: key login works for root and ops, passwords for both, sudo asks ops for its own. */
export const OPS_PASSWORD = 'opspw';
export const ROOT_PASSWORD = 'rootpw';

const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** One throw-away server: its own network, processes and disk, systemd as PID 1, sshd, and nothing of ours. */
export class LabServer {
  readonly name: string;
  /** IPv4 address on the fabric; the IPv6 one is fd77:: with the same last number. */
  readonly address: string;
  readonly #labId: string;
  readonly #directory: string;

  constructor(labId: string, name: string, address: string) {
    this.name = name;
    this.address = address;
    this.#labId = labId;
    this.#directory = join(labDirectory(labId), 'servers', name);
  }

  get #number(): number {
    return Number(this.address.split('.')[3]);
  }

  /** The bridge port of this server, in the fabric's namespace. */
  get port(): string {
    return `port${this.#number}`;
  }

  /** Private key file that root and ops accept. */
  get sshKeyPath(): string {
    return join(labDirectory(this.#labId), 'ssh_key');
  }

  /** The server's own host key, as a known_hosts line has it ('ssh-ed25519 AAAA…'). */
  async hostKey(): Promise<string> {
    const line = await readFile(join(this.#directory, 'upper/etc/ssh/ssh_host_ed25519_key.pub'), 'utf8');
    return line.split(' ').slice(0, 2).join(' ');
  }

  /** Makes the disk and the cgroups. Called once, by Lab.create. */
  async make(groups: readonly string[]): Promise<void> {
    const base = await baseSystem();
    const directory = this.#directory;
    for (const folder of ['upper/etc/ssh', 'work', 'root', 'var'])
      await mkdir(join(directory, folder), { recursive: true });
    await cp(join(base, 'var'), join(directory, 'var'), {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
    });
    await this.#writeEtc(join(directory, 'upper'));
    const last = this.#number;
    const env = {
      NAME: this.name,
      FABRIC: fabricName(this.#labId),
      NETNS: serverNetns(this.#labId, this.name),
      PORT: this.port,
      ADDRESS: this.address,
      ADDRESS6: `fd77::${last}`,
      MAC: `02:77:00:00:00:${last.toString(16).padStart(2, '0')}`,
      BASE: base,
      CGROUPS: cgroupVersion(),
      INIT: join(SCRIPTS, 'server-init.sh'),
    };
    const lines = Object.entries(env).map(([name, value]) => `${name}=${shellQuote(value)}\n`);
    await writeFile(join(directory, 'env'), lines.join(''));
    const paths = await makeServerGroups(groups, this.name);
    await writeFile(join(directory, 'cgroups'), paths.map((path) => `${path}\n`).join(''));
  }

  async #writeEtc(upper: string): Promise<void> {
    const etc = join(upper, 'etc');
    await run('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      this.name,
      '-f',
      join(etc, 'ssh/ssh_host_ed25519_key'),
    ]);
    await writeFile(join(etc, 'hostname'), `${this.name}\n`);
    const uuid = await readFile('/proc/sys/kernel/random/uuid', 'utf8');
    await writeFile(join(etc, 'machine-id'), uuid.replaceAll('-', ''));
    await writeFile(join(etc, 'hosts'), `127.0.0.1 localhost\n::1 localhost\n127.0.1.1 ${this.name}\n`);
    await writeFile(join(etc, 'resolv.conf'), '');
    const publicKey = await readFile(`${this.sshKeyPath}.pub`, 'utf8');
    for (const [home, owner] of [
      ['root', 0],
      ['home/ops', 1000],
    ] as const) {
      await mkdir(join(upper, home, '.ssh'), { recursive: true });
      await writeFile(join(upper, home, '.ssh/authorized_keys'), publicKey, { mode: 0o600 });
      await chmod(join(upper, home), home === 'root' ? 0o700 : 0o755);
      await chmod(join(upper, home, '.ssh'), 0o700);
      if (owner !== 0) await run('chown', ['-R', `${owner}:${owner}`, join(upper, home)]);
    }
  }

  /** Switches the server on; resolves when its first process runs. Does nothing where it is on already. */
  async boot(): Promise<void> {
    const pidFile = join(this.#directory, 'supervisor.pid');
    const running = await readPid(pidFile);
    if (!running || !(await isAlive(running))) {
      const child = spawn(join(SCRIPTS, 'supervise.sh'), [labDirectory(this.#labId), this.name], {
        cwd: '/',
        detached: true,
        stdio: 'ignore',
        env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      });
      child.unref();
      if (child.pid !== undefined) await writePid(pidFile, child.pid);
    }
    await waitFor(`${this.name} starts (see ${this.consolePath})`, () => this.initPid());
  }

  /** What the hardware and the first script printed, for a look after a failure. */
  get consolePath(): string {
    return join(this.#directory, 'console.log');
  }

  /** The server's PID 1 as the machine sees it; undefined while the server is off. */
  async initPid(): Promise<number | undefined> {
    const parent = await readFile(join(this.#directory, 'unshare.pid'), 'utf8').catch(() => '');
    if (!parent.trim()) return undefined;
    const { stdout } = await tryRun('pgrep', ['-P', parent.trim()]);
    const pid = Number(stdout.trim().split('\n')[0]);
    return pid > 0 ? pid : undefined;
  }

  /** Pulls the plug: every process is gone at once, what was not synced by them may be lost, the disk stays. */
  async powerCut(): Promise<void> {
    // The supervisor sees the death and ends by itself, as it is no reboot.
    await killServer(this.#directory);
    const supervisor = await readPid(join(this.#directory, 'supervisor.pid'));
    if (supervisor)
      await waitFor('the supervisor ends', async () => !(await isAlive(supervisor)), { timeoutMs: 5000 });
    await rm(join(this.#directory, 'unshare.pid'), { force: true });
  }

  /** Whether the server's first process runs. */
  async isOn(): Promise<boolean> {
    return (await this.initPid()) !== undefined;
  }

  /** Orderly reboot, as `systemctl reboot` on the server; resolves when the new boot answers on SSH. */
  async reboot(): Promise<void> {
    const before = await this.bootId();
    await this.exec('systemctl reboot --no-block');
    await waitFor(
      `${this.name} boots again`,
      async () => (await this.isOn()) && (await this.bootId()) !== before,
      {
        timeoutMs: 120_000,
      },
    );
    await this.waitForSsh();
  }

  /** Orderly shutdown; resolves when the server is off. `boot()` switches it on again. */
  async powerOff(): Promise<void> {
    const supervisor = await readPid(join(this.#directory, 'supervisor.pid'));
    await this.exec('systemctl poweroff --no-block');
    await waitFor(`${this.name} is off`, async () => !supervisor || !(await isAlive(supervisor)), {
      timeoutMs: 120_000,
    });
  }

  async bootId(): Promise<string> {
    return (await this.exec('cat /proc/sys/kernel/random/boot_id')).trim();
  }

  /** Unplugs the network cable; it stays unplugged over reboots. */
  async linkDown(): Promise<void> {
    await writeFile(join(this.#directory, 'link-down'), '');
    await run('ip', ['-n', fabricName(this.#labId), 'link', 'set', this.port, 'down']);
  }

  async linkUp(): Promise<void> {
    await rm(join(this.#directory, 'link-down'), { force: true });
    await run('ip', ['-n', fabricName(this.#labId), 'link', 'set', this.port, 'up']);
  }

  /** Puts a small file system on a folder of the running server, for 'no space left'; a reboot takes it away. */
  async limitSpace(path: string, sizeKib: number): Promise<void> {
    await this.exec(
      `mkdir -p ${shellQuote(path)} && mount -t tmpfs -o size=${sizeKib}k limited ${shellQuote(path)}`,
    );
  }

  async unlimitSpace(path: string): Promise<void> {
    await this.exec(`umount -l ${shellQuote(path)}`);
  }

  /** Kills the SSH sessions that are open; the listening sshd goes on. */
  async killSsh(): Promise<void> {
    await this.tryExec(`pkill -KILL -f '^sshd: [a-z]+( \\[|@)' || true`);
  }

  /** The server's file system as the machine reaches it, while the server is on. */
  async rootPath(): Promise<string> {
    const pid = await this.initPid();
    if (pid === undefined) throw new Error(`server ${this.name} is off`);
    return `/proc/${pid}/root`;
  }

  /** A RunCommand that does to this server what a component running on it would do. */
  get runCommand(): RunCommand {
    return async (command, args, options) =>
      await runCommand('nsenter', [...(await this.#entry()), command, ...args], options);
  }

  /** The command as the machine runs it inside the server, without SSH: for checks and faults of tests. */
  async #enter(command: string): Promise<string[]> {
    return [...(await this.#entry()), 'sh', '-c', command];
  }

  async #entry(): Promise<string[]> {
    const pid = await this.initPid();
    if (pid === undefined) throw new Error(`server ${this.name} is off`);
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup'];
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    return ['--target', String(pid), ...namespaces, '--', 'env', '-i', 'HOME=/root', 'LANG=C.UTF-8', path];
  }

  /** Runs a shell command on the server as root and gives its output; rejects with CommandError on failure. */
  async exec(command: string, options: CommandOptions = {}): Promise<string> {
    return await run('nsenter', await this.#enter(command), options);
  }

  /** The same, giving the exit code instead of rejecting. */
  async tryExec(command: string, options: CommandOptions = {}): Promise<CommandResult> {
    return await tryRun('nsenter', await this.#enter(command), options);
  }

  /** Writes a file on the running server. */
  async writeFile(path: string, content: string | Buffer, mode = 0o644): Promise<void> {
    const quoted = shellQuote(path);
    await this.exec(
      `mkdir -p "$(dirname ${quoted})" && cat > ${quoted} && chmod ${mode.toString(8)} ${quoted}`,
      { input: content },
    );
  }

  /** Options of ssh(1) for this server: the lab's key and known hosts, no terminal, no agent. */
  sshOptions(): string[] {
    const options = [
      `UserKnownHostsFile=${join(labDirectory(this.#labId), 'known_hosts')}`,
      'StrictHostKeyChecking=yes',
      'IdentitiesOnly=yes',
      'BatchMode=yes',
      'ConnectTimeout=3',
    ];
    return ['-F', 'none', '-i', this.sshKeyPath, ...options.flatMap((option) => ['-o', option])];
  }

  /** Resolves when a login as root over SSH succeeds, from the fabric. */
  async waitForSsh(timeoutMs = 60_000): Promise<void> {
    const namespace = `--net=/run/netns/${fabricName(this.#labId)}`;
    const command = [namespace, '--', 'ssh', ...this.sshOptions(), `root@${this.address}`, 'true'];
    await waitFor(
      `${this.name} answers on SSH (see ${this.consolePath})`,
      async () => (await tryRun('nsenter', command)).code === 0,
      {
        timeoutMs,
        intervalMs: 100,
      },
    );
  }
}
