import { spawn } from 'node:child_process';
import { SlipwayError } from './errors.ts';

export interface CommandOptions {
  /** Written to standard input. */
  input?: string;
  /** The command is killed after this long. Default 30 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** A system tool ended with another code than 0, was killed, or is not there. */
export class CommandError extends SlipwayError {
  /** The exit code; undefined where the command was killed or could not be started. */
  readonly exitCode: number | undefined;
  readonly stderr: string;

  constructor(command: string, exitCode: number | undefined, stderr: string, cause?: unknown) {
    const what = exitCode === undefined ? 'did not end by itself' : `exit code ${exitCode}`;
    super('E_COMMAND', `${command}: ${what}: ${stderr.trim().slice(0, 2000)}`, { cause });
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/**
 * The system's folders come first, so that a package's tool of the same name (there is an `nft` on npm) is never
 * taken for the system's.
 */
const SYSTEM_PATH = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin';

/** What components run of the system's tools (nft, ip, conntrack): injected, so that tests can look at it. */
export type RunCommand = (
  command: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<string>;

/** Runs a system tool without a shell and gives its standard output; rejects with CommandError. */
export const runCommand: RunCommand = (command, args, options = {}) => {
  const { input, timeoutMs = 30_000, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      env: { PATH: SYSTEM_PATH, LANG: 'C.UTF-8' },
      ...(signal ? { signal } : {}),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => {}); // the child may end before it has read its input
    child.stdin.end(input ?? '');
    const line = [command, ...args].join(' ');
    child.once('error', (error) => reject(new CommandError(line, undefined, error.message, error)));
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(stdout).toString());
      else reject(new CommandError(line, code ?? undefined, Buffer.concat(stderr).toString()));
    });
  });
};
