import { Client, Metadata, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.ts';
import { SlipwayError } from '../../base/errors.ts';
import { decode, encode, type MessageType } from './codec.ts';
import { channelSecurity, type EtcdTlsPem } from './tls-files.ts';

/** A unary method of etcd: '/etcdserverpb.KV/Range' with its messages. */
export interface Method<Request extends object, Response extends object> {
  readonly path: string;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
}

interface Cancellable {
  cancel(): void;
}

/** One member of etcd by its client URL, and the connection to it, which is made when it is first used. */
export class Endpoint {
  readonly url: string;
  readonly #address: string;
  readonly #host: string;
  readonly #secure: boolean;
  readonly #clock: Clock;
  readonly #underWay = new Set<Cancellable>();
  #tls: EtcdTlsPem | undefined;
  #client: Client | undefined;
  #heardMs = 0;
  #closed = false;

  /** Throws E_STORAGE_ENDPOINT where the URL is none of etcd. */
  constructor(url: string, tls: EtcdTlsPem | undefined, clock: Clock) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (!parsed || !['http:', 'https:'].includes(parsed.protocol) || parsed.pathname !== '/') {
      throw invalidEndpoint(url, 'it is no URL as https://10.0.0.1:2379');
    }
    this.#secure = parsed.protocol === 'https:';
    if (this.#secure && !tls) throw invalidEndpoint(url, 'https needs --etcd-cafile');
    this.url = url;
    this.#host = parsed.hostname.replace(/^\[|\]$/g, '');
    const port = parsed.port || (this.#secure ? '443' : '80');
    this.#address = `${parsed.hostname}:${port}`;
    this.#tls = tls;
    this.#clock = clock;
  }

  /** When the member last answered anything, on the monotonic clock. */
  get heardMs(): number {
    return this.#heardMs;
  }

  get busy(): boolean {
    return this.#underWay.size > 0;
  }

  /** `deadlineMs` counts from now. `needsLeader`: a member that knows no leader refuses at once. */
  unary<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Partial<Request>,
    { deadlineMs, needsLeader = true }: { deadlineMs: number; needsLeader?: boolean },
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const call = this.#connected().makeUnaryRequest(
        method.path,
        (message: Partial<Request>) => encode(method.request, message),
        (bytes: Buffer) => decode(method.response, bytes),
        request,
        needsLeader ? requiringLeader() : new Metadata(),
        { deadline: this.#clock.now() + deadlineMs },
        (error: ServiceError | null, response?: Response) => {
          this.#underWay.delete(call);
          if (error) return reject(error);
          this.#heardMs = this.#clock.monotonicMs();
          return resolve(response as Response);
        },
      );
      this.#underWay.add(call);
    });
  }

  /** A stream both ways. It ends with 'end' or 'error'; `reset` ends it with an error. */
  duplex<Request extends object, Response extends object>(
    method: Method<Request, Response>,
  ): ClientDuplexStream<Partial<Request>, Response> {
    const stream = this.#connected().makeBidiStreamRequest(
      method.path,
      (message: Partial<Request>) => encode(method.request, message),
      (bytes: Buffer) => {
        this.#heardMs = this.#clock.monotonicMs();
        return decode(method.response, bytes);
      },
      requiringLeader(),
    );
    this.#track(stream);
    return stream;
  }

  /** A stream of answers to one request; `deadlineMs` counts from now. */
  serverStream<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Partial<Request>,
    deadlineMs: number,
  ): AsyncIterable<Response> & Cancellable {
    const stream = this.#connected().makeServerStreamRequest(
      method.path,
      (message: Partial<Request>) => encode(method.request, message),
      (bytes: Buffer) => decode(method.response, bytes),
      request,
      new Metadata(),
      { deadline: this.#clock.now() + deadlineMs },
    );
    this.#track(stream);
    return stream;
  }

  /** Gives the connection up: what is under way fails at once, the next call connects anew. */
  reset(tls: EtcdTlsPem | undefined = this.#tls): void {
    this.#tls = tls;
    const client = this.#client;
    this.#client = undefined;
    for (const call of this.#underWay) call.cancel();
    this.#underWay.clear();
    client?.close();
  }

  /** The next call connects with new certificates; what is under way goes on over the old connection. */
  renew(tls: EtcdTlsPem): void {
    this.#tls = tls;
    const client = this.#client;
    this.#client = undefined;
    client?.close();
  }

  close(): void {
    this.#closed = true;
    this.reset();
  }

  #track(stream: Cancellable & NodeJS.EventEmitter): void {
    this.#underWay.add(stream);
    stream.once('close', () => this.#underWay.delete(stream));
  }

  #connected(): Client {
    if (this.#closed) throw new SlipwayError('E_STORAGE_CLOSED', 'the store is closed');
    if (this.#client) return this.#client;
    const { credentials, options } = channelSecurity(this.#host, this.#secure ? this.#tls : undefined);
    this.#client = new Client(this.#address, credentials, {
      ...options,
      'grpc.use_local_subchannel_pool': 1,
      // Who tries again, and whether that is safe, is decided above.
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // etcd closes connections that are pinged more often than every 5 s.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 3000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
    });
    return this.#client;
  }
}

function requiringLeader(): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  return metadata;
}

function invalidEndpoint(url: string, why: string): SlipwayError {
  return new SlipwayError(
    'E_STORAGE_ENDPOINT',
    `${JSON.stringify(url)} cannot be an endpoint of etcd: ${why}`,
    {
      hint: 'Name the client URLs of its members in --etcd-servers, with commas between.',
    },
  );
}
