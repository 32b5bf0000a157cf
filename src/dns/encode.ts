import { isIPv4, isIPv6 } from 'node:net';
import { SlipwayError } from '../base/errors.ts';
import { CLASS_IN, HEADER_LENGTH, MAX_UDP_PAYLOAD, RCODE, TYPE, type Query } from './wire.ts';

/** A record of the kinds that the cluster has; names are absolute, without a dot at the end. */
export type DnsRecord = { name: string; ttl: number } & (
  | { type: 'A' | 'AAAA'; address: string }
  | { type: 'CNAME' | 'NS' | 'PTR'; target: string }
  | { type: 'SRV'; priority: number; weight: number; port: number; target: string }
  | { type: 'TXT'; text: string }
  | { type: 'SOA'; mname: string; rname: string; serial: number; minimum: number }
);

export interface Reply {
  rcode: number;
  /** Whether the answer comes from the cluster's own names. */
  authoritative: boolean;
  answers: readonly DnsRecord[];
  authority?: readonly DnsRecord[];
  additional?: readonly DnsRecord[];
}

/** Something asked the encoder for a record that the wire format cannot hold. */
export class RecordError extends SlipwayError {
  constructor(message: string) {
    super('E_DNS_RECORD', message);
  }
}

/** Bytes that grow, with the places of the names in them, so that later ones can point back (RFC 1035, 4.1.4). */
class Writer {
  #buffer = Buffer.alloc(512);
  #length = 0;
  #names = new Map<string, number>();

  get length(): number {
    return this.#length;
  }

