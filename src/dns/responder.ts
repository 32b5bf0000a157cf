import type { Logger } from '../base/log.ts';
import { messageOf } from '../base/errors.ts';
import type { ClusterZone, ZoneAnswer } from './cluster-zone.ts';
import { encodeRefusal, encodeReply, type DnsRecord, type Reply } from './encode.ts';
import type { Forwarder } from './forwarder.ts';
import type { Transport } from './upstream.ts';
import { CLASS_IN, datagramLimit, parseQuery, RCODE, TYPE, type Query } from './wire.ts';
import { aliasRecords, questionFor } from './alias.ts';

export interface ResponderOptions {
  zone: ClusterZone;
  forwarder: Forwarder;
  /** Whether the cluster's Services, endpoints and namespaces are known; until then SERVFAIL. */
  ready: () => boolean;
  random: () => number;
  log: Logger;
  /** Told of each answer, for the counters. */
  onAnswer?: (rcode: number) => void;
}

/** A CNAME may lead to another: so many are followed. */
const MAX_ALIASES = 8;
const MAX_TCP_LENGTH = 65_535;

/** Turns one packet into one answer, from the cluster's names or from upstream. Never rejects. */
export class Responder {
  readonly #options: ResponderOptions;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** The bytes to send back; undefined where nothing should be. */
  async respond(packet: Buffer, transport: Transport): Promise<Buffer | undefined> {
    const parsed = parseQuery(packet);
    if (parsed.kind === 'drop') return undefined;
    if (parsed.kind === 'refuse') return encodeRefusal(parsed.id, parsed.opcode, parsed.rcode);
    const { query } = parsed;
    const limit = transport === 'udp' ? datagramLimit(query) : MAX_TCP_LENGTH;
    try {
      const answer = await this.#answer(query, transport);
      const bytes = Buffer.isBuffer(answer) ? fit(answer, query, limit) : encodeReply(query, answer, limit);
      this.#options.onAnswer?.((bytes[3] ?? 0) & 0xf);
      return bytes;
    } catch (error) {
      this.#options.log.error(
        { name: query.name, err: messageOf(error) },
        'a question could not be answered',
      );
      this.#options.onAnswer?.(RCODE.SERVFAIL);
      return encodeReply(query, failure(RCODE.SERVFAIL), limit);
    }
  }

  async #answer(query: Query, transport: Transport): Promise<Reply | Buffer> {
    const { zone, forwarder, ready } = this.#options;
    if (query.edns && query.edns.version !== 0) return failure(RCODE.BADVERS);
    if (query.class !== CLASS_IN || query.type === TYPE.AXFR || query.type === TYPE.IXFR) {
      return failure(RCODE.REFUSED);
    }
    if (forwarder.isOwnProbe(query)) return failure(RCODE.REFUSED);
    if (zone.contains(query.name)) {
      if (!ready()) return failure(RCODE.SERVFAIL);
      return await this.#cluster(query, transport);
    }
    if (query.name.endsWith('.arpa')) {
      if (!ready()) return failure(RCODE.SERVFAIL);
      const reverse = zone.reverse(query.name, query.type);
      if (reverse) return this.#reply(reverse);
    }
    if (forwarder.upstreams.length === 0) return failure(RCODE.REFUSED);
    return (await forwarder.ask(query, transport)) ?? failure(RCODE.SERVFAIL);
  }

  #reply(answer: ZoneAnswer): Reply {
    const { zone, random } = this.#options;
    return {
      rcode: answer.rcode,
      authoritative: true,
      answers: shuffled(answer.answers, random),
      // Says how long the denial may be kept (RFC 2308).
      authority: answer.answers.length === 0 ? [zone.authority] : [],
      additional: answer.additional,
    };
  }

  /** Follows ExternalName Services, inside and outside, for clients that do not do it themselves. */
  async #cluster(query: Query, transport: Transport): Promise<Reply> {
    const { zone } = this.#options;
    const answers: DnsRecord[] = [];
    let name = query.name;
    for (let followed = 0; followed <= MAX_ALIASES; followed++) {
      const found = zone.answer(name, query.type);
      if (found.alias === undefined || query.type === TYPE.CNAME) {
        const reply = this.#reply(found);
        return { ...reply, answers: [...answers, ...reply.answers] };
      }
      answers.push(...found.answers);
      name = found.alias;
      if (zone.contains(name)) continue;
      const outside = await this.#outside(name, query, transport);
      // The alias itself is a good answer where its target cannot be asked for.
      if (!outside) return { rcode: RCODE.NOERROR, authoritative: true, answers };
      const target = aliasRecords(outside);
      return { rcode: target.rcode, authoritative: true, answers: [...answers, ...target.records] };
    }
    return failure(RCODE.SERVFAIL);
  }

  async #outside(name: string, query: Query, transport: Transport): Promise<Buffer | undefined> {
    const { forwarder } = this.#options;
    if (forwarder.upstreams.length === 0) return undefined;
    const question = questionFor(name, query);
    const answer = await forwarder.ask(question, transport);
    // An answer that was cut for a datagram is asked for whole: ours is another length anyway.
    const cut = answer !== undefined && ((answer[2] ?? 0) & 0x02) !== 0;
    return cut && transport === 'udp' ? await forwarder.ask(question, 'tcp') : answer;
  }
}

const failure = (rcode: number): Reply => ({ rcode, authoritative: false, answers: [] });

/** Other clients, other first answers: most take the first one. */
function shuffled(records: readonly DnsRecord[], random: () => number): DnsRecord[] {
  const result = [...records];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [result[i], result[j]];
    if (a && b) [result[i], result[j]] = [b, a];
  }
  return result;
}

/** Cuts an upstream's answer that the client's datagram cannot hold: the question alone, with the TC bit. */
function fit(answer: Buffer, query: Query, limit: number): Buffer {
  // Some servers leave the question out of an error; ours must not.
  const bare = answer.readUInt16BE(4) === 0;
  if (bare) return encodeReply(query, failure((answer[3] ?? 0) & 0xf), limit);
  if (answer.length <= limit) return answer;
  const cut = encodeReply(query, { rcode: (answer[3] ?? 0) & 0xf, authoritative: false, answers: [] }, limit);
  cut[2] = (cut[2] ?? 0) | 0x02;
  return cut;
}
