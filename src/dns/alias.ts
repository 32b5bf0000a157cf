import { decode, encode, type Answer } from 'dns-packet';
import type { DnsRecord } from './encode.ts';
import { HEADER_LENGTH, RCODE, type Query } from './wire.ts';

/** A query of our own for the target of an alias, of the type that the client asked for. */
export function questionFor(name: string, query: Query): Query {
  const packet = Buffer.from(encode({ type: 'query', questions: [{ type: 'A', class: 'IN', name }] }));
  packet.writeUInt16BE(query.type, packet.length - 4);
  const question = packet.subarray(HEADER_LENGTH);
  return { ...query, id: 0, name, question, edns: undefined, recursionDesired: true };
}

/** The addresses and further aliases in an upstream's answer; SERVFAIL where it cannot be read. */
export function aliasRecords(packet: Buffer): { rcode: number; records: DnsRecord[] } {
  let answers: Answer[];
  try {
    answers = decode(packet).answers ?? [];
  } catch {
    return { rcode: RCODE.SERVFAIL, records: [] };
  }
  const records: DnsRecord[] = [];
  for (const answer of answers) {
    const ttl = 'ttl' in answer ? (answer.ttl ?? 0) : 0;
    if (answer.type === 'A' || answer.type === 'AAAA') {
      records.push({ type: answer.type, name: answer.name, ttl, address: answer.data });
    } else if (answer.type === 'CNAME') {
      records.push({ type: 'CNAME', name: answer.name, ttl, target: answer.data });
    }
  }
  return { rcode: (packet[3] ?? 0) & 0xf, records };
}
