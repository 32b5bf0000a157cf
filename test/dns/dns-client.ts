import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { decode, encode, type DecodedPacket, type Packet, type RecordType } from 'dns-packet';

/** dns-packet's types leave `rcode` out. */
export type DnsAnswer = DecodedPacket & { rcode: string; size: number };

export interface AskOptions {
  port: number;
  transport?: 'udp' | 'tcp';
  /** Present: the client speaks EDNS and takes so many bytes. */
  udpPayload?: number;
  id?: number;
}

/** A resolver's side of the wire: asks one question and gives the answer and its size. */
export async function ask(name: string, type: RecordType, options: AskOptions): Promise<DnsAnswer> {
  const packet: Packet = {
    type: 'query',
    id: options.id ?? 4711,
    flags: 0x100,
    questions: [{ type, name }],
    ...(options.udpPayload === undefined
      ? {}
      : {
          additionals: [
            { type: 'OPT', name: '.', udpPayloadSize: options.udpPayload, flags: 0, options: [] },
          ],
        }),
  } as Packet;
  const answer = await sendRaw(encode(packet), options);
  if (!answer) throw new Error(`no answer for ${name} ${type}`);
  return { ...(decode(answer) as DecodedPacket & { rcode: string }), size: answer.length };
}

/** Sends bytes and gives the answer; undefined where there is none within the time. */
export async function sendRaw(
  bytes: Buffer,
  options: AskOptions,
  timeoutMs = 3000,
): Promise<Buffer | undefined> {
  if (options.transport === 'tcp') return await sendTcp(bytes, options.port);
  const socket = createSocket('udp4');
  try {
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) }) as Promise<[Buffer]>;
    socket.send(bytes, options.port, '127.0.0.1');
    return (await answer)[0];
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

async function sendTcp(bytes: Buffer, port: number): Promise<Buffer | undefined> {
  const socket = connect(port, '127.0.0.1');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length, 0);
  socket.write(Buffer.concat([length, bytes]));
  let received = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        return received.subarray(2);
    }
    return undefined;
  } finally {
    socket.destroy();
  }
}
