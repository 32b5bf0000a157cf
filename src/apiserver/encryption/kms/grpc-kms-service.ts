import { randomUUID } from 'node:crypto';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../../base/clock.ts';
import { SlipwayError } from '../../../base/errors.ts';
import type { KmsSealed, KmsService, KmsStatus } from './kms-service.ts';
import { decodeMapEntry, decodeWire, encodeMap, encodeWire } from './wire.ts';

const SERVICE = '/v2.KeyManagementService/';

/** A plugin behind a Unix socket, by gRPC. Every call ends within `timeoutMs`; errors are E_KMS. */
export class GrpcKmsService implements KmsService {
  readonly #client: Client;
  readonly #name: string;
  readonly #timeoutMs: number;
  readonly #clock: Clock;

  /** `endpoint` is 'unix:///path/of/socket'. */
  constructor(options: { name: string; endpoint: string; timeoutMs: number; clock: Clock }) {
    const { name, endpoint, timeoutMs, clock } = options;
    this.#name = name;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 3_000,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  async status(): Promise<KmsStatus> {
    const status = { version: '', healthz: '', keyId: '' };
    for (const [number, value] of await this.#call('Status', Buffer.alloc(0))) {
      if (typeof value === 'number') continue;
      if (number === 1) status.version = value.toString('utf8');
      else if (number === 2) status.healthz = value.toString('utf8');
      else if (number === 3) status.keyId = value.toString('utf8');
    }
    return status;
  }

  async encrypt(plaintext: Buffer): Promise<KmsSealed> {
    const request = encodeWire([
      [1, plaintext],
      [2, Buffer.from(randomUUID())],
    ]);
    let ciphertext: Buffer = Buffer.alloc(0);
    let keyId = '';
    const annotations = new Map<string, Buffer>();
    for (const [number, value] of await this.#call('Encrypt', request)) {
      if (typeof value === 'number') continue;
      if (number === 1) ciphertext = Buffer.from(value);
      else if (number === 2) keyId = value.toString('utf8');
      else if (number === 3) annotations.set(...decodeMapEntry(Buffer.from(value)));
    }
    return { ciphertext, keyId, annotations };
  }

  async decrypt({ ciphertext, keyId, annotations }: KmsSealed): Promise<Buffer> {
    const request = encodeWire([
      [1, ciphertext],
      [2, Buffer.from(randomUUID())],
      [3, Buffer.from(keyId)],
      ...encodeMap(4, annotations),
    ]);
    let plaintext: Buffer = Buffer.alloc(0);
    for (const [number, value] of await this.#call('Decrypt', request)) {
      if (number === 1 && typeof value !== 'number') plaintext = Buffer.from(value);
    }
    return plaintext;
  }

  close(): void {
    this.#client.close();
  }

  #call(method: string, request: Buffer): Promise<ReturnType<typeof decodeWire>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        SERVICE + method,
        (value: Buffer) => value,
        (bytes: Buffer) => decodeWire(bytes),
        request,
        new Metadata({ waitForReady: true }),
        { deadline: this.#clock.now() + this.#timeoutMs },
        (error: ServiceError | null, answer) => {
          if (!error && answer) resolve(answer);
          else reject(this.#failure(method, error));
        },
      );
    });
  }

  #failure(method: string, error: ServiceError | null): SlipwayError {
    const why = error ? error.details || error.message : 'it answered nothing';
    return new SlipwayError('E_KMS', `${method} of the key management service ${this.#name} failed: ${why}`, {
      cause: error ?? undefined,
      hint: 'look at the plugin that serves the socket in the encryption configuration',
    });
  }
}
