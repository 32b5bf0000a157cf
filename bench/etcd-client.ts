import { connect, type ClientHttp2Session } from 'node:http2';

/**
 * The least client of etcd's Put that there can be: gRPC by hand on HTTP/2, because a general client would
 * cost more than etcd itself and the comparison would measure it.
 */
export class EtcdClient {
  readonly #sessions: ClientHttp2Session[];
  #next = 0;

  constructor(url: string, connections: number) {
    this.#sessions = Array.from({ length: connections }, () => connect(url));
  }

  put(key: string, value: Buffer): Promise<void> {
    const session = this.#sessions[this.#next++ % this.#sessions.length]!;
    return new Promise((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/etcdserverpb.KV/Put',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('trailers', (trailers) => {
        if (trailers['grpc-status'] === '0') resolve();
        else reject(new Error(`etcd: ${String(trailers['grpc-message'])}`));
      });
      stream.on('error', reject);
      stream.on('response', (headers) => {
        if (headers['grpc-status'] !== undefined)
          reject(new Error(`etcd: ${String(headers['grpc-message'])}`));
      });
      stream.resume();
      stream.end(putRequest(key, value));
    });
  }

  close(): void {
    for (const session of this.#sessions) session.close();
  }
}

/** A message of gRPC: not compressed, its length, then PutRequest { key = 1, value = 2 } in protobuf. */
function putRequest(key: string, value: Buffer): Buffer {
  const keyBytes = Buffer.from(key);
  const message = Buffer.concat([
    Buffer.of(0x0a, ...varint(keyBytes.length)),
    keyBytes,
    Buffer.of(0x12, ...varint(value.length)),
    value,
  ]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
