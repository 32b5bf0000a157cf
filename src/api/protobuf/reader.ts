import { ProtobufError } from './errors.ts';

const TWO_32 = 4_294_967_296;

/** Reads protobuf's primitives from a buffer; every read is checked against the end. */
export class Reader {
  readonly buffer: Buffer;
  position: number;
  readonly end: number;

  constructor(buffer: Buffer, position = 0, end = buffer.length) {
    this.buffer = buffer;
    this.position = position;
    this.end = end;
  }

  /** A varint cut to 32 bits, unsigned: tags and lengths. */
  uint32(): number {
    const { buffer } = this;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= this.end) throw new ProtobufError('unexpected EOF');
      const byte = buffer[this.position++]!;
      if (shift < 28) value |= (byte & 0x7f) << shift;
      else if (shift === 28) value = (value >>> 0) + (byte & 0x0f) * 268_435_456;
      if (byte < 0x80) return value >>> 0;
    }
    throw new ProtobufError('proto: integer overflow');
  }

  /** A tag or length as exact number: unlike uint32, more than 32 bits are an error. */
  length(limit: number): number {
    const size = this.int64();
    if (typeof size !== 'number' || size < 0)
      throw new ProtobufError('proto: negative length found during unmarshaling');
    if (size > limit - this.position) throw new ProtobufError('unexpected EOF');
    return size;
  }

  /** Two's complement 64 bits; a bigint only beyond 2^53. */
  int64(): number | bigint {
    const first = this.position < this.end ? this.buffer[this.position]! : 0x80;
    if (first < 0x80) {
      this.position++;
      return first;
    }
    const [low, high] = this.#halves();
    const signed = high | 0;
    const value = signed * TWO_32 + low;
    return Number.isSafeInteger(value) ? value : (BigInt(signed) << 32n) | BigInt(low);
  }

  uint64(): number | bigint {
    const [low, high] = this.#halves();
    const value = high * TWO_32 + low;
    return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
  }

  int32(): number {
    return this.uint32() | 0;
  }

  double(): number {
    this.#need(8);
    const value = this.buffer.readDoubleLE(this.position);
    this.position += 8;
    return value;
  }

  /** The end of a length-delimited value, whose bytes start at `position`. */
  limit(): number {
    return this.length(this.end) + this.position;
  }

  string(): string {
    const end = this.limit();
    const text = decodeText(this.buffer, this.position, end);
    this.position = end;
    return text;
  }

  bytes(): Buffer {
    const end = this.limit();
    const part = this.buffer.subarray(this.position, end);
    this.position = end;
    return part;
  }

  /** Skips the value of an unknown field; groups are followed to their end. */
  skip(wireType: number, depth = 0): void {
    if (wireType === 0) {
      this.#halves();
    } else if (wireType === 1) {
      this.#need(8);
      this.position += 8;
    } else if (wireType === 2) {
      this.position = this.limit();
    } else if (wireType === 5) {
      this.#need(4);
      this.position += 4;
    } else if (wireType === 3 && depth < 100) {
      for (let tag = this.uint32(); (tag & 7) !== 4; tag = this.uint32()) this.skip(tag & 7, depth + 1);
    } else {
      throw new ProtobufError(`proto: illegal wireType ${wireType}`);
    }
  }

  #need(size: number): void {
    if (this.position + size > this.end) throw new ProtobufError('unexpected EOF');
  }

  #halves(): [number, number] {
    let low = 0;
    let high = 0;
    for (let index = 0; index < 10; index++) {
      if (this.position >= this.end) throw new ProtobufError('unexpected EOF');
      const byte = this.buffer[this.position++]!;
      const bits = byte & 0x7f;
      if (index < 4) low |= bits << (index * 7);
      else if (index === 4) {
        low |= bits << 28;
        high |= bits >> 4;
      } else if (index < 9) high |= bits << (index * 7 - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) return [low >>> 0, high >>> 0];
    }
    throw new ProtobufError('proto: integer overflow');
  }
}

const LONGEST_CACHED = 24;
const CACHE_SLOTS = 4096;
const cache: Array<string | undefined> = Array.from<string | undefined>({ length: CACHE_SLOTS });

/**
 * Most strings of the API are short and come again and again ('TCP', 'Always', label keys): they are taken
 * from a small table, which is faster than decoding them and lets objects share them.
 */
function decodeText(buffer: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > LONGEST_CACHED) return buffer.toString('utf8', start, end);
  let hash = length;
  for (let index = start; index < end; index++) {
    const byte = buffer[index]!;
    if (byte >= 0x80) return buffer.toString('utf8', start, end);
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const slot = (hash ^ (hash >>> 12)) & (CACHE_SLOTS - 1);
  const known = cache[slot];
  if (known !== undefined && known.length === length && sameText(known, buffer, start)) return known;
  const text = buffer.toString('latin1', start, end);
  cache[slot] = text;
  return text;
}

function sameText(text: string, buffer: Buffer, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== buffer[start + index]) return false;
  }
  return true;
}
