import type { Duplex } from 'node:stream';
import { FENCE, FENCED, lockLost } from './fence.ts';
import type { Host, RunOptions, ScriptResult } from './host.ts';

/**
 * A server whose scripts know the change that they belong to, and are stopped once another operator has taken its lock
 * over: each script, and each command that is fed, is given our token, and compares it with the one that stands before
 * it does anything.
 */
export class FencedHost implements Host {
  readonly #inner: Host;
  #token: string | undefined;
  #step: string | undefined;

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

  /** What scripts record from now on is of this change of the journal. */
  step(id: string): void {
    this.#step = id;
  }

  tryRun(script: string, options?: RunOptions): Promise<ScriptResult> {
    const lock = this.#token === undefined ? '' : `SLIPWAY_LOCK='${this.#token}'\n${FENCE}\n`;
    const step = this.#step === undefined ? '' : `SLIPWAY_STEP='${this.#step}'\n`;
    return this.#inner.tryRun(`${lock}${step}${script}`, options);
  }

  async pipe(command: string, input: AsyncIterable<Uint8Array>, options?: RunOptions): Promise<ScriptResult> {
    if (this.#token === undefined) return await this.#inner.pipe(command, input, options);
    const lock = `SLIPWAY_LOCK='${this.#token}'\n${FENCE}\n`;
    const result = await this.#inner.pipe(`${lock}${command}`, input, options);
    if (result.code === FENCED) throw lockLost(this, result.stdout);
    return result;
  }

  forward(address: string, port: number): Promise<Duplex> {
    return this.#inner.forward(address, port);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
