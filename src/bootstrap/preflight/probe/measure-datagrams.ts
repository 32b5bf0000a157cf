import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Clock } from '../../../base/clock.ts';
import { ANSWER_BYTES, question, readAnswer } from './datagram.ts';
import { percentile, type UdpResult } from './protocol.ts';

const PACKETS = 200;
const INTERVAL_MS = 5;
/** For the answers of the last packets. */
const LATE_MS = 1000;
const SIZE_TRIES = 3;
const SIZE_WAIT_MS = 250;
/** Of IPv4 and UDP: what a packet is longer than its payload. */
const HEADER_BYTES = 28;
/** Every IPv4 link carries this much. */
const LEAST_MTU = 576;

interface Way {
  address: string;
  port: number;
  mtu: number;
  token: string;
}

interface Means {
  clock: Clock;
  routeMtu: (address: string) => Promise<number | undefined>;
}

/** Sends datagrams to a listener and looks at what comes back: round trip, loss, clocks, and the path's MTU. */
export async function measureDatagrams(way: Way, means: Means): Promise<UdpResult> {
  const socket = createSocket('udp4');
  const exchange = new Exchange(socket, way, means.clock);
  try {
    socket.bind(0);
    await once(socket, 'listening');
    // The first packet pays for ARP: it is not counted.
    await exchange.reaches(ANSWER_BYTES, 1);
    const sent = await exchange.burst();
    const result: UdpResult = { sent: PACKETS, received: sent.roundTrips.length };
    if (sent.roundTrips.length === 0) return result;
    const sorted = sent.roundTrips.toSorted((a, b) => a - b);
    result.roundTripMs = { p50: percentile(sorted, 0.5), max: sorted.at(-1) ?? NaN };
    result.clockOffsetMs = sent.offsetMs;
    result.pathMtu = await pathMtu(exchange, way, means);
    return result;
  } finally {
    socket.close();
  }
}

/**
 * Linux sends packets of at most the interface's MTU with "don't fragment". Where a router says that one is too large, the
 * kernel remembers that on the route (and fragments from then on); where it is lost without a word, sizes are tried.
 */
async function pathMtu(exchange: Exchange, way: Way, means: Means): Promise<number> {
  const whole = await exchange.reaches(way.mtu - HEADER_BYTES, SIZE_TRIES);
  const learned = await means.routeMtu(way.address);
  if (learned !== undefined && learned < way.mtu) return learned;
  if (whole) return way.mtu;
  let [good, bad] = [LEAST_MTU, way.mtu];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (await exchange.reaches(middle - HEADER_BYTES, SIZE_TRIES)) good = middle;
    else bad = middle;
  }
  return good;
}

class Exchange {
  readonly #socket: Socket;
  readonly #way: Way;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, (remoteMs: number) => void>();
  #number = 0;

  constructor(socket: Socket, way: Way, clock: Clock) {
    this.#socket = socket;
    this.#way = way;
    this.#clock = clock;
    socket.on('error', () => {});
    socket.on('message', (packet) => {
      const answer = readAnswer(packet, way.token);
      if (!answer) return;
      this.#waiting.get(answer.number)?.(answer.nowMs);
      this.#waiting.delete(answer.number);
    });
  }

  #send(bytes: number, answered: (remoteMs: number) => void): number {
    this.#number += 1;
    this.#waiting.set(this.#number, answered);
    const { address, port, token } = this.#way;
    // A packet that the kernel refuses is one that does not arrive.
    this.#socket.send(question(token, this.#number, bytes), port, address, () => {});
    return this.#number;
  }

  /** Whether a packet with that payload gets there, and the answer back, within some tries. */
  async reaches(bytes: number, tries: number): Promise<boolean> {
    for (let attempt = 0; attempt < tries; attempt += 1) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const number = this.#send(bytes, () => resolve(true));
      const timer = this.#clock.after(SIZE_WAIT_MS, () => resolve(false));
      const arrived = await promise;
      timer.cancel();
      this.#waiting.delete(number);
      if (arrived) return true;
    }
    return false;
  }

  /** Small packets in a steady stream; the offset of the clocks is that of the quickest answer. */
  async burst(): Promise<{ roundTrips: number[]; offsetMs: number }> {
    const roundTrips: number[] = [];
    let [quickestMs, offsetMs] = [Infinity, 0];
    const all = Promise.withResolvers<void>();
    for (let sent = 0; sent < PACKETS; sent += 1) {
      const [startedMs, wallMs] = [this.#clock.monotonicMs(), this.#clock.now()];
      this.#send(ANSWER_BYTES, (remoteMs) => {
        const tookMs = this.#clock.monotonicMs() - startedMs;
        roundTrips.push(tookMs);
        if (tookMs < quickestMs) [quickestMs, offsetMs] = [tookMs, remoteMs - (wallMs + tookMs / 2)];
        if (roundTrips.length === PACKETS) all.resolve();
      });
      await this.#clock.sleep(INTERVAL_MS);
    }
    const timer = this.#clock.after(LATE_MS, () => all.resolve());
    await all.promise;
    timer.cancel();
    this.#waiting.clear();
    return { roundTrips, offsetMs };
  }
}
