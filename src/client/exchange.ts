import http2 from 'node:http2';
import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { Clock } from '../base/clock.ts';
import type { Connection } from './connection.ts';
import { ConnectionLostError } from './errors.ts';

export interface ExchangeOptions {
  headers: OutgoingHttpHeaders;
  body?: Buffer;
  /** For the response's headers, and for each further piece of a body that is read whole. */
  timeoutMs: number;
  clock: Clock;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  stream: ClientHttp2Stream;
}

/**
 * A request that failed without an answer. `processed` is false where the server certainly did nothing with
 * it, so that any method may be sent again.
 */
export class ExchangeFailure extends Error {
  readonly processed: boolean;

  constructor(cause: Error, processed: boolean) {
    super(cause.message, { cause });
    this.processed = processed;
  }
}

/** Sends one request and waits for the response's headers; the caller reads the stream. The place is reserved. */
export function exchange(connection: Connection, options: ExchangeOptions): Promise<Answer> {
  const { headers, body, signal, clock, timeoutMs } = options;
  if (signal?.aborted) {
    connection.release();
    return Promise.reject(signal.reason as Error);
  }
  let stream: ClientHttp2Stream;
  try {
    stream = connection.request(headers, body === undefined);
  } catch (error) {
    // The session closed between the choice and the request: nothing was sent.
    return Promise.reject(new ExchangeFailure(error as Error, false));
  }
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const cancel = (reason: Error): void => {
    reject(reason);
    stream.close(http2.constants.NGHTTP2_CANCEL);
  };
  const onAbort = (): void => cancel(signal?.reason as Error);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = clock.after(timeoutMs, () => {
    const what = `no answer to ${String(headers[':method'])} ${String(headers[':path'])} in ${timeoutMs} ms`;
    cancel(new ExchangeFailure(new ConnectionLostError(connection.server, what), true));
  });
  let lost: Error | undefined;
  stream.on('error', (error) => (lost = error));
  stream.once('close', () => {
    signal?.removeEventListener('abort', onAbort);
    const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
    const cause = new ConnectionLostError(
      connection.server,
      lost?.message ?? 'the connection was lost',
      lost,
    );
    reject(new ExchangeFailure(cause, !refused));
  });
  stream.once('response', (answer) => resolve({ status: answer[':status'] ?? 0, headers: answer, stream }));
  if (body !== undefined) stream.end(body);
  return promise.finally(() => timer.cancel());
}

/**
 * The whole body; rejects with ExchangeFailure when the stream ends early or falls silent. A server that
 * refuses a request before it has read its body closes the stream right behind the answer: the readable side
 * may then close without an 'end', with all its data there.
 */
export function readBody(connection: Connection, answer: Answer, options: ExchangeOptions): Promise<Buffer> {
  const { stream, headers } = answer;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  let lost: Error | undefined;
  const silent = (): void => {
    lost = new ConnectionLostError(connection.server, `the answer stopped for ${options.timeoutMs} ms`);
    stream.close(http2.constants.NGHTTP2_CANCEL);
  };
  let timer = options.clock.after(options.timeoutMs, silent);
  const finish = (): void => {
    const expected = headers['content-length'];
    const whole = stream.readableEnded || (stream.rstCode === 0 && Number(expected) === length);
    if (options.signal?.aborted) reject(options.signal.reason as Error);
    else if (whole && stream.rstCode === 0)
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
    else
      reject(
        new ExchangeFailure(
          lost ?? new ConnectionLostError(connection.server, 'the answer was cut off'),
          true,
        ),
      );
  };
  stream.on('error', (error) => (lost ??= error));
  stream.on('data', (chunk: Buffer) => {
    connection.heard();
    timer.cancel();
    timer = options.clock.after(options.timeoutMs, silent);
    length += chunk.length;
    chunks.push(chunk);
  });
  stream.once('end', finish);
  stream.once('close', finish);
  if (stream.closed && stream.destroyed) finish();
  return promise.finally(() => timer.cancel());
}
