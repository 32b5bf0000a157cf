import type { Readable } from 'node:stream';
import { badRequest, requestEntityTooLarge } from '../status-errors.ts';

/**
 * Collects a body, and gives up with a 413 the moment it is larger than `maxBytes`: what a hostile client
 * sends is never held in memory beyond that. What follows is drained unseen, so that the answer gets out.
 */
export function readBody(
  stream: Readable,
  contentLength: string | undefined,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const tooLarge = () => requestEntityTooLarge(`limit is ${maxBytes}`);
  if (contentLength !== undefined && Number(contentLength) > maxBytes) {
    stream.resume();
    return Promise.reject(tooLarge());
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = () => {
      stream.off('data', onData);
      stream.off('end', onEnd);
      stream.off('close', onClose);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown) => {
      done();
      stream.resume();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) fail(tooLarge());
      else chunks.push(chunk);
    };
    const onEnd = () => {
      done();
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size));
    };
    const onClose = () => fail(badRequest('the request body ended early'));
    const onAbort = () => fail(signal.reason);
    stream.on('data', onData);
    stream.on('end', onEnd);
    stream.on('close', onClose);
    stream.on('error', () => undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
