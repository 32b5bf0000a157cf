import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Host, RunOptions, ScriptResult } from './host.ts';

/** This very machine as a Host: what runs on servers can be tried without one. */
export class LocalHost implements Host {
  readonly name: string;
  readonly address = '127.0.0.1';

  constructor(name = 'localhost') {
    this.name = name;
  }

  tryRun(script: string, options: RunOptions = {}): Promise<ScriptResult> {
    return execute(['-s'], Readable.from([Buffer.from(script)]), options);
  }

  pipe(command: string, input: AsyncIterable<Uint8Array>, options: RunOptions = {}): Promise<ScriptResult> {
    return execute(['-c', command], Readable.from(input), options);
  }

  async forward(address: string, port: number): Promise<Duplex> {
    const socket = connect({ host: address, port });
    await once(socket, 'connect');
    return socket;
  }

  async close(): Promise<void> {}
}

async function execute(args: string[], input: Readable, options: RunOptions): Promise<ScriptResult> {
  const child = spawn('sh', args, {
    stdio: 'pipe',
    timeout: options.timeoutMs ?? 120_000,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A command that ends before it has read everything is no fault of the pipe.
  const feeding = pipeline(input, child.stdin).catch(() => {});
  const [code] = (await once(child, 'close')) as [number | null];
  input.destroy();
  await feeding;
  return { code: code ?? 137, stdout, stderr };
}
