import type { OutgoingHttpHeaders } from 'node:http2';
import { nextTurn } from '../base/next-turn.ts';
import type { Clock } from '../base/clock.ts';
import type { Connection } from './connection.ts';
import { exchange, ExchangeFailure, readBody } from './exchange.ts';
import type { Answer, ExchangeOptions } from './exchange.ts';
import type { ServerPool } from './server-pool.ts';

export interface Call {
  method: string;
  /** With its query. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  contentType?: string;
  accept?: string;
  signal?: AbortSignal;
}

/** How often a request is sent again, whatever the reasons; client-go's number. */
const MAX_RETRIES = 10;
export const JSON_TYPE = 'application/json';

/** Sends calls over a pool of servers, again where that is safe. */
export class Transport {
  readonly #pool: ServerPool;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #userAgent: string;

  constructor(pool: ServerPool, options: { clock: Clock; timeoutMs: number; userAgent: string }) {
    this.#pool = pool;
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
    this.#userAgent = options.userAgent;
  }

  /** The answer with its whole body; a GET whose body breaks off is sent again. */
  async whole(call: Call): Promise<{ answer: Answer; bytes: Buffer }> {
    for (let retry = 0; ; retry++) {
      const { connection, answer } = await this.send(call);
      try {
        return { answer, bytes: await readBody(connection, answer, this.options(call)) };
      } catch (error) {
        if (!(error instanceof ExchangeFailure)) throw error;
        this.#pool.failed(connection, error);
        if (call.method !== 'GET' || retry >= 2) throw lostOf(error);
      }
    }
  }

  /**
   * Sends until a server answers. What the server certainly did not act on (no connection, a refused
   * stream, 429) is sent again whatever its method; a lost connection is tried again for GET alone, as
   * another method may have been carried out.
   */
  async send(call: Call): Promise<{ connection: Connection; answer: Answer }> {
    for (let retry = 0; ; retry++) {
      const connection = await this.#pool.acquire(call.signal);
      try {
        const answer = await exchange(connection, this.options(call));
        const waitMs = retry < MAX_RETRIES ? retryAfterMs(answer) : undefined;
        if (waitMs === undefined) return { connection, answer };
        answer.stream.resume();
        if (answer.status === 503) this.#pool.failed(connection, 'it answers 503');
        await this.#clock.sleep(waitMs, call.signal);
      } catch (error) {
        if (!(error instanceof ExchangeFailure)) throw error;
        this.#pool.failed(connection, error);
        if (retry >= MAX_RETRIES || (error.processed && (call.method !== 'GET' || retry >= 2)))
          throw lostOf(error);
        await nextTurn();
      }
    }
  }

  options(call: Call): ExchangeOptions {
    const { token } = this.#pool.credentials;
    const headers: OutgoingHttpHeaders = {
      ':method': call.method,
      ':path': call.path,
      accept: call.accept ?? JSON_TYPE,
      'user-agent': this.#userAgent,
    };
    if (token) headers['authorization'] = `Bearer ${token}`;
    let body: Buffer | undefined;
    if (call.body !== undefined) {
      body = Buffer.from(JSON.stringify(call.body));
      headers['content-type'] = call.contentType ?? JSON_TYPE;
      headers['content-length'] = body.length;
    }
    return { headers, body, timeoutMs: this.#timeoutMs, clock: this.#clock, signal: call.signal };
  }
}

/** Mirrors client-go rest/with_retry.go: 429 and 5xx with a Retry-After in seconds. */
function retryAfterMs(answer: Answer): number | undefined {
  if (answer.status !== 429 && answer.status < 500) return undefined;
  const seconds = Number(answer.headers['retry-after']);
  return Number.isInteger(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

function lostOf(failure: ExchangeFailure): unknown {
  return failure.cause ?? failure;
}
