import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { AnswerCache } from './answer-cache.ts';
import { exchange, type Transport, type Upstream } from './upstream.ts';
import { MAX_UDP_PAYLOAD, RCODE, TYPE, type Query } from './wire.ts';

export interface ForwarderOptions {
  clock: Clock;
  log: Logger;
  /** Questions that wait for upstream servers at once; more are refused. Default 1000. */
  maxPending?: number;
  /** How long one server may take. Default 2 s. */
  timeoutMs?: number;
}

/** A server that failed is asked last for so long. */
const AVOID_MS = 10_000;

/**
 * Asks the servers of the outside world: in their order, those that failed a moment ago last. Equal questions
 * that wait are asked once; answers are kept for their lifetime. A server that leads back to us is left out.
 */
export class Forwarder {
  readonly #options: Required<ForwarderOptions>;
  readonly #cache: AnswerCache;
  readonly #pending = new Map<string, Promise<Buffer | undefined>>();
  readonly #avoidUntilMs = new Map<string, number>();
  readonly #probes = new Map<string, string>();
  #upstreams: readonly Upstream[] = [];
  #looping = new Set<string>();

  constructor(options: ForwarderOptions) {
    this.#options = { maxPending: 1000, timeoutMs: 2000, ...options };
    this.#cache = new AnswerCache(options.clock);
  }

  get upstreams(): readonly Upstream[] {
    return this.#upstreams.filter((upstream) => !this.#looping.has(nameOf(upstream)));
  }

  /** Sets the servers, and asks each whether it leads back to us; resolves when that is known. Never rejects. */
  async setUpstreams(upstreams: readonly Upstream[]): Promise<void> {
    this.#upstreams = upstreams;
    this.#looping = new Set();
    await Promise.all(upstreams.map((upstream) => this.#probe(upstream)));
  }

  async #probe(upstream: Upstream): Promise<void> {
    const name = `${randomBytes(8).toString('hex')}.loop-probe.slipway.invalid`;
    this.#probes.set(name, nameOf(upstream));
    const { clock, timeoutMs } = this.#options;
    const packet = encodeQuestion(name);
    const question = packet.subarray(12);
    try {
      await exchange({ upstream, transport: 'udp', packet, question, timeoutMs, clock });
    } catch {
      // No answer is no loop; real questions will tell what else is wrong.
    } finally {
      this.#probes.delete(name);
    }
  }

  /** Whether the question is one of our own probes come back; then its server is never asked again. */
  isOwnProbe(query: Query): boolean {
    const upstream = this.#probes.get(query.name);
    if (upstream === undefined) return false;
    if (!this.#looping.has(upstream)) {
      this.#looping.add(upstream);
      this.#options.log.warn({ upstream }, 'a name server leads back to this one: it is left out');
    }
    return true;
  }

  /** The upstream's answer under the query's id and question; undefined where none of them answers. */
  async ask(query: Query, transport: Transport): Promise<Buffer | undefined> {
    const { type, name, edns, checkingDisabled, recursionDesired } = query;
    // What changes the answer is part of the key; the transport decides whether a long one is cut.
    const flags = `${edns ? 1 : 0}${edns?.dnssecOk ? 1 : 0}${checkingDisabled ? 1 : 0}${recursionDesired ? 1 : 0}`;
    const key = `${name} ${type} ${query.class} ${flags}`;
    const cached = this.#cache.get(key);
    if (cached) return addressed(cached, query);
    const pendingKey = `${key} ${transport}`;
    let pending = this.#pending.get(pendingKey);
    if (!pending) {
      if (this.#pending.size >= this.#options.maxPending) return undefined;
      pending = this.#askAll(query, transport).finally(() => this.#pending.delete(pendingKey));
      this.#pending.set(pendingKey, pending);
    }
    const answer = await pending;
    if (answer) this.#cache.put(key, answer);
    return answer ? addressed(Buffer.from(answer), query) : undefined;
  }

  async #askAll(query: Query, transport: Transport): Promise<Buffer | undefined> {
    const { clock, timeoutMs, log } = this.#options;
    const nowMs = clock.monotonicMs();
    const avoided = (upstream: Upstream) => (this.#avoidUntilMs.get(nameOf(upstream)) ?? 0) > nowMs;
    const order = this.upstreams.toSorted((a, b) => Number(avoided(a)) - Number(avoided(b)));
    let failure: Buffer | undefined;
    for (const upstream of order) {
      try {
        const packet = outgoing(query);
        const { question } = query;
        const answer = await exchange({ upstream, transport, packet, question, timeoutMs, clock });
        const rcode = (answer[3] ?? 0) & 0xf;
        if (rcode !== RCODE.SERVFAIL && rcode !== RCODE.REFUSED) return answer;
        failure = answer;
      } catch (error) {
        log.debug({ err: messageOf(error) }, 'a name server did not answer');
      }
      this.#avoidUntilMs.set(nameOf(upstream), clock.monotonicMs() + AVOID_MS);
    }
    return failure;
  }
}

const nameOf = ({ address, port }: Upstream): string => `${address} ${port}`;

/** Puts a query's id and question (its very letters) into an answer to the same question. */
function addressed(answer: Buffer, query: Query): Buffer {
  answer.writeUInt16BE(query.id, 0);
  if (answer.readUInt16BE(4) === 1) query.question.copy(answer, 12);
  return answer;
}

/**
 * The query as we ask it: the question and, for a client that speaks EDNS, an OPT record without its options,
 * because the answer (a cookie, say) may be given to other clients.
 */
function outgoing({ question, edns, checkingDisabled, recursionDesired }: Query): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, edns ? 1 : 0]);
  header.writeUInt16BE((recursionDesired ? 0x0100 : 0) | (checkingDisabled ? 0x0010 : 0), 2);
  if (!edns) return Buffer.concat([header, question]);
  const option = Buffer.from([0, 0, TYPE.OPT, 0, 0, 0, 0, edns.dnssecOk ? 0x80 : 0, 0, 0, 0]);
  option.writeUInt16BE(MAX_UDP_PAYLOAD, 3);
  return Buffer.concat([header, question, option]);
}

/** A plain query for the TXT record of a name. */
function encodeQuestion(name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const header = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, TYPE.TXT, 0, 1])]);
}
