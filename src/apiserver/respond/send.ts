import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { dump } from 'js-yaml';
import { stringifyJson } from '../../api/json/encode.ts';
import { encodeProtobuf } from '../../api/protobuf/envelope.ts';
import type { ApiRequest, ApiResponse } from '../request-context.ts';
import type { StatusBody } from '../status-errors.ts';
import { JSON_TYPE, negotiate, PROTOBUF_TYPE, YAML_TYPE } from './representation.ts';
import type { Representation } from './representation.ts';

const gzipAsync = promisify(gzip);

/** Above this a body is written in pieces, so that no second copy of it is ever made. */
const WHOLE_BYTES = 256 * 1024;

export interface SendTarget {
  request: ApiRequest;
  response: ApiResponse;
  /** Bodies above it are compressed for clients that can read that. */
  gzipThresholdBytes: number;
}

/** Encodes a small object (no list of the cache) as the client wants it. */
export function encodeObject(object: object, representation: Representation): Buffer {
  if (representation.mediaType === PROTOBUF_TYPE) return encodeProtobuf(object);
  if (representation.mediaType === YAML_TYPE) {
    return Buffer.from(dump(object, { noRefs: true, lineWidth: -1 }));
  }
  if (representation.pretty) return Buffer.from(`${JSON.stringify(object, bigints, 2)}\n`);
  return Buffer.from(stringifyJson(object));
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

/** Sends an object in the negotiated form. */
export async function sendObject(
  target: SendTarget,
  status: number,
  object: object,
  representation: Representation,
): Promise<void> {
  await sendBytes(target, status, representation.mediaType, [encodeObject(object, representation)]);
}

/** Sends a body that is already encoded, in parts that stay as they are. */
export async function sendBytes(
  target: SendTarget,
  status: number,
  contentType: string,
  parts: readonly Buffer[],
): Promise<void> {
  const { response, request } = target;
  let total = 0;
  for (const part of parts) total += part.length;
  if (total > target.gzipThresholdBytes && acceptsGzip(request)) {
    response.setHeader('content-encoding', 'gzip');
    response.setHeader('vary', 'Accept-Encoding');
    const zipped = await gzipAsync(Buffer.concat(parts, total), { level: constants.Z_BEST_SPEED });
    response.send(status, contentType, zipped);
    return;
  }
  if (total <= WHOLE_BYTES) {
    const [first] = parts;
    response.send(status, contentType, parts.length === 1 && first ? first : Buffer.concat(parts, total));
    return;
  }
  response.setHeader('content-length', String(total));
  response.begin(status, contentType);
  await writeParts(response, parts);
  response.end();
}

/** Writes small parts together, and waits whenever the client is slower than we are. */
async function writeParts(response: ApiResponse, parts: readonly Buffer[]): Promise<void> {
  let batch: Buffer[] = [];
  let size = 0;
  for (const part of parts) {
    batch.push(part);
    size += part.length;
    if (size < 64 * 1024) continue;
    if (!response.write(Buffer.concat(batch, size))) await response.drained();
    batch = [];
    size = 0;
  }
  if (size > 0) response.write(Buffer.concat(batch, size));
}

export function acceptsGzip(request: ApiRequest): boolean {
  return /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
}

/** Sends a Status, in JSON where the client accepts nothing that we have. */
export function sendStatus(request: ApiRequest, response: ApiResponse, status: StatusBody): void {
  let representation: Representation;
  try {
    representation = negotiate(request, { protobuf: true, as: [] });
  } catch {
    representation = { mediaType: JSON_TYPE, as: '', metaVersion: 'v1', pretty: false };
  }
  const seconds = status.details?.retryAfterSeconds;
  if (seconds !== undefined && seconds > 0) response.setHeader('retry-after', String(seconds));
  const code = status.code ?? (status.status === 'Success' ? 200 : 500);
  response.send(code, representation.mediaType, encodeObject(status, representation));
}
