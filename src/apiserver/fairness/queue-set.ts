import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../base/clock.ts';

export interface QueueSetConfig {
  /** 0 refuses what cannot run at once. */
  queues: number;
  handSize: number;
  queueLengthLimit: number;
}

interface Waiting {
  seats: number;
  queue: Queue;
  start(): void;
  refuse(why: Refusal): void;
  timer: Timer;
}

interface Queue {
  waiting: Waiting[];
  seatsInUse: number;
  executing: number;
  /** The virtual time at which its next request may start. */
  nextStart: number;
}

export type Refusal = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled';

/** A request that runs. */
export interface Seated {
  /** Gives its seats back; `holdSeats` of them only after `holdMs`. Further calls do nothing. */
  release(holdSeats?: number, holdMs?: number): void;
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
      seatsWanted: waiting.reduce((sum, { seats }) => sum + seats, 0),
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
  enter(flow: string, seats: number, signal: AbortSignal): Seated | Promise<Seated> | Refusal {
    if (this.counts.waiting === 0 && this.#fits(seats)) return this.#seat(seats, undefined);
    if (this.#config.queues <= 0) {
      this.counts.rejected += 1;
      return 'concurrency-limit';
    }
    const queue = this.#queueOf(flow);
    if (queue.waiting.length >= this.#config.queueLengthLimit) {
      this.counts.rejected += 1;
      return 'queue-full';
    }
    return this.#wait(queue, seats, signal);
  }

  #wait(queue: Queue, seats: number, signal: AbortSignal): Promise<Seated> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.timer.cancel();
        signal.removeEventListener('abort', onAbort);
        this.counts.waiting -= 1;
      };
      const give = (why: Refusal): void => {
        const at = queue.waiting.indexOf(waiting);
        if (at === -1) return;
        queue.waiting.splice(at, 1);
        leave();
        if (why === 'time-out') this.counts.timedOut += 1;
        else this.counts.cancelled += 1;
        reject(new Refused(why));
      };
      const onAbort = (): void => give('cancelled');
      const waiting: Waiting = {
        seats,
        queue,
        start: () => {
          leave();
          resolve(this.#seat(seats, queue));
        },
        refuse: give,
        timer: this.#clock.after(this.#waitMs, () => give('time-out')),
      };
      signal.addEventListener('abort', onAbort, { once: true });
      // A queue that was empty has no claim on the time that it did not use.
      if (queue.waiting.length === 0) queue.nextStart = Math.max(queue.nextStart, this.#virtualTime);
      queue.waiting.push(waiting);
      this.counts.waiting += 1;
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
      for (const queue of this.#queues) for (const { seats } of queue.waiting) waiting += seats;
    }
    return this.#seatsInUse + waiting;
  }

  #seat(seats: number, queue: Queue | undefined): Seated {
    this.#seatsInUse += seats;
    if (this.#seatsInUse > this.#wanted) this.#wanted = this.#seatsInUse;
    this.counts.executing += 1;
    this.counts.dispatched += 1;
    if (queue) {
      queue.seatsInUse += seats;
      queue.executing += 1;
    }
    let released = false;
    const free = (many: number): void => {
      this.#seatsInUse -= many;
      if (queue) queue.seatsInUse -= many;
      if (this.counts.waiting > 0) this.#dispatch();
    };
    return {
      release: (holdSeats = 0, holdMs = 0) => {
        if (released) return;
        released = true;
        this.counts.executing -= 1;
        if (queue) queue.executing -= 1;
        if (holdSeats <= 0 || holdMs <= 0) return free(seats);
        // What the server does for watchers after the answer is work of this request too.
        this.#seatsInUse += holdSeats - seats;
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
      if (!next || !first || !this.#fits(first.seats)) return;
      next.waiting.shift();
      this.#virtualTime = next.nextStart;
      next.nextStart += first.seats;
      first.start();
    }
  }

  #queueOf(flow: string): Queue {
    const { queues, handSize } = this.#config;
    while (this.#queues.length < queues) {
      this.#queues.push({ waiting: [], seatsInUse: 0, executing: 0, nextStart: this.#virtualTime });
    }
    let best: Queue | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const index of dealHand(flow, queues, handSize)) {
      const queue = this.#queues[index];
      if (!queue) continue;
      const load = queue.waiting.reduce((sum, { seats }) => sum + seats, queue.seatsInUse);
      if (load < least) [best, least] = [queue, load];
    }
    return best ?? (this.#queues[0] as Queue);
  }
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
