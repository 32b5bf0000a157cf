/**
 * Writes protobuf from the end of a buffer to its start, as gogo does: the length of a message is known when
 * its tag is written, so one pass is enough. The caller writes fields in descending order.
 */
export class Writer {
  buffer: Buffer;
  /** Where the written part starts. */
  position: number;

  constructor(size = 1024) {
    this.buffer = Buffer.allocUnsafe(size);
    this.position = size;
  }

  /** How many bytes are written. */
  get size(): number {
    return this.buffer.length - this.position;
  }

  /** A copy of exactly what was written; the writer can be used again after `reset`. */
  finish(): Buffer {
    const result = Buffer.allocUnsafeSlow(this.size);
    this.buffer.copy(result, 0, this.position);
    return result;
  }

  reset(): void {
    this.position = this.buffer.length;
  }

  #ensure(size: number): void {
    if (this.position >= size) return;
    const used = this.size;
    let next = this.buffer.length * 2;
    while (next - used < size) next *= 2;
    const grown = Buffer.allocUnsafe(next);
    this.buffer.copy(grown, next - used, this.position);
    this.buffer = grown;
    this.position = next - used;
  }

  byte(value: number): void {
    this.#ensure(1);
    this.buffer[--this.position] = value;
  }

  /** A varint of 32 bits, unsigned: tags and lengths. */
  uint32(value: number): void {
    this.#ensure(5);
    const size = value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    let at = this.position - size;
    this.position = at;
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[at] = rest;
  }

  /** Any integer of 64 bits; negative ones take ten bytes, as two's complement. */
  varint(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && value <= 0xffff_ffff) {
      this.uint32(value);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    const bytes: number[] = [];
    while (rest >= 0x80n) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.#ensure(bytes.length);
    this.position -= bytes.length;
    for (let index = 0; index < bytes.length; index++) this.buffer[this.position + index] = bytes[index]!;
  }

  double(value: number): void {
    this.#ensure(8);
    this.position -= 8;
    this.buffer.writeDoubleLE(value, this.position);
  }

  bytes(value: Uint8Array): void {
    this.#ensure(value.length);
    this.position -= value.length;
    this.buffer.set(value, this.position);
    this.uint32(value.length);
  }

  string(value: string): void {
    const { length } = value;
    if (length <= 48 && this.#ascii(value, length)) {
      this.uint32(length);
      return;
    }
    const size = Buffer.byteLength(value);
    this.#ensure(size);
    this.position -= size;
    this.buffer.write(value, this.position, size, 'utf8');
    this.uint32(size);
  }

  #ascii(value: string, length: number): boolean {
    this.#ensure(length);
    const start = this.position - length;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) return false;
      this.buffer[start + index] = code;
    }
    this.position = start;
    return true;
  }
}
