import { parentPort, workerData } from 'node:worker_threads';
import type { Failure, Reply, Request } from './messages.ts';
import { packWritten, unpackWrites } from './messages.ts';
import { SQLITE_BUSY, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB, sqliteCode } from './schema.ts';
import { Writer, WriterError } from './writer.ts';

/** The body of the writer's thread: answers each request in order, one reply each. */
export interface WriterThreadData {
  path: string;
  maxBytes: number | undefined;
}

function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof WriterError) {
    return error.found === undefined
      ? { kind: error.kind, message }
      : { kind: error.kind, message, found: error.found };
  }
  const code = sqliteCode(error)?.primary;
  if (code === SQLITE_FULL) return { kind: 'full', message };
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return { kind: 'corrupt', message };
  // A failed fsync is among these: what the disk holds is then unknown, and going on would be a lie.
  return {
    kind: 'broken',
    message: code === SQLITE_BUSY ? `${message} (another program has it open)` : message,
  };
}

function serve(): void {
  const port = parentPort!;
  const { path, maxBytes } = workerData as WriterThreadData;
  let writer: Writer;
  try {
    writer = new Writer(path, maxBytes);
  } catch (error) {
    port.postMessage({ type: 'failed', failure: failureOf(error) } satisfies Reply);
    return;
  }
  const { revision, compactedRevision, swept } = writer;
  port.postMessage({ type: 'opened', revision, compactedRevision, swept } satisfies Reply);
  port.on('message', (request: Request) => {
    try {
      reply(port, writer, request);
    } catch (error) {
      port.postMessage({ type: 'failed', failure: failureOf(error) } satisfies Reply);
    }
  });
}

function reply(port: NonNullable<typeof parentPort>, writer: Writer, request: Request): void {
  switch (request.type) {
    case 'write': {
      const written = packWritten(writer.apply(unpackWrites(request)));
      const message: Reply = { type: 'written', ...written };
      port.postMessage(message, [written.fields.buffer, written.values.buffer]);
      checkpoint(writer);
      break;
    }
    case 'compact':
      writer.compact(request.revision);
      port.postMessage({ type: 'compacted' } satisfies Reply);
      break;
    case 'sweep':
      port.postMessage({ type: 'swept', swept: writer.sweep(request.limit) } satisfies Reply);
      checkpoint(writer);
      break;
    case 'close':
      checkpoint(writer, true);
      writer.close();
      port.postMessage({ type: 'closed' } satisfies Reply);
      port.close();
      break;
  }
}

/** The write-ahead log has everything already, so a checkpoint that fails (a full disk, mostly) loses nothing and is tried again. */
function checkpoint(writer: Writer, force = false): void {
  try {
    writer.checkpoint(force);
  } catch (error) {
    if (failureOf(error).kind !== 'full') throw error;
  }
}

serve();
