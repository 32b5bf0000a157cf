import { PassThrough, type Duplex } from 'node:stream';
import type { Host, ScriptResult } from './host.ts';

export type FakeAnswer =
  | string
  | Partial<ScriptResult>
  | ((script: string) => string | Partial<ScriptResult>);

/**
 * A server that answers as it was told: "when a script contains this, answer that". Scripts that nothing
 * matches succeed with no output. Every script is kept in `scripts`.
 */
export class FakeHost implements Host {
  readonly name: string;
  readonly address: string;
  readonly scripts: string[] = [];
  readonly #answers: Array<{ when: string | RegExp; answer: FakeAnswer }> = [];

  constructor(name: string, address = '192.0.2.1') {
    this.name = name;
    this.address = address;
  }

  /** The latest matching answer wins. */
  when(pattern: string | RegExp, answer: FakeAnswer): this {
    this.#answers.unshift({ when: pattern, answer });
    return this;
  }

  async tryRun(script: string): Promise<ScriptResult> {
    this.scripts.push(script);
    const found = this.#answers.find(({ when }) =>
      typeof when === 'string' ? script.includes(when) : when.test(script),
    );
    const answer = typeof found?.answer === 'function' ? found.answer(script) : found?.answer;
    return { code: 0, stdout: '', stderr: '', ...(typeof answer === 'string' ? { stdout: answer } : answer) };
  }

  async pipe(command: string, input: AsyncIterable<Uint8Array>): Promise<ScriptResult> {
    let bytes = 0;
    for await (const chunk of input) bytes += chunk.length;
    return await this.tryRun(`${command} # with ${bytes} bytes of input`);
  }

  async forward(): Promise<Duplex> {
    return new PassThrough();
  }

  async close(): Promise<void> {}
}
