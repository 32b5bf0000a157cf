/** What one client may ask of the server; the numbers are upstream's. */
export interface HttpLimits {
  /** Bytes of a request body, counted while it streams in. */
  maxBodyBytes: number;
  maxHeaderBytes: number;
  /** Streams of one HTTP/2 connection. */
  maxConcurrentStreams: number;
  /** From the first byte of a request to the end of its headers. */
  headersTimeoutMs: number;
  /** A connection without requests is closed after so long. */
  idleTimeoutMs: number;
  /** A request other than a watch or a stream is answered 504 after so long. */
  requestTimeoutMs: number;
  /** Answers larger than this are compressed for clients that accept gzip. */
  gzipThresholdBytes: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  maxBodyBytes: 3 * 1024 * 1024,
  maxHeaderBytes: 1024 * 1024,
  maxConcurrentStreams: 100,
  headersTimeoutMs: 32_000,
  idleTimeoutMs: 90_000,
  requestTimeoutMs: 60_000,
  gzipThresholdBytes: 128 * 1024,
};
