import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import {
  decodeMapEntry,
  decodeWire,
  encodeMap,
  encodeWire,
} from '../../src/apiserver/encryption/kms/wire.ts';
import type { WireValue } from '../../src/apiserver/encryption/kms/wire.ts';

type Fields = Array<[number, WireValue]>;

/**
 * A key management plugin as k8s.io/kms apis/v2 defines them, on a Unix socket: keys are derived from their ids, so that
 * one that is started anew opens what another has sealed.
 */
export class KmsPlugin {
  readonly socket: string;
  keyId: string;
  healthz = 'ok';
  /** Answers nothing any more while true. */
  refuses = false;
  readonly calls = { Status: 0, Encrypt: 0, Decrypt: 0 };
  #server: Server | undefined;

  private constructor(socket: string, keyId: string) {
    this.socket = socket;
    this.keyId = keyId;
  }

  static async start(directory: string, keyId = 'key-1', name = 'kms.sock'): Promise<KmsPlugin> {
    const plugin = new KmsPlugin(join(directory, name), keyId);
    await plugin.listen();
    return plugin;
  }

  get endpoint(): string {
    return `unix://${this.socket}`;
  }

  async listen(): Promise<void> {
    const server = new Server();
    const method = (name: keyof KmsPlugin['calls'], answer: (fields: Fields) => Buffer) => ({
      path: `/v2.KeyManagementService/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (fields: Fields) => encodeWire(fields),
      requestDeserialize: (bytes: Buffer): Fields => decodeWire(bytes),
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
      handle: (call: ServerUnaryCall<Fields, Buffer>, callback: sendUnaryData<Buffer>) => {
        this.calls[name] += 1;
        if (this.refuses) return callback({ code: status.UNAVAILABLE, details: 'the plugin refuses' });
        try {
          callback(null, answer(call.request));
        } catch (error) {
          callback({ code: status.INTERNAL, details: String(error) });
        }
      },
    });
    const methods = {
      Status: method('Status', () => this.#status()),
      Encrypt: method('Encrypt', (fields) => this.#encrypt(bytesOf(fields, 1))),
      Decrypt: method('Decrypt', (fields) => this.#decrypt(fields)),
    };
    server.addService(
      methods,
      Object.fromEntries(Object.entries(methods).map(([name, { handle }]) => [name, handle])),
    );
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(this.endpoint, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    this.#server = server;
  }

  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  #status(): Buffer {
    return encodeWire([
      [1, Buffer.from('v2')],
      [2, Buffer.from(this.healthz)],
      [3, Buffer.from(this.keyId)],
    ]);
  }

  #encrypt(plaintext: Buffer): Buffer {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', keyOf(this.keyId), nonce);
    const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return encodeWire([
      [1, sealed],
      [2, Buffer.from(this.keyId)],
      ...encodeMap(3, new Map([['version.kms.example.com', Buffer.from('1')]])),
    ]);
  }

  #decrypt(fields: Fields): Buffer {
    const sealed = bytesOf(fields, 1);
    const annotations = new Map(
      fields.flatMap(([number, value]) =>
        number === 4 && typeof value !== 'number' ? [decodeMapEntry(value)] : [],
      ),
    );
    if (annotations.get('version.kms.example.com')?.toString() !== '1') throw new Error('no annotation');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      keyOf(bytesOf(fields, 3).toString()),
      sealed.subarray(0, 12),
    );
    decipher.setAuthTag(sealed.subarray(-16));
    return encodeWire([[1, Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])]]);
  }
}

function keyOf(keyId: string): Buffer {
  return createHash('sha256').update(keyId).digest();
}

function bytesOf(fields: Fields, wanted: number): Buffer {
  const [, value] = fields.find(([number]) => number === wanted) ?? [];
  if (value === undefined || typeof value === 'number') throw new Error(`field ${wanted} is missing`);
  return value;
}
