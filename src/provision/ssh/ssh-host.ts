import { Readable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type ssh2 from 'ssh2';
import type { Clock } from '../../base/clock.ts';
import { SlipwayError } from '../../base/errors.ts';
import { shellQuote, type Host, type RunOptions, type ScriptResult } from '../host.ts';
import { connectSsh, type Connection, type ConnectOptions } from './connect.ts';
import { describeTarget, type SshTarget } from './target.ts';

/** How a command becomes root: being it, by sudo without or with a password. */
type Escalation = { kind: 'root' } | { kind: 'sudo' } | { kind: 'password'; password: string };

const PREFIX: Record<Escalation['kind'], string> = {
  root: '',
  sudo: 'sudo -n ',
  // -k: a cached permission would leave the password unread, and the shell would take it for a command.
  password: "sudo -k -S -p '' ",
};

// What a login shell sets must not matter; output is read by us and stays English.
const PROLOGUE =
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL; umask 022\n';

/** A server over one SSH connection. Commands run side by side on channels of it. */
export class SshHost implements Host {
  readonly name: string;
  readonly address: string;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #escalation: Escalation;

  private constructor(connection: Connection, clock: Clock, escalation: Escalation) {
    this.name = connection.target.name;
    this.address = connection.target.address;
    this.#connection = connection;
    this.#clock = clock;
    this.#escalation = escalation;
  }

  /** Connects, and finds out how to become root. Errors: those of connectSsh, and E_SUDO. */
  static async open(target: SshTarget, options: ConnectOptions): Promise<SshHost> {
    const connection = await connectSsh(target, options);
    try {
      const plain = new SshHost(connection, options.clock, { kind: 'root' });
      return new SshHost(connection, options.clock, await escalate(plain, target, options));
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  tryRun(script: string, options: RunOptions = {}): Promise<ScriptResult> {
    // The shell reads the whole group before it runs any of it: of a script whose end never arrives, because the
    // operator's process or machine died, nothing is run, where line by line the half of a path could be removed.
    const whole = `${PROLOGUE}{\n:\n${script}\n}\n`;
    return this.#execute('sh -s', Readable.from([Buffer.from(whole)]), options);
  }

  pipe(command: string, input: AsyncIterable<Uint8Array>, options: RunOptions = {}): Promise<ScriptResult> {
    return this.#execute(`sh -c ${shellQuote(PROLOGUE + command)}`, Readable.from(input), options);
  }

  forward(address: string, port: number): Promise<Duplex> {
    const { client, lost } = this.#connection;
    return new Promise((resolve, reject) => {
      if (lost.aborted) {
        reject(lost.reason as Error);
        return;
      }
      client.forwardOut('127.0.0.1', 0, address, port, (error, channel) =>
        error ? reject(error) : resolve(channel),
      );
    });
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  async #execute(command: string, input: Readable, options: RunOptions): Promise<ScriptResult> {
    const { client, lost } = this.#connection;
    const stop = new AbortController();
    const timeoutMs = options.timeoutMs ?? 120_000;
    const timer = this.#clock.after(timeoutMs, () =>
      stop.abort(
        new SlipwayError(
          'E_SSH_TIMEOUT',
          `${this.name}: a command has not ended after ${timeoutMs / 1000} s`,
          {
            hint: 'look at the load of the server, then run the same command again',
          },
        ),
      ),
    );
    const signal = AbortSignal.any([lost, stop.signal, ...(options.signal ? [options.signal] : [])]);
    try {
      signal.throwIfAborted();
      const channel = await openChannel(client, PREFIX[this.#escalation.kind] + command, signal);
      if (this.#escalation.kind === 'password') channel.write(`${this.#escalation.password}\n`);
      const result = await collect(channel, input, signal);
      signal.throwIfAborted();
      if (result.code === undefined) {
        // No exit status: the connection broke, or the command was killed; `lost` tells which in a moment.
        await this.#clock.sleep(50).catch(() => {});
        signal.throwIfAborted();
      }
      return { ...result, code: result.code ?? 137 };
    } finally {
      timer.cancel();
      input.destroy();
    }
  }
}

function openChannel(client: ssh2.Client, command: string, signal: AbortSignal): Promise<ssh2.ClientChannel> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', aborted, { once: true });
    client.exec(command, (error, channel) => {
      signal.removeEventListener('abort', aborted);
      if (error) reject(error);
      else resolve(channel);
    });
  });
}

async function collect(
  channel: ssh2.ClientChannel,
  input: Readable,
  signal: AbortSignal,
): Promise<Omit<ScriptResult, 'code'> & { code: number | undefined }> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let code: number | undefined;
  channel.on('data', (chunk: Buffer) => stdout.push(chunk));
  channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  channel.on('exit', (status: number | null) => (code = status ?? undefined));
  // sshd closes a channel when its command ends, not when we ask: after an abort nobody waits for that.
  const closed = new Promise<void>((resolve) => {
    channel.once('close', () => resolve());
    signal.addEventListener(
      'abort',
      () => {
        channel.close();
        resolve();
      },
      { once: true },
    );
  });
  // A command that ends before it has read everything is no fault of the pipe: its exit code counts.
  const feeding = pipeline(input, channel.stdin, { end: true }).catch(() => {});
  await closed;
  input.destroy();
  await feeding;
  const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString('utf8');
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function escalate(plain: SshHost, target: SshTarget, options: ConnectOptions): Promise<Escalation> {
  const { stdout } = await plain.tryRun(
    'id -u; command -v sudo >/dev/null || echo missing; sudo -k -n sh -c true 2>/dev/null && echo free; true\n',
  );
  const [uid, ...words] = stdout.trim().split('\n');
  if (uid === '0') return { kind: 'root' };
  const where = describeTarget(target);
  if (words.includes('missing')) {
    throw new SlipwayError('E_SUDO', `${where} is not root, and sudo is not installed there`, {
      hint: 'log in as root, or install sudo',
    });
  }
  if (words.includes('free')) return { kind: 'sudo' };
  const password =
    target.sudoPassword ?? target.password ?? (await options.questions?.sudoPassword?.(target));
  if (password === undefined) {
    throw new SlipwayError('E_SUDO', `sudo on ${where} asks for a password, and none was given`, {
      hint: 'set "sudoPasswordFrom:" in the inventory (env:NAME or file:PATH), or allow the user NOPASSWD',
    });
  }
  const command = `${PREFIX.password}id -u`;
  const result = await plain.pipe(command, Readable.from([Buffer.from(`${password}\n`)]));
  if (result.code !== 0 || result.stdout.trim() !== '0') {
    const why = /not in the sudoers|not allowed/i.test(result.stderr)
      ? 'the user may not use it'
      : 'the password is wrong';
    throw new SlipwayError('E_SUDO', `sudo on ${where} refuses: ${why}`, {
      hint: 'correct the sudo password, or let the user run sudo (group sudo on Debian)',
    });
  }
  return { kind: 'password', password };
}
