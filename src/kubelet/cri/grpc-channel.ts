import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { decodeMessage } from '../../api/protobuf/decode.ts';
import { encodeMessage } from '../../api/protobuf/encode.ts';
import { loadTable, type LoadedTable } from '../../api/schema-table.ts';
import type { MessageSchema } from '../../api/schema.ts';
import type { Clock } from '../../base/clock.ts';
import { TABLE } from './gen/schema.ts';
import { RuntimeError, type RuntimeErrorCode } from './runtime-error.ts';

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

const REASONS: Partial<Record<status, RuntimeErrorCode>> = {
  [status.NOT_FOUND]: 'NotFound',
  [status.DEADLINE_EXCEEDED]: 'DeadlineExceeded',
  [status.UNIMPLEMENTED]: 'Unimplemented',
  [status.UNAVAILABLE]: 'Unavailable',
  [status.ALREADY_EXISTS]: 'AlreadyExists',
  [status.CANCELLED]: 'Cancelled',
};

let loaded: LoadedTable | undefined;

function messageSchema(name: string): MessageSchema {
  loaded ??= loadTable(
    TABLE,
    (_key, inner) => messageSchema(inner),
    () => undefined,
  );
  const schema = loaded.messages.get(name);
  if (!schema) throw new Error(`CRI has no message ${name}`);
  return schema;
}

export interface CallOptions {
  /** No limit where 0. Default two minutes, as upstream's --runtime-request-timeout. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** CRI's methods by name over a unix socket: 'RunPodSandbox' takes a RunPodSandboxRequest. */
export class GrpcChannel {
  readonly #client: Client;
  readonly #clock: Clock;

  constructor(endpoint: string, clock: Clock) {
    this.#clock = clock;
    const address = endpoint.startsWith('unix://') ? endpoint : `unix://${endpoint}`;
    this.#client = new Client(address, credentials.createInsecure(), {
      // containerd refuses the socket's path as an authority.
      'grpc.default_authority': 'localhost',
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      // A restarted runtime is found again within a second.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
    });
  }

  call<Response>(
    service: 'RuntimeService' | 'ImageService',
    method: string,
    request: object,
    options: CallOptions = {},
    names: { request?: string; response?: string } = {},
  ): Promise<Response> {
    const input = messageSchema(names.request ?? `${method}Request`);
    const output = messageSchema(names.response ?? `${method}Response`);
    const timeoutMs = options.timeoutMs ?? 120_000;
    const deadline = timeoutMs > 0 ? this.#clock.now() + timeoutMs : Infinity;
    options.signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      let abort: (() => void) | undefined;
      const call = this.#client.makeUnaryRequest(
        `/runtime.v1.${service}/${method}`,
        (value: object) => encodeMessage(input, value),
        (bytes: Buffer) => decodeMessage(output, bytes) as Response,
        request,
        new Metadata(),
        { deadline },
        (error: ServiceError | null, response?: Response) => {
          if (abort) options.signal?.removeEventListener('abort', abort);
          if (options.signal?.aborted && error) reject(options.signal.reason as Error);
          else if (error) reject(toRuntimeError(error));
          else resolve(response as Response);
        },
      );
      abort = () => call.cancel();
      options.signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Messages of a server's stream until it ends or the signal aborts. */
  stream(
    method: string,
    names: { request: string; response: string },
    signal: AbortSignal,
    onMessage: (message: object) => void,
  ): Promise<void> {
    const input = messageSchema(names.request);
    const output = messageSchema(names.response);
    return new Promise((resolve, reject) => {
      const call = this.#client.makeServerStreamRequest(
        `/runtime.v1.RuntimeService/${method}`,
        (value: object) => encodeMessage(input, value),
        (bytes: Buffer) => decodeMessage(output, bytes),
        {},
        new Metadata(),
        {},
      );
      const abort = () => call.cancel();
      signal.addEventListener('abort', abort, { once: true });
      call.on('data', onMessage);
      call.on('error', (error: ServiceError) => {
        signal.removeEventListener('abort', abort);
        if (signal.aborted) resolve();
        else reject(toRuntimeError(error));
      });
      call.on('end', () => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}

function toRuntimeError(error: ServiceError): RuntimeError {
  const reason = REASONS[error.code] ?? 'Unknown';
  // The runtime nests errors of its own calls: 'rpc error: code = NotFound desc = …'.
  const inner = /^rpc error: code = (\w+) desc = (.*)$/s.exec(error.details);
  const nested = inner?.[1] === 'NotFound' ? 'NotFound' : reason;
  return new RuntimeError(nested, inner?.[2] ?? error.details, error);
}
