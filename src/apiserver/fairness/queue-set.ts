import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../base/clock.ts';
import { RetryAfter } from './retry-after.ts';
import type { Ticket } from './ticket.ts';

export interface QueueSetConfig {
  /** 0 refuses what cannot run at once. */
  queues: number;
  handSize: number;
  queueLengthLimit: number;
}

interface Waiting {
  ticket: Ticket;
  queue: Queue;
  start(): void;
  refuse(why: Refusal): void;
  timer: Timer;
}

interface Queue {
  index: number;
  waiting: Waiting[];
  seatsInUse: number;
  executing: number;
  /** The virtual time, in seconds of a seat, at which its next request may start. */
  nextStart: number;
}

/** What a request is taken to cost before anybody knows: upstream's estimate. */
const ESTIMATED_SECONDS = 0.003;
/** The least that a request is charged for: one that takes no time at all still took a turn. */
const LEAST_SECONDS = 0.000_1;

export type Refusal = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled';

/** A request that runs. */
export interface Seated {
  /** Gives its seats back, those that it holds after the answer later. Further calls do nothing. */
  release(): void;
}

/**
 * The requests of one priority level: those that run take seats, the others wait in queues that are served in turns
 * of equal work. A flow waits in the shortest of a few queues that a hash of it chooses, so that one that floods the
 * server holds up only those that share all of its queues. Mirrors apiserver pkg/util/flowcontrol/fairqueuing.
 */
export class QueueSet {
  readonly #clock: Clock;
  readonly #waitMs: number;
  #config: QueueSetConfig;
  #queues: Queue[] = [];
  #limit = 0;
  #seatsInUse = 0;
  #virtualTime = 0;
  /** The most seats that were wanted at once since it was last asked. */
  #wanted = 0;
  /** What runs, with the queue that it waited in: -1 where it did not. */
  readonly #executing = new Map<Ticket, number>();
  readonly #retryAfter = new RetryAfter();
  readonly counts = { waiting: 0, executing: 0, dispatched: 0, rejected: 0, timedOut: 0, cancelled: 0 };

  constructor(clock: Clock, config: QueueSetConfig, waitMs: number) {
    this.#clock = clock;
    this.#config = config;
    this.#waitMs = waitMs;
  }

  get seatsInUse(): number {
    return this.#seatsInUse;
  }

  get limit(): number {
    return this.#limit;
  }

  get retryAfterSeconds(): number {
    return this.#retryAfter.seconds;
  }

