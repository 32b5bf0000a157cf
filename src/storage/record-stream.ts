import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { SlipwayError } from '../base/errors.ts';
import type { StoreRecord } from './records.ts';

type Records = Iterable<StoreRecord> | AsyncIterable<StoreRecord>;

/**
 * A store's content as compressed lines of JSON, on its way between machines: first the revision and what the sender
 * says besides, then one line a record, last their count, by which a stream that was cut off is known.
 */
export function encodeRecords(
  revision: number,
  records: Records,
  head: unknown = {},
): AsyncIterable<Uint8Array> {
  const gzip = createGzip();
  // An error of the records destroys the compressor, and so reaches whoever reads.
  pipeline(Readable.from(linesOf(revision, records, head)), gzip).catch(() => {});
  return gzip as AsyncIterable<Uint8Array>;
}

async function* linesOf(revision: number, records: Records, head: unknown): AsyncGenerator<string> {
  yield `${JSON.stringify({ revision, head })}\n`;
  let count = 0;
  for await (const { key, modRevision, value } of records) {
    yield `${JSON.stringify({ key, modRevision, value: value.toString('base64') })}\n`;
    count += 1;
  }
  yield `${JSON.stringify({ count })}\n`;
}

export interface ReceivedContent {
  /** The source's revision. */
  revision: number;
  /** What the sender said besides. */
  head: unknown;
  records: AsyncIterable<StoreRecord>;
}

/** The other way. E_STORAGE_FILL, also from the records, where the stream was cut off or is none. */
export async function decodeRecords(bytes: AsyncIterable<Uint8Array>): Promise<ReceivedContent> {
  const lines = gunzippedLines(bytes);
  const first = await lines.next();
  if (first.done) throw cutOff(0);
  const { revision, head } = parseLine(first.value) as { revision: number; head: unknown };
  return { revision, head, records: recordsOf(lines) };
}

async function* recordsOf(lines: AsyncGenerator<string>): AsyncGenerator<StoreRecord> {
  let count = 0;
  for await (const line of lines) {
    const part = parseLine(line) as { key: string; modRevision: number; value: string } | { count: number };
    if ('count' in part) {
      if (part.count === count) return;
      break;
    }
    count += 1;
    yield { key: part.key, modRevision: part.modRevision, value: Buffer.from(part.value, 'base64') };
  }
  throw cutOff(count);
}

async function* gunzippedLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const gunzip = createGunzip();
  // What fails on the way in destroys the decompressor, which fails the reading below with the same error.
  const fed = pipeline(Readable.from(bytes), gunzip).catch(() => {});
  try {
    for await (const line of createInterface({ input: gunzip, crlfDelay: Infinity })) yield line;
  } catch (cause) {
    throw cause instanceof SlipwayError ? cause : cutOff(0, cause);
  } finally {
    gunzip.destroy();
    await fed;
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw cutOff(0, cause);
  }
}

const cutOff = (count: number, cause?: unknown): SlipwayError =>
  new SlipwayError(
    'E_STORAGE_FILL',
    `the copy of the store was cut off${count > 0 ? ` after ${count} keys` : ''}`,
    {
      cause,
    },
  );
