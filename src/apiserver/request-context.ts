import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { KubeObject } from '../api/resource.ts';
import type { Clock } from '../base/clock.ts';

/** Who asks, as authentication found and impersonation may have changed. */
export interface UserInfo {
  name: string;
  uid?: string;
  groups: string[];
  extra: Record<string, string[]>;
}

/** What the path and the method ask for. Mirrors apiserver pkg/endpoints/request/requestinfo.go. */
export interface RequestInfo {
  /** False for /healthz, /version, discovery and the like: then only `verb` (the method, lower case) and `path` count. */
  isResourceRequest: boolean;
  /** get, list, watch, create, update, patch, delete, deletecollection; for other paths the HTTP method in lower case. */
  verb: string;
  /** The path as it came, without the query. */
  path: string;
  /** 'api' or 'apis' for resource requests, else ''. */
  apiPrefix: string;
  group: string;
  version: string;
  /** '' for cluster-scoped requests and for lists over all namespaces. */
  namespace: string;
  resource: string;
  subresource: string;
  name: string;
  /** Path segments after the resource, e.g. ['web', 'proxy', 'a', 'b']. */
  parts: string[];
  labelSelector: string;
  fieldSelector: string;
}

/** One request, whichever HTTP version it came by. */
export interface ApiRequest {
  readonly method: string;
  /** The path without the query, percent-encoded as it came. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: IncomingHttpHeaders;
  /** The client's certificate, verified by TLS against all client CAs, or undefined. */
  readonly clientCertificate: ClientCertificate | undefined;
  /** Why the certificate that the client did send was not accepted: such a request is answered 401. */
  readonly clientCertificateError: string | undefined;
  readonly remoteAddress: string;
  readonly httpVersion: '1.1' | '2';
  /** Aborts when the client is gone, the request's time is up, or the server stops. */
  readonly signal: AbortSignal;
  /** The whole body; rejects with a 413 StatusError as soon as it grows past the limit. */
  body(): Promise<Buffer>;
  /** The body as it arrives, for proxies. */
  bodyStream(): AsyncIterable<Buffer> & NodeJS.ReadableStream;
  /** For an HTTP/1.1 upgrade: the raw socket with what the client sent after the head. Takes the socket over. */
  readonly upgrade: { socket: Duplex; head: Buffer } | undefined;
}

/** A certificate whose chain TLS has verified against the client CAs. */
export interface ClientCertificate {
  commonName: string;
  organizations: string[];
  /** DER. */
  raw: Buffer;
  /** The verified chain in DER, leaf first: tells which CA it leads to. */
  chain: Buffer[];
  /** Subject's uid attribute (1.3.6.1.4.1.57683.2), if it has one. */
  uid?: string;
}

/** One answer. Headers may be changed until the first byte of the body. */
export interface ApiResponse {
  readonly started: boolean;
  /** The status that was sent; 0 before. */
  readonly statusCode: number;
  setHeader(name: string, value: string | string[]): void;
  /** Sends the whole answer. */
  send(status: number, contentType: string, body: Buffer): void;
  /** Begins an answer of unknown length. */
  begin(status: number, contentType: string): void;
  /** Appends to it; false asks the caller to wait for `drained()`. */
  write(chunk: Buffer): boolean;
  /** Resolves when the client has taken enough; rejects when it is gone. */
  drained(): Promise<void>;
  /** Told when a wait for the client begins; what it returns, when that wait has ended. */
  onWait?: (() => () => void) | undefined;
  /** Bytes that the client has not yet taken. */
  readonly pendingBytes: number;
  end(): void;
  /** Ends the stream with an error, so that the client sees that the answer is not whole. */
  abort(): void;
}

/** A request on its way through the chain. */
export interface RequestContext {
  readonly info: RequestInfo;
  readonly user: UserInfo;
  readonly http: ApiRequest;
  readonly clock: Clock;
  /** Nothing may be stored. */
  readonly dryRun: boolean;
  readonly fieldManager: string;
  /** Adds a Warning header to the answer (kubectl prints them). Repeats are dropped. */
  warn(text: string): void;
  /** Adds an annotation to the request's audit event (`pod-security.kubernetes.io/…`); the first of a key stays. */
  annotate(key: string, value: string): void;
  /** Notes what came with the request, where someone records it. */
  readonly witness?: BodyWitness;
}

/** Told of bodies as they are read, before anything changes them. */
export interface BodyWitness {
  requestObject(object: KubeObject): void;
  requestPatch(patch: unknown): void;
}