  /** Forgets what was written from there on. */
  truncate(length: number): void {
    this.#length = length;
    for (const [name, offset] of this.#names) if (offset >= length) this.#names.delete(name);
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#buffer.length) return;
    const larger = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#length + size));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  uint8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  uint16(value: number): void {
    this.#reserve(2);
    this.#length = this.#buffer.writeUInt16BE(value, this.#length);
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
  }

  patchUint16(offset: number, value: number): void {
    this.#buffer.writeUInt16BE(value, offset);
  }

  /** Writes a name, as a pointer where it or its end stands already. */
  name(name: string, compress: boolean): void {
    const labels = name === '' ? [] : name.split('.');
    if (name.length > 253) throw new RecordError(`the name is longer than 253 characters: ${name}`);
    for (const label of labels) {
      const size = Buffer.byteLength(label);
      if (size < 1 || size > 63)
        throw new RecordError(`a label of ${name} has ${size} bytes: 1 to 63 are allowed`);
    }
    for (const [index, label] of labels.entries()) {
      const rest = labels.slice(index).join('.').toLowerCase();
      const known = this.#names.get(rest);
      if (compress && known !== undefined) {
        this.uint16(0xc000 | known);
        return;
      }
      // A pointer has 14 bits.
      if (known === undefined && this.#length < 0x4000) this.#names.set(rest, this.#length);
      const bytes = Buffer.from(label);
      this.uint8(bytes.length);
      this.bytes(bytes);
    }
    this.uint8(0);
  }

  /** Notes the places of a question's labels, which was copied as it came. */
  knowQuestion(name: string): void {
    let offset = HEADER_LENGTH;
    const labels = name === '' ? [] : name.split('.');
    for (const [index, label] of labels.entries()) {
      // Escaped labels have another length on the wire: names after them are not reused.
      if (label.includes('\\')) return;
      this.#names.set(labels.slice(index).join('.'), offset);
      offset += 1 + label.length;
    }
  }

  result(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }
}

/**
 * The answer to a query as bytes, at most `limit` of them. What does not fit is left out: additional records
 * silently, others with the TC bit, which makes the client come back over TCP. Throws RecordError.
 */
export function encodeReply(query: Query, reply: Reply, limit: number): Buffer {
  const writer = new Writer();
  const counts = [1, 0, 0, 0];
  writer.bytes(header(query, reply));
  writer.bytes(query.question);
  writer.knowQuestion(query.name);
  // The OPT record must always go in.
  const room = limit - (query.edns ? 11 : 0);
  let truncated = false;
  const sections = [reply.answers, reply.authority ?? [], reply.additional ?? []];
  for (const [section, records] of sections.entries()) {
    for (const record of records) {
      const before = writer.length;
      writeRecord(writer, record);
      if (writer.length > room) {
        writer.truncate(before);
        truncated ||= section < 2;
        break;
      }
      counts[section + 1] = (counts[section + 1] ?? 0) + 1;
    }
    if (truncated) break;
  }
  if (query.edns) {
    writeOpt(writer, reply.rcode);
    counts[3] = (counts[3] ?? 0) + 1;
  }
  for (const [index, count] of counts.entries()) writer.patchUint16(4 + 2 * index, count);
  const packet = writer.result();
  if (truncated) packet[2] = (packet[2] ?? 0) | 0x02;
  return packet;
}

function header(query: Query, reply: Reply): Buffer {
  const bytes = Buffer.alloc(HEADER_LENGTH);
  bytes.writeUInt16BE(query.id, 0);
  const flags =
    0x8000 |
    (query.opcode << 11) |
    (reply.authoritative ? 0x0400 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    0x0080 |
    (query.checkingDisabled ? 0x0010 : 0) |
    (reply.rcode & 0xf);
  bytes.writeUInt16BE(flags, 2);
  return bytes;
}

/** An answer without a question, to a packet whose question could not be read. */
export function encodeRefusal(id: number, opcode: number, rcode: number): Buffer {
  const bytes = Buffer.alloc(HEADER_LENGTH);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(0x8000 | (opcode << 11) | rcode, 2);
  return bytes;
}

function writeOpt(writer: Writer, rcode: number): void {
  writer.uint8(0);
  writer.uint16(TYPE.OPT);
  writer.uint16(MAX_UDP_PAYLOAD);
  writer.uint8(rcode === RCODE.BADVERS ? 1 : 0); // the upper bits of the code
  writer.uint8(0);
  writer.uint16(0);
  writer.uint16(0);
}

function writeRecord(writer: Writer, record: DnsRecord): void {
  writer.name(record.name, true);
  writer.uint16(TYPE[record.type]);
  writer.uint16(CLASS_IN);
  writer.uint32(record.ttl);
  const lengthAt = writer.length;
  writer.uint16(0);
  writeData(writer, record);
  writer.patchUint16(lengthAt, writer.length - lengthAt - 2);
}

function writeData(writer: Writer, record: DnsRecord): void {
  switch (record.type) {
    case 'A':
    case 'AAAA':
      writer.bytes(addressBytes(record.type, record.address));
      return;
    case 'CNAME':
    case 'NS':
    case 'PTR':
      writer.name(record.target, true);
      return;
    case 'SRV':
      writer.uint16(record.priority);
      writer.uint16(record.weight);
      writer.uint16(record.port);
      writer.name(record.target, false); // RFC 2782 forbids to compress it
      return;
    case 'TXT': {
      const text = Buffer.from(record.text);
      if (text.length > 255) throw new RecordError(`a text has ${text.length} bytes: up to 255 are allowed`);
      writer.uint8(text.length);
      writer.bytes(text);
      return;
    }
    case 'SOA':
      writer.name(record.mname, true);
      writer.name(record.rname, true);
      writer.uint32(record.serial);
      for (const seconds of [7200, 1800, 86_400, record.minimum]) writer.uint32(seconds);
  }
}

function addressBytes(type: 'A' | 'AAAA', address: string): Uint8Array {
  if (type === 'A' && isIPv4(address)) return Uint8Array.from(address.split('.').map(Number));
  if (type === 'AAAA' && isIPv6(address)) return ipv6Bytes(address);
  throw new RecordError(`no ${type} record can hold ${address}`);
}

/** The 16 bytes of an IPv6 address that `isIPv6` has accepted. */
export function ipv6Bytes(address: string): Uint8Array {
  // The URL parser brings every form (:: and a dotted end) to plain groups.
  const text = new URL(`http://[${address.split('%')[0]}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
