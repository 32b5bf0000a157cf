import type { ApiRequest, ApiResponse } from '../request-context.ts';
import { failure, StatusError } from '../status-errors.ts';
import { acceptKey, BINARY, closeFrame, frameHead, SilentClient, TEXT } from './web-socket.ts';

const NEWLINE = 0x0a;
/** Before an event in protobuf. */
const LENGTH_BYTES = 4;
/** Names a bearer token, and is no protocol that could be chosen. */
const TOKEN_PROTOCOL = 'base64url.bearer.authorization.k8s.io.';

/** Whether the client asks to be told by messages of a WebSocket. */
export function asksForWebSocket(request: ApiRequest): boolean {
  return request.upgrade !== undefined && request.headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * A watch whose events are messages of a WebSocket: texts in JSON, else binary ones without the four bytes of length that
 * part events in a plain answer. Mirrors WatchServer.HandleWS of apiserver pkg/endpoints/handlers/watch.go, and, in what
 * a handshake must bring, golang.org/x/net/websocket.
 */
export class WatchOverWebSocket implements ApiResponse {
  readonly #request: ApiRequest;
  readonly #inner: ApiResponse;
  readonly #isText: boolean;
  #ended = false;
  /** What has come of an event that is not whole yet. */
  #held: Buffer[] = [];

  constructor(request: ApiRequest, inner: ApiResponse, isText: boolean) {
    this.#request = request;
    this.#inner = inner;
    this.#isText = isText;
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
    this.#inner.setHeader(name, value);
  }

  send(status: number, contentType: string, body: Buffer): void {
    this.#inner.send(status, contentType, body);
  }

  /** Shakes hands; throws where the client's side of it is not as it must be. */
  begin(): void {
    const { headers, upgrade } = this.#request;
    const key = headers['sec-websocket-key'] ?? '';
    if (key === '') throw refusal(400, 'mismatch challenge/response');
    if (headers['sec-websocket-version'] !== '13') {
      this.#inner.setHeader('sec-websocket-version', '13');
      throw refusal(400, 'missing or bad WebSocket Version');
    }
    // Browsers always name the page's origin; a client that names none is refused, as it is upstream.
    if (!URL.canParse(headers.origin ?? '')) throw refusal(403, '');
    const protocols = (headers['sec-websocket-protocol'] ?? '')
      .split(',')
      .map((protocol) => protocol.trim())
      .filter((protocol) => protocol !== '' && !protocol.startsWith(TOKEN_PROTOCOL));
    if (protocols.length > 1) throw refusal(400, '');
    const [protocol] = protocols;
    if (protocol !== undefined) this.#inner.setHeader('sec-websocket-protocol', protocol);
    this.#inner.setHeader('upgrade', 'websocket');
    this.#inner.setHeader('sec-websocket-accept', acceptKey(key));
    this.#inner.begin(101, '');
    if (upgrade) void new SilentClient(upgrade.socket, upgrade.head, (code) => this.#close(code));
  }

  /** Events may come in pieces, and several at once; a message goes out when its event is whole. */
  write(chunk: Buffer): boolean {
    if (this.#ended) return true;
    const parts: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      const end = this.#endOfEvent(chunk, at);
      if (end < 0) break;
      const message = [...this.#held, chunk.subarray(at, end)];
      this.#held = [];
      const skip = this.#isText ? 0 : LENGTH_BYTES;
      const length = message.reduce((sum, piece) => sum + piece.length, -skip);
      parts.push(frameHead(this.#isText ? TEXT : BINARY, length), Buffer.concat(message).subarray(skip));
      at = end;
    }
    if (at < chunk.length) this.#held.push(chunk.subarray(at));
    return parts.length === 0 || this.#inner.write(Buffer.concat(parts));
  }

  /** Where in the chunk the event that began before it, or at `from`, ends; -1 where it does not yet. */
  #endOfEvent(chunk: Buffer, from: number): number {
    if (this.#isText) {
      const at = chunk.indexOf(NEWLINE, from);
      return at < 0 ? -1 : at + 1;
    }
    const held = this.#held.reduce((sum, piece) => sum + piece.length, 0);
    if (held + chunk.length - from < LENGTH_BYTES) return -1;
    // The length is in the first piece, unless that is shorter than a length.
    const [first = chunk.subarray(from)] = this.#held;
    const head = first.length < LENGTH_BYTES ? Buffer.concat([...this.#held, chunk.subarray(from)]) : first;
    const end = LENGTH_BYTES + head.readUInt32BE(0) - held + from;
    return end > chunk.length ? -1 : end;
  }

  drained(): Promise<void> {
    return this.#inner.drained();
  }

  end(): void {
    this.#close(1000);
  }

  abort(): void {
    this.#ended = true;
    this.#inner.abort();
  }

  #close(code: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#inner.write(closeFrame(code));
    this.#inner.end();
  }
}

/** Upstream's library refuses with bare text. */
function refusal(code: number, text: string): StatusError {
  const { status } = failure(code, code === 403 ? 'Forbidden' : 'BadRequest', text);
  return new StatusError(status, undefined, text);
}
