import { spawn } from 'node:child_process';
import { SlipwayError } from '../../src/base/errors.ts';

/**
 * The system's tools come first: npm puts node_modules/.bin before them, and a package there has an `nft` of its
 * own that traces files. Start Node with process.execPath, not by name.
 */
export function systemEnvironment(): NodeJS.ProcessEnv {
  const system = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin';
  return { ...process.env, PATH: `${system}:${process.env['PATH'] ?? ''}` };
}

export interface CommandOptions {
  /** Written to standard input, which is /dev/null otherwise. */
  input?: string | Buffer;
  /** The command is killed after this long. Default 60 s: nothing in the lab may hang. */
  timeoutMs?: number;
  /** The whole environment. Default: this process's, with the system's tools first on PATH. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
}

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A command that the lab ran ended with another code than 0. */
export class CommandError extends SlipwayError {
  readonly result: CommandResult;

  constructor(command: string, result: CommandResult) {
    super(
      'E_LAB_COMMAND',
      `${command}: exit code ${result.code}: ${(result.stderr || result.stdout).trim()}`,
    );
    this.result = result;
  }
}

/** Runs to the end and gives code and output, whatever the code. */
export function tryRun(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { input, timeoutMs = 60_000, env = systemEnvironment(), cwd } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      env,
      ...(cwd ? { cwd } : {}),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => {}); // the child may end before it has read its input
    child.stdin.end(input ?? '');
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const note = signal ? `killed by ${signal} (limit ${timeoutMs} ms)\n` : '';
      resolve({
        code: code ?? 128,
        stdout: Buffer.concat(stdout).toString(),
        stderr: note + Buffer.concat(stderr).toString(),
      });
    });
  });
}

/** Runs to the end and gives standard output; rejects with CommandError where the code is not 0. */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await tryRun(command, args, options);
  if (result.code !== 0) throw new CommandError([command, ...args].join(' '), result);
  return result.stdout;
}
