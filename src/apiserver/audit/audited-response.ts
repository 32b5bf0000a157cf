import { gunzipSync } from 'node:zlib';
import { decodeProtobuf } from '../../api/protobuf/envelope.ts';
import { parseExact } from '../../api/json/exact-parser.ts';
import { PROTOBUF_TYPE } from '../respond/representation.ts';
import type { ApiResponse } from '../request-context.ts';
import type { AuditRecord } from './record.ts';

/** Longer answers are not recorded: an event holds one object, not the cluster. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Tells the record of an answer's head, and keeps its body where the record wants it. */
export class AuditedResponse implements ApiResponse {
  readonly #inner: ApiResponse;
  readonly #record: AuditRecord;
  readonly #isLong: boolean;
  #chunks: Buffer[] | undefined;
  #bytes = 0;
  #contentType = '';
  #isGzip = false;

  constructor(inner: ApiResponse, record: AuditRecord, isLong: boolean) {
    this.#inner = inner;
    this.#record = record;
    this.#isLong = isLong;
    if (record.wantsResponse && !isLong) this.#chunks = [];
  }

  get started(): boolean {
    return this.#inner.started;
  }

  get statusCode(): number {
    return this.#inner.statusCode;
  }

  get pendingBytes(): number {
    return this.#inner.pendingBytes;
  }

  setHeader(name: string, value: string | string[]): void {
    if (name.toLowerCase() === 'content-encoding') this.#isGzip = value === 'gzip';
    this.#inner.setHeader(name, value);
  }

  send(status: number, contentType: string, body: Buffer): void {
    this.#head(status, contentType);
    this.#keep(body);
    this.#inner.send(status, contentType, body);
    this.#finish();
  }

  begin(status: number, contentType: string): void {
    this.#head(status, contentType);
    this.#inner.begin(status, contentType);
  }

  write(chunk: Buffer): boolean {
    this.#keep(chunk);
    return this.#inner.write(chunk);
  }

  drained(): Promise<void> {
    return this.#inner.drained();
  }

  end(): void {
    this.#finish();
    this.#inner.end();
  }

  abort(): void {
    this.#inner.abort();
  }

  #head(status: number, contentType: string): void {
    this.#contentType = contentType;
    if (this.#isLong) this.#record.responseStarted(status);
  }

  #keep(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BODY_BYTES) this.#chunks = undefined;
    this.#chunks?.push(chunk);
  }

  #finish(): void {
    const chunks = this.#chunks;
    this.#chunks = undefined;
    if (!chunks || chunks.length === 0) return;
    try {
      const whole = Buffer.concat(chunks);
      const body = this.#isGzip ? gunzipSync(whole, { maxOutputLength: MAX_BODY_BYTES }) : whole;
      if (this.#contentType.startsWith(PROTOBUF_TYPE)) {
        this.#record.responseObject(decodeProtobuf(body, { kind: '', apiVersion: '' }));
      } else if (this.#contentType.startsWith('application/json')) {
        this.#record.responseObject(parseExact(body.toString('utf8')).value);
      }
    } catch {
      // What cannot be read back is not recorded; the answer has gone out.
    }
  }
}
