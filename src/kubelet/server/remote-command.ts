import type { WebSocket } from 'ws';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { StreamChoice } from '../cri/runtime.ts';
import { dialSpdy } from '../spdy/dial.ts';
import { SpdyConnection, type SpdyStream } from '../spdy/spdy-connection.ts';
import { ChannelSocket, ERROR, RESIZE, STDERR, STDIN, STDOUT } from './channels.ts';

/** v4: the exit status comes as a metav1.Status on the error stream. */
const SPDY_PROTOCOL = 'v4.channel.k8s.io';

/**
 * Joins a client's WebSocket to an exec or attach of the runtime, which speaks SPDY: channels become streams,
 * closed channels half-closed streams, and the error stream's Status the error channel's.
 *
 * @param url of CRI's Exec or Attach.
 */
export async function bridgeRemoteCommand(
  socket: WebSocket,
  protocol: string,
  url: string,
  streams: StreamChoice,
  log: Logger,
): Promise<void> {
  const bridge = new Bridge(socket, protocol, streams);
  try {
    const { socket: upgraded, head } = await dialSpdy(url, [SPDY_PROTOCOL]);
    bridge.connect(new SpdyConnection(upgraded, (error) => bridge.finished(error)), head);
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'no stream to the runtime');
    bridge.fail(messageOf(error));
  }
}

class Bridge {
  readonly #channels: ChannelSocket;
  readonly #streams: StreamChoice;
  readonly #output: Partial<Record<number, SpdyStream>> = {};
  /** What the client sent before the runtime was reached. */
  #early: Array<{ channel: number; data: Buffer | undefined }> | undefined = [];
  #connection: SpdyConnection | undefined;
  #status: Buffer[] = [];
  #done = false;
  #open = 0;

  constructor(socket: WebSocket, protocol: string, streams: StreamChoice) {
    this.#streams = streams;
    this.#channels = new ChannelSocket(socket, protocol, {
      data: (channel, data) => this.#fromClient(channel, data),
      closed: (channel) => this.#fromClient(channel, undefined),
    });
    socket.on('close', () => {
      this.#done = true;
      this.#connection?.close();
    });
    socket.on('error', () => this.#connection?.close());
    // Tells the client that the connection stands, as upstream's first empty message does.
    this.#channels.send(streams.stdout ? STDOUT : streams.stderr ? STDERR : ERROR, Buffer.alloc(0));
  }

  connect(connection: SpdyConnection, head: Buffer): void {
    this.#connection = connection;
    if (this.#done) {
      connection.close();
      return;
    }
    const { stdin, stdout, stderr, tty } = this.#streams;
    this.#openStream('error', ERROR);
    if (stdin) this.#openStream('stdin', STDIN);
    if (stdout) this.#openStream('stdout', STDOUT);
    if (stderr && !tty) this.#openStream('stderr', STDERR);
    if (tty) this.#openStream('resize', RESIZE);
    connection.feed(head);
    for (const { channel, data } of this.#early ?? []) this.#toRuntime(channel, data);
    this.#early = undefined;
  }

  /** The runtime's connection has ended: so has the command. */
  finished(error: Error | undefined): void {
    if (this.#done) return;
    if (error && this.#status.length === 0) this.fail(error.message);
    else this.#finish();
  }

  fail(message: string): void {
    if (this.#done) return;
    const status = { metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 };
    this.#status = [Buffer.from(JSON.stringify(status))];
    this.#finish();
  }

  #openStream(type: string, channel: number): void {
    const connection = this.#connection;
    if (!connection) return;
    const fromRuntime = channel === STDOUT || channel === STDERR || channel === ERROR;
    if (fromRuntime) this.#open += 1;
    this.#output[channel] = connection.open(
      { streamType: type },
      {
        data: (data) => this.#toClient(channel, data),
        end: () => {
          if (!fromRuntime) return;
          this.#open -= 1;
          if (this.#open === 0) this.#finish();
        },
      },
    );
    // Only the runtime speaks on these.
    if (fromRuntime) this.#output[channel]?.end();
  }

  #toClient(channel: number, data: Buffer): void {
    if (channel === ERROR) {
      this.#status.push(data);
      return;
    }
    this.#channels.sendWithPressure(
      channel,
      data,
      () => this.#connection?.pause(),
      () => this.#connection?.resume(),
    );
  }

  #fromClient(channel: number, data: Buffer | undefined): void {
    if (this.#early) this.#early.push({ channel, data });
    else this.#toRuntime(channel, data);
  }

  #toRuntime(channel: number, data: Buffer | undefined): void {
    if (channel !== STDIN && channel !== RESIZE) return;
    const stream = this.#output[channel];
    if (!stream) return;
    if (data === undefined) stream.end();
    else if (!stream.write(data)) {
      this.#channels.pause();
      void stream.drained().then(() => this.#channels.resume());
    }
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    const status = Buffer.concat(this.#status);
    const text = statusFor(this.#channels.version, status);
    if (text !== undefined) this.#channels.send(ERROR, text);
    this.#channels.close();
    this.#connection?.close();
  }
}

/** v4 and v5 read a Status; the first protocol read a text, and nothing for success. */
function statusFor(version: string, status: Buffer): Buffer | undefined {
  if (version !== 'v1') {
    return status.length > 0 ? status : Buffer.from(JSON.stringify({ metadata: {}, status: 'Success' }));
  }
  try {
    const parsed = JSON.parse(status.toString('utf8')) as { status?: string; message?: string };
    return parsed.status === 'Success' ? undefined : Buffer.from(parsed.message ?? '');
  } catch {
    return status.length > 0 ? status : undefined;
  }
}
