import { decode, type OptAnswer, type Packet } from 'dns-packet';

/** Numbers of RFC 1035 and its successors. */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  AXFR: 252,
  IXFR: 251,
  ANY: 255,
} as const;
export const CLASS_IN = 1;
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

/** The largest answer that we send, and ask for, in one datagram: it fits every usual path without fragments. */
export const MAX_UDP_PAYLOAD = 1232;
const MIN_UDP_PAYLOAD = 512;
export const HEADER_LENGTH = 12;

/** A question that was read from a packet and checked. */
export interface Query {
  id: number;
  opcode: number;
  recursionDesired: boolean;
  checkingDisabled: boolean;
  /** Lower case, labels joined by dots, no dot at the end; '' is the root. */
  name: string;
  type: number;
  class: number;
  /** The question as it stood in the packet, to be given back with its case. */
  question: Buffer;
  /** Present where the client speaks EDNS (RFC 6891). */
  edns: { udpPayload: number; version: number; dnssecOk: boolean } | undefined;
}

/** What can be said of a packet: a query, an error to answer with, or nothing at all. */
export type Parsed =
  | { kind: 'query'; query: Query }
  | { kind: 'refuse'; id: number; opcode: number; rcode: number }
  | { kind: 'drop' };

const printable = /^[!-~]*$/;

/** Reads the name at an offset; undefined where it is malformed or compressed, which no question needs. */
export function readName(packet: Buffer, start: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let offset = start;
  for (;;) {
    const length = packet[offset];
    if (length === undefined || length > 63) return undefined;
    offset += 1;
    if (length === 0) break;
    if (offset + length > packet.length || offset + length - start > 254) return undefined;
    labels.push(labelText(packet.subarray(offset, offset + length)));
    offset += length;
  }
  return { name: labels.join('.').toLowerCase(), end: offset };
}

/** A label as text; odd bytes and dots inside are escaped, so that it equals no ordinary name. */
function labelText(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (printable.test(text) && !text.includes('.') && !text.includes('\\')) return text;
  return [...bytes].map((byte) => `\\${byte.toString().padStart(3, '0')}`).join('');
}

/** Reads and checks a packet from a client; never throws, whatever the bytes. */
export function parseQuery(packet: Buffer): Parsed {
  // Too short for a header, or an answer: answering either could make two servers talk for ever.
  if (packet.length < HEADER_LENGTH || (packet[2] ?? 0) & 0x80) return { kind: 'drop' };
  const id = packet.readUInt16BE(0);
  const flags = packet.readUInt16BE(2);
  const opcode = (flags >> 11) & 0xf;
  const refuse = (rcode: number): Parsed => ({ kind: 'refuse', id, opcode, rcode });
  if (opcode !== 0) return refuse(RCODE.NOTIMP);
  const counts = [4, 6, 8, 10].map((offset) => packet.readUInt16BE(offset));
  if (counts[0] !== 1 || counts[1] !== 0 || counts[2] !== 0 || (counts[3] ?? 0) > 2)
    return refuse(RCODE.FORMERR);
  const named = readName(packet, HEADER_LENGTH);
  if (!named || named.end + 4 > packet.length) return refuse(RCODE.FORMERR);
  const edns = readEdns(packet);
  if (edns === 'malformed') return refuse(RCODE.FORMERR);
  const query: Query = {
    id,
    opcode,
    recursionDesired: (flags & 0x0100) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    name: named.name,
    type: packet.readUInt16BE(named.end),
    class: packet.readUInt16BE(named.end + 2),
    question: packet.subarray(HEADER_LENGTH, named.end + 4),
    edns,
  };
  return { kind: 'query', query };
}

function readEdns(packet: Buffer): Query['edns'] | 'malformed' {
  let decoded: Packet;
  try {
    decoded = decode(packet);
  } catch {
    return 'malformed';
  }
  const options = (decoded.additionals ?? []).filter((record): record is OptAnswer => record.type === 'OPT');
  const [option] = options;
  if (options.length > 1) return 'malformed';
  if (!option) return undefined;
  return {
    udpPayload: Math.max(MIN_UDP_PAYLOAD, option.udpPayloadSize),
    version: option.ednsVersion,
    dnssecOk: option.flag_do,
  };
}

/** How many bytes an answer to this query may have in a datagram. */
export function datagramLimit(query: Query): number {
  return query.edns ? Math.min(query.edns.udpPayload, MAX_UDP_PAYLOAD) : MIN_UDP_PAYLOAD;
}

/** Where each record's lifetime stands in a packet (OPT has none), and whether the packet is whole. */
export function lifetimeOffsets(packet: Buffer): number[] | undefined {
  if (packet.length < HEADER_LENGTH) return undefined;
  const questions = packet.readUInt16BE(4);
  const records = packet.readUInt16BE(6) + packet.readUInt16BE(8) + packet.readUInt16BE(10);
  const offsets: number[] = [];
  let offset: number | undefined = HEADER_LENGTH;
  for (let i = 0; i < questions; i++) {
    offset = skipName(packet, offset);
    if (offset === undefined) return undefined;
    offset += 4;
  }
  for (let i = 0; i < records; i++) {
    offset = skipName(packet, offset);
    if (offset === undefined || offset + 10 > packet.length) return undefined;
    if (packet.readUInt16BE(offset) !== TYPE.OPT) offsets.push(offset + 4);
    offset += 10 + packet.readUInt16BE(offset + 8);
    if (offset > packet.length) return undefined;
  }
  return offsets;
}

function skipName(packet: Buffer, start: number): number | undefined {
  let offset = start;
  for (;;) {
    const length = packet[offset];
    if (length === undefined) return undefined;
    if (length === 0) return offset + 1;
    if ((length & 0xc0) === 0xc0) return offset + 2;
    if (length > 63) return undefined;
    offset += 1 + length;
  }
}
