import type { Duplex } from 'node:stream';
import type { Host, RunOptions, ScriptResult } from './host.ts';

/**
 * A server whose changing scripts are stopped once another operator has taken its lock over: each script is given the
 * token of ours, and what it does before it changes anything (`ledgerFunctions`) compares it with the one that stands.
 */
export class FencedHost implements Host {
  readonly #inner: Host;
  #token: string | undefined;

  constructor(inner: Host) {
    this.#inner = inner;
  }

  get name(): string {
    return this.#inner.name;
  }

  get address(): string {
    return this.#inner.address;
  }

  /** From now on scripts run under this token; undefined: under none. */
  fence(token: string | undefined): void {
    this.#token = token;
  }

  tryRun(script: string, options?: RunOptions): Promise<ScriptResult> {
    const fenced = this.#token === undefined ? script : `SLIPWAY_LOCK='${this.#token}'\n${script}`;
    return this.#inner.tryRun(fenced, options);
  }

  pipe(command: string, input: AsyncIterable<Uint8Array>, options?: RunOptions): Promise<ScriptResult> {
    return this.#inner.pipe(command, input, options);
  }

  forward(address: string, port: number): Promise<Duplex> {
    return this.#inner.forward(address, port);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
