import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import { HEADER_LENGTH } from './wire.ts';

export interface Upstream {
  address: string;
  port: number;
}

export type Transport = 'udp' | 'tcp';

/** An upstream server did not answer, or not to the question. */
export class UpstreamError extends SlipwayError {
  constructor(upstream: Upstream, reason: string, cause?: unknown) {
    super('E_DNS_UPSTREAM', `${upstream.address}:${upstream.port}: ${reason}`, { cause });
  }
}

/** Sends a query under an id of its own and gives the answer with that id; `question` is what it must repeat. */
export async function exchange(options: {
  upstream: Upstream;
  transport: Transport;
  packet: Buffer;
  question: Buffer;
  timeoutMs: number;
  clock: Clock;
}): Promise<Buffer> {
  const packet = Buffer.from(options.packet);
  // The id and the source port are all that a forger must guess.
  packet.writeUInt16BE(randomInt(0x10000), 0);
  const accepts = (answer: Buffer) => answersTo(answer, packet, options.question);
  const { upstream, timeoutMs, clock } = options;
  const send = options.transport === 'udp' ? exchangeUdp : exchangeTcp;
  return await send(upstream, packet, accepts, (fail) =>
    clock.after(timeoutMs, () => fail('no answer in time')),
  );
}

function answersTo(answer: Buffer, query: Buffer, question: Buffer): boolean {
  if (answer.length < HEADER_LENGTH || ((answer[2] ?? 0) & 0x80) === 0) return false;
  if (answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  // Some servers answer an error without the question.
  if (answer.readUInt16BE(4) === 0) return answer.length === HEADER_LENGTH && ((answer[3] ?? 0) & 0xf) !== 0;
  const repeated = answer.subarray(HEADER_LENGTH, HEADER_LENGTH + question.length);
  return repeated.toString('latin1').toLowerCase() === question.toString('latin1').toLowerCase();
}

type Deadline = (fail: (reason: string) => void) => { cancel(): void };

function exchangeUdp(
  upstream: Upstream,
  packet: Buffer,
  accepts: (answer: Buffer) => boolean,
  deadline: Deadline,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // A socket for each query has a source port of its own, and hears its upstream alone.
    const socket = createSocket(isIPv6(upstream.address) ? 'udp6' : 'udp4');
    let done = false;
    const finish = (settle: () => void) => {
      if (done) return;
      done = true;
      timer.cancel();
      socket.close();
      settle();
    };
    const fail = (reason: string, cause?: unknown) =>
      finish(() => reject(new UpstreamError(upstream, reason, cause)));
    const timer = deadline(fail);
    socket.on('error', (error) => fail(error.message, error));
    socket.on('message', (answer) => {
      if (accepts(answer)) finish(() => resolve(answer));
    });
    socket.connect(upstream.port, upstream.address, () => {
      if (!done) socket.send(packet, (error) => error && fail(error.message, error));
    });
  });
}

function exchangeTcp(
  upstream: Upstream,
  packet: Buffer,
  accepts: (answer: Buffer) => boolean,
  deadline: Deadline,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: upstream.address, port: upstream.port });
    const finish = (settle: () => void) => {
      timer.cancel();
      socket.destroy();
      settle();
    };
    const fail = (reason: string, cause?: unknown) =>
      finish(() => reject(new UpstreamError(upstream, reason, cause)));
    const timer = deadline(fail);
    let received = Buffer.alloc(0);
    socket.on('error', (error) => fail(error.message, error));
    socket.on('close', () => fail('the connection ended before the answer'));
    socket.on('connect', () => socket.write(frame(packet)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const answer = received.subarray(2, 2 + received.readUInt16BE(0));
      if (accepts(answer)) finish(() => resolve(answer));
      else fail('the answer is to another question');
    });
  });
}

/** A message as it goes over TCP: its length first. */
export function frame(packet: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(packet.length, 0);
  return Buffer.concat([length, packet]);
}