  /** Every request that waits (with its place) or runs (with place -1); those that never waited have queue -1. */
  *tickets(): Generator<{ ticket: Ticket; queue: number; place: number }> {
    for (const [queue, { waiting }] of this.#queues.entries()) {
      for (const [place, { ticket }] of waiting.entries()) yield { ticket, queue, place };
    }
    for (const [ticket, queue] of this.#executing) yield { ticket, queue, place: -1 };
  }

  /** What is in each queue, for those who look. */
  queues(): Array<{
    waiting: number;
    executing: number;
    seatsInUse: number;
    seatsWanted: number;
    nextStart: number;
  }> {
    return this.#queues.map(({ waiting, executing, seatsInUse, nextStart }) => ({
      waiting: waiting.length,
      executing,
      seatsInUse,
      seatsWanted: waiting.reduce((sum, { ticket }) => sum + ticket.seats, 0),
      nextStart,
    }));
  }

  configure(config: QueueSetConfig): void {
    this.#config = config;
    // Queues that are to go keep those who wait in them; nobody new comes.
    while (this.#queues.length > config.queues && this.#queues.at(-1)?.waiting.length === 0)
      this.#queues.pop();
  }

  setLimit(limit: number): void {
    this.#limit = limit;
    this.#dispatch();
  }

  takeHighWater(): number {
    const wanted = this.#wanted;
    this.#wanted = this.#demand();
    return wanted;
  }

  /** Runs at once where there is room and nobody waits: then no promise and no hash is made. */
  enter(ticket: Ticket, signal: AbortSignal): Seated | Promise<Seated> | Refusal {
    if (this.counts.waiting === 0 && this.#fits(ticket.seats)) return this.#seat(ticket, undefined);
    if (this.#config.queues <= 0) return this.#refuse(ticket, 'concurrency-limit');
    const queue = this.#queueOf(`${ticket.schema},${ticket.distinguisher}`);
    if (queue.waiting.length >= this.#config.queueLengthLimit) return this.#refuse(ticket, 'queue-full');
    return this.#wait(queue, ticket, signal);
  }

  #refuse(ticket: Ticket, why: Refusal): Refusal {
    if (why === 'time-out') this.counts.timedOut += 1;
    else if (why === 'cancelled') this.counts.cancelled += 1;
    else this.counts.rejected += 1;
    const { rejected } = ticket.counts;
    rejected.set(why, (rejected.get(why) ?? 0) + 1);
    // Whoever has gone is told nothing.
    if (why !== 'cancelled') this.#retryAfter.refused(this.#clock.now());
    return why;
  }

  #wait(queue: Queue, ticket: Ticket, signal: AbortSignal): Promise<Seated> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.timer.cancel();
        signal.removeEventListener('abort', onAbort);
        this.counts.waiting -= 1;
        ticket.counts.waiting -= 1;
      };
      const give = (why: Refusal): void => {
        const at = queue.waiting.indexOf(waiting);
        if (at === -1) return;
        queue.waiting.splice(at, 1);
        leave();
        this.#refuse(ticket, why);
        reject(new Refused(why));
      };
      const onAbort = (): void => give('cancelled');
      const waiting: Waiting = {
        ticket,
        queue,
        start: () => {
          leave();
          resolve(this.#seat(ticket, queue));
        },
        refuse: give,
        timer: this.#clock.after(this.#waitMs, () => give('time-out')),
      };
      signal.addEventListener('abort', onAbort, { once: true });
      // A queue that was empty has no claim on the time that it did not use.
      if (queue.waiting.length === 0) queue.nextStart = Math.max(queue.nextStart, this.#virtualTime);
      queue.waiting.push(waiting);
      this.counts.waiting += 1;
      ticket.counts.waiting += 1;
      this.#wanted = Math.max(this.#wanted, this.#demand());
      this.#dispatch();
    });
  }

  /** A request that is wider than the whole level runs alone. */
  #fits(seats: number): boolean {
    return this.#seatsInUse === 0 || this.#seatsInUse + seats <= this.#limit;
  }

  #demand(): number {
    let waiting = 0;
    if (this.counts.waiting > 0) {
      for (const queue of this.#queues) for (const { ticket } of queue.waiting) waiting += ticket.seats;
    }
    return this.#seatsInUse + waiting;
  }

  #seat(ticket: Ticket, queue: Queue | undefined): Seated {
    const { seats, counts } = ticket;
    this.#seatsInUse += seats;
    if (this.#seatsInUse > this.#wanted) this.#wanted = this.#seatsInUse;
    this.counts.executing += 1;
    this.counts.dispatched += 1;
    counts.executing += 1;
    counts.dispatched += 1;
    counts.seatsInUse += seats;
    ticket.startedMs = this.#clock.now();
    const startedMs = this.#clock.monotonicMs();
    this.#executing.set(ticket, queue?.index ?? -1);
    if (queue) {
      queue.seatsInUse += seats;
      queue.executing += 1;
    }
    let released = false;
    const free = (many: number): void => {
      this.#seatsInUse -= many;
      counts.seatsInUse -= many;
      if (queue) queue.seatsInUse -= many;
      if (this.counts.waiting > 0) this.#dispatch();
    };
    return {
      release: () => {
        if (released) return;
        released = true;
        const { holdSeats, holdMs } = ticket;
        this.counts.executing -= 1;
        counts.executing -= 1;
        this.#executing.delete(ticket);
        if (queue) {
          queue.executing -= 1;
          // Its queue is charged for what it took rather than for what it was taken to.
          const tookSeconds = Math.max(LEAST_SECONDS, (this.#clock.monotonicMs() - startedMs) / 1000);
          queue.nextStart += seats * (tookSeconds - ESTIMATED_SECONDS);
        }
        if (holdSeats <= 0 || holdMs <= 0) return free(seats);
        // What the server does for watchers after the answer is work of this request too.
        this.#seatsInUse += holdSeats - seats;
        counts.seatsInUse += holdSeats - seats;
        if (queue) queue.seatsInUse += holdSeats - seats;
        this.#clock.after(holdMs, () => free(holdSeats));
      },
    };
  }

  /** As long as there is room, the queue whose turn it is. */
  #dispatch(): void {
    while (this.counts.waiting > 0) {
      let next: Queue | undefined;
      for (const queue of this.#queues) {
        if (queue.waiting.length > 0 && (!next || queue.nextStart < next.nextStart)) next = queue;
      }
      const first = next?.waiting[0];
      if (!next || !first || !this.#fits(first.ticket.seats)) return;
      next.waiting.shift();
      this.#virtualTime = next.nextStart;
      next.nextStart += first.ticket.seats * ESTIMATED_SECONDS + holdSeconds(first.ticket);
      first.start();
    }
  }

  #queueOf(flow: string): Queue {
    const { queues, handSize } = this.#config;
    while (this.#queues.length < queues) {
      const index = this.#queues.length;
      this.#queues.push({ index, waiting: [], seatsInUse: 0, executing: 0, nextStart: this.#virtualTime });
    }
    let best: Queue | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const index of dealHand(flow, queues, handSize)) {
      const queue = this.#queues[index];
      if (!queue) continue;
      const load = queue.waiting.reduce((sum, { ticket }) => sum + ticket.seats, queue.seatsInUse);
      if (load < least) [best, least] = [queue, load];
    }
    return best ?? (this.#queues[0] as Queue);
  }
}

/** The work after the answer, in seconds of a seat. */
function holdSeconds({ holdSeats, holdMs }: Ticket): number {
  return (holdSeats * holdMs) / 1000;
}

/** Why a request that waited does not run. */
export class Refused extends Error {
  readonly why: Refusal;

  constructor(why: Refusal) {
    super(why);
    this.why = why;
  }
}

/** Different queues of a deck, chosen by a hash. Mirrors apiserver pkg/util/shufflesharding. */
export function dealHand(flow: string, deck: number, handSize: number): number[] {
  let hash = createHash('sha256').update(flow).digest().readBigUInt64LE(0);
  const hand: number[] = [];
  const remainders: number[] = [];
  for (let dealt = 0; dealt < handSize; dealt++) {
    const left = BigInt(deck - dealt);
    remainders.push(Number(hash % left));
    hash /= left;
    let card = remainders[dealt] ?? 0;
    for (let before = dealt; before > 0; before--) if (card >= (remainders[before - 1] ?? 0)) card += 1;
    hand.push(card);
  }
  return hand;
}
