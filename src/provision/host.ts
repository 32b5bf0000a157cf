import { FENCED, lockLost } from './fence.ts';
import type { Duplex } from 'node:stream';
import { SlipwayError } from '../base/errors.ts';

export interface ScriptResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** The script is given up after so long. Default two minutes. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/**
 * One server, as root. `ssh/ssh-host.ts` is the real one, `local-host.ts` this machine, `fake-host.ts` a script
 * of answers. All reject with E_SSH_… when the way to the server fails, never because a command did.
 */
export interface Host {
  readonly name: string;
  readonly address: string;
  /** Runs a POSIX shell script, given on standard input, as root, and gives its exit code and output. */
  tryRun(script: string, options?: RunOptions): Promise<ScriptResult>;
  /** Runs a short shell command as root with `input` as its standard input. Put no secret into `command`. */
  pipe(command: string, input: AsyncIterable<Uint8Array>, options?: RunOptions): Promise<ScriptResult>;
  /** Opens a TCP connection from the server itself, for instance to its own loopback. */
  forward(address: string, port: number): Promise<Duplex>;
  close(): Promise<void>;
}

/** A script on a server ended with an exit code other than 0. */
export class ScriptError extends SlipwayError {
  readonly exitCode: number;
  readonly stderr: string;

  constructor(host: Host, what: string, result: ScriptResult) {
    const words = lastLines(result.stderr || result.stdout);
    super('E_SCRIPT', `${host.name}: ${what} failed with exit code ${result.code}${words && `: ${words}`}`, {
      hint: hintFor(words),
    });
    this.exitCode = result.code;
    this.stderr = result.stderr;
  }
}

/** Runs a script that must succeed; `what` completes "<host>: … failed". Errors: ScriptError. */
export async function runScript(
  host: Host,
  what: string,
  script: string,
  options?: RunOptions,
): Promise<string> {
  const result = await host.tryRun(script, options);
  if (result.code === FENCED) throw lockLost(host, result.stdout);
  if (result.code !== 0) throw new ScriptError(host, what, result);
  return result.stdout;
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-4).join('; ').slice(-800);
}

function hintFor(words: string): string | undefined {
  if (/No space left on device/i.test(words))
    return 'free some space on the server, then run the same command again';
  if (/Read-only file system/i.test(words))
    return 'remount the file system read-write, then run the same command again';
  return undefined;
}

/** Quotes one word for a POSIX shell. */
export const shellQuote = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
