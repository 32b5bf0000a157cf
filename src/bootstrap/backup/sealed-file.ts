import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { SlipwayError } from '../../base/errors.ts';

/**
 * A file that a passphrase opens: 'SLIPWAY-BACKUP 1\n', a line of JSON with scrypt's salt and costs, then chunks, each
 * its length (4 bytes) and AES-256-GCM's ciphertext and tag. The nonce counts the chunks and marks the last one, as in
 * the STREAM construction: no chunk can be changed, moved, left out or cut off, and nothing unproved is ever given out.
 */
const MAGIC = 'SLIPWAY-BACKUP 1\n';
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const COSTS = { N: 2 ** 15, r: 8, p: 1 };
const MAX_HEADER_BYTES = 1024;

interface Header {
  salt: string;
  prefix: string;
  N: number;
  r: number;
  p: number;
}

export async function* seal(
  plaintext: AsyncIterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Uint8Array> {
  const header: Header = {
    salt: randomBytes(16).toString('base64'),
    prefix: randomBytes(7).toString('base64'),
    ...COSTS,
  };
  const head = Buffer.from(`${MAGIC}${JSON.stringify(header)}\n`);
  yield head;
  const key = keyOf(header, passphrase);
  let index = 0;
  const chunk = (body: Uint8Array, last: boolean): Buffer => {
    const cipher = createCipheriv('aes-256-gcm', key, nonce(header, index, last));
    cipher.setAAD(head);
    index += 1;
    const sealed = Buffer.concat([cipher.update(body), cipher.final(), cipher.getAuthTag()]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(sealed.length);
    return Buffer.concat([length, sealed]);
  };
  let rest = Buffer.alloc(0);
  for await (const bytes of plaintext) {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length > CHUNK_BYTES) {
      yield chunk(rest.subarray(0, CHUNK_BYTES), false);
      rest = rest.subarray(CHUNK_BYTES);
    }
  }
  yield chunk(rest, true);
}

/** Errors: E_PASSPHRASE where the first chunk does not open, E_BACKUP where a later one does not, or is missing. */
export async function* unseal(
  file: AsyncIterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(file);
  const magic = await reader.take(MAGIC.length);
  if (magic?.toString('latin1') !== MAGIC) throw damaged('it is no backup of slipway');
  const line = await reader.line();
  const head = Buffer.concat([Buffer.from(MAGIC), line]);
  const header = parseHeader(line);
  const key = keyOf(header, passphrase);
  for (let index = 0; ; index += 1) {
    const length = (await reader.take(4))?.readUInt32BE(0);
    if (length === undefined) throw damaged('it is cut off');
    if (length < TAG_BYTES || length > CHUNK_BYTES + TAG_BYTES)
      throw damaged('a chunk has an impossible length');
    const sealed = await reader.take(length);
    if (sealed === undefined) throw damaged('it is cut off');
    const last = await reader.atEnd();
    yield open(key, header, head, { index, last, sealed });
    if (last) return;
  }
}

function open(
  key: Buffer,
  header: Header,
  head: Buffer,
  { index, last, sealed }: { index: number; last: boolean; sealed: Buffer },
): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(header, index, last));
  decipher.setAAD(head);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    if (index > 0) throw damaged(`chunk ${index} was changed, or what follows it is missing`, cause);
    throw new SlipwayError(
      'E_PASSPHRASE',
      'the passphrase does not open the backup, or its beginning was changed',
      {
        cause,
        hint: 'give the passphrase that the backup was made with: --passphrase-file or SLIPWAY_PASSPHRASE',
      },
    );
  }
}

/** Bounds keep a file that somebody made up from taking all memory. */
function parseHeader(line: Buffer): Header {
  try {
    const header = JSON.parse(line.toString()) as Header;
    const { N, r, p } = header;
    const sane = N >= 2 ** 14 && N <= 2 ** 20 && r >= 1 && r <= 16 && p >= 1 && p <= 4;
    if (sane && Buffer.from(header.prefix, 'base64').length === 7) return header;
  } catch {
    // Told below.
  }
  throw damaged('its header is damaged');
}

const keyOf = ({ salt, N, r, p }: Header, passphrase: string): Buffer =>
  scryptSync(passphrase.normalize('NFC'), Buffer.from(salt, 'base64'), 32, { N, r, p, maxmem: 256 * N * r });

function nonce({ prefix }: Header, index: number, last: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  Buffer.from(prefix, 'base64').copy(bytes);
  bytes.writeUInt32BE(index, 7);
  bytes[11] = last ? 1 : 0;
  return bytes;
}

function damaged(why: string, cause?: unknown): SlipwayError {
  return new SlipwayError('E_BACKUP', `the backup cannot be used: ${why}`, {
    cause,
    hint: 'take another copy of it, or the backup before',
  });
}

class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** So many bytes, or undefined where the file ends before. */
  async take(count: number): Promise<Buffer | undefined> {
    while (this.#held.length < count) if (!(await this.#more())) return undefined;
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async line(): Promise<Buffer> {
    for (;;) {
      const end = this.#held.indexOf(0x0a);
      if (end >= 0) return (await this.take(end + 1)) ?? Buffer.alloc(0);
      if (this.#held.length > MAX_HEADER_BYTES || !(await this.#more()))
        throw damaged('its header is damaged');
    }
  }

  async atEnd(): Promise<boolean> {
    return this.#held.length === 0 && !(await this.#more());
  }

  async #more(): Promise<boolean> {
    while (!this.#ended) {
      const { value, done } = await this.#chunks.next();
      if (done) {
        this.#ended = true;
        break;
      }
      if (value.length === 0) continue;
      this.#held = Buffer.concat([this.#held, value]);
      return true;
    }
    return false;
  }
}
