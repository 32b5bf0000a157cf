import { open, type FileHandle } from 'node:fs/promises';
import { parseCriLogLine } from './cri-log.ts';

const BLOCK_BYTES = 4096;
const NEWLINE = 0x0a;

/**
 * Where the last `lines` lines of a file start. Mirrors pkg/util/tail: a last line without a newline does
 * not count, for it is being written.
 */
export async function tailOffset(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines < 0) return 0;
  let end = size;
  let found = -1;
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  while (end > 0) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    for (let index = bytesRead - 1; index >= 0; index -= 1) {
      if (block[index] !== NEWLINE) continue;
      found += 1;
      if (found === lines) return start + index + 1;
    }
    end = start;
  }
  return 0;
}

/** The text of the last lines of a CRI log, at most `maxBytes` from its end. */
export async function readTail(path: string, lines: number, maxBytes: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = await tailOffset(file, lines);
    // Every line carries at most some 60 bytes before its text.
    const from = Math.max(start, size - maxBytes - lines * 64);
    const buffer = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const parts: Buffer[] = [];
    for (const line of splitLines(buffer.subarray(0, bytesRead))) {
      const parsed = parseCriLogLine(line);
      if (parsed) parts.push(parsed.content, ...(parsed.partial ? [] : [Buffer.from('\n')]));
    }
    const all = Buffer.concat(parts);
    return all.subarray(Math.max(0, all.length - maxBytes)).toString('utf8');
  } finally {
    await file.close();
  }
}

export function* splitLines(buffer: Buffer): Generator<Buffer> {
  let start = 0;
  for (let end = buffer.indexOf(NEWLINE); end >= 0; end = buffer.indexOf(NEWLINE, start)) {
    yield buffer.subarray(start, end);
    start = end + 1;
  }
}
