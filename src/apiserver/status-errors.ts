import { SlipwayError } from '../base/errors.ts';
import { aggregateText, fieldErrorBody, fieldErrorText } from './field-error.ts';
import type { FieldError } from './field-error.ts';
import { jsonQuote } from './json-quote.ts';

/** metav1.Status as the server sends it. */
export interface StatusBody {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: { continue?: string };
  status: 'Failure' | 'Success';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

/** `{ group: 'apps', resource: 'deployments' }`; prints as 'deployments.apps', the core group without a dot. */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

/** An answer to the client in the form of a Status. Mirrors apimachinery pkg/api/errors/errors.go. */
export class StatusError extends SlipwayError {
  readonly status: StatusBody;
  /** Sent instead of the Status, where upstream's answer is no Status. */
  readonly plainText: string | undefined;

  constructor(status: StatusBody, cause?: unknown, plainText?: string) {
    super('E_API_STATUS', status.message ?? 'the request failed', { cause });
    this.status = status;
    this.plainText = plainText;
  }

  get reason(): string {
    return this.status.reason ?? '';
  }

  get httpCode(): number {
    return this.status.code ?? 500;
  }
}

export function qualified(resource: GroupResource): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
}

/** A failure with any code, reason and details. */
export function failure(
  code: number,
  reason: string,
  message: string,
  details?: StatusDetails,
  cause?: unknown,
): StatusError {
  const status: StatusBody = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message };
  if (reason !== '') status.reason = reason;
  if (details) status.details = details;
  status.code = code;
  return new StatusError(status, cause);
}

function detailsOf(resource: GroupResource, name: string): StatusDetails {
  const details: StatusDetails = {};
  if (name !== '') details.name = name;
  if (resource.group !== '') details.group = resource.group;
  if (resource.resource !== '') details.kind = resource.resource;
  return details;
}

export function notFound(resource: GroupResource, name: string): StatusError {
  return failure(
    404,
    'NotFound',
    `${qualified(resource)} ${jsonQuote(name)} not found`,
    detailsOf(resource, name),
  );
}

/** The path names nothing that the server serves. */
/** A group version of ours has no such path. */
export function pathNotFound(): StatusError {
  return failure(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** Nobody serves the path: upstream's answer is the plain text of Go's http.NotFound, which clients know. */
export function nothingServed(): StatusError {
  return new StatusError(pathNotFound().status, undefined, '404 page not found\n');
}

export function alreadyExists(resource: GroupResource, name: string): StatusError {
  return failure(
    409,
    'AlreadyExists',
    `${qualified(resource)} ${jsonQuote(name)} already exists`,
    detailsOf(resource, name),
  );
}

export function generateNameConflict(resource: GroupResource, name: string): StatusError {
  const message =
    `${qualified(resource)} ${jsonQuote(name)} already exists, ` +
    'the server was not able to generate a unique name for the object';
  return failure(409, 'AlreadyExists', message, { ...detailsOf(resource, name), retryAfterSeconds: 1 });
}

/** What an update with an old resourceVersion is told (apiserver pkg/registry/generic/registry/store.go). */
export const OPTIMISTIC_LOCK_MESSAGE =
  'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(
  resource: GroupResource,
  name: string,
  why: string = OPTIMISTIC_LOCK_MESSAGE,
): StatusError {
  return failure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} ${jsonQuote(name)}: ${why}`,
    detailsOf(resource, name),
  );
}

/** Server-side apply would take fields that others own. */
export function applyConflict(causes: StatusCause[], message: string): StatusError {
  return failure(409, 'Conflict', message, { causes });
}

export function unauthorized(message = 'Unauthorized'): StatusError {
  return failure(401, 'Unauthorized', message);
}

/** `why` completes "pods "x" is forbidden: …". */
export function forbiddenRequest(resource: GroupResource, name: string, why: string): StatusError {
  let message = `forbidden: ${why}`;
  if (resource.resource !== '' || resource.group !== '') {
    message =
      name === ''
        ? `${qualified(resource)} is forbidden: ${why}`
        : `${qualified(resource)} ${jsonQuote(name)} is forbidden: ${why}`;
  }
  return failure(403, 'Forbidden', message, detailsOf(resource, name));
}

/** 422 with one cause a field; `kind` is the object's kind, not its resource. */
export function invalidObject(
  kind: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const qualifiedKind = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  let message = `${qualifiedKind} ${jsonQuote(name)} is invalid`;
  if (errors.length > 0) message += `: ${aggregateText(errors.map(fieldErrorText))}`;
  const details: StatusDetails = {};
  if (name !== '') details.name = name;
  if (kind.group !== '') details.group = kind.group;
  if (kind.kind !== '') details.kind = kind.kind;
  if (errors.length > 0) {
    details.causes = errors.map((error) => ({
      reason: error.type,
      message: fieldErrorBody(error),
      field: error.field,
    }));
  }
  return failure(422, 'Invalid', message, details);
}

export function badRequest(message: string): StatusError {
  return failure(400, 'BadRequest', message);
}

/** The resourceVersion asked for is too old; `continueToken` lets a list go on at the newest version. */
export function resourceExpired(message: string, continueToken?: string): StatusError {
  const error = failure(410, 'Expired', message);
  if (continueToken !== undefined) error.status.metadata.continue = continueToken;
  return error;
}

/** The resourceVersion asked for is newer than the store (apiserver pkg/storage/errors.go). */
export function tooLargeResourceVersion(requested: number, current: number): StatusError {
  return failure(504, 'Timeout', `Timeout: Too large resource version: ${requested}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

export function tooManyRequests(message: string, retryAfterSeconds: number): StatusError {
  return failure(429, 'TooManyRequests', message, { retryAfterSeconds });
}

export function serviceUnavailable(message: string, retryAfterSeconds?: number): StatusError {
  return failure(
    503,
    'ServiceUnavailable',
    message,
    retryAfterSeconds === undefined ? undefined : { retryAfterSeconds },
  );
}

export function methodNotSupported(resource: GroupResource, action: string): StatusError {
  return failure(
    405,
    'MethodNotAllowed',
    `${action} is not supported on resources of kind ${jsonQuote(qualified(resource))}`,
    detailsOf(resource, ''),
  );
}

export function methodNotAllowed(): StatusError {
  return failure(
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
    {},
  );
}

export function internalError(message: string, cause?: unknown): StatusError {
  return failure(
    500,
    'InternalError',
    `Internal error occurred: ${message}`,
    { causes: [{ message }] },
    cause,
  );
}

export function requestTimeout(message: string, retryAfterSeconds = 0): StatusError {
  return failure(504, 'Timeout', `Timeout: ${message}`, retryAfterSeconds ? { retryAfterSeconds } : {});
}

export function requestEntityTooLarge(message: string): StatusError {
  return failure(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`);
}

export function notAcceptable(accepted: readonly string[]): StatusError {
  return failure(406, 'NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`);
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  return failure(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
}

/** The answer to a deletion that leaves nothing to show. */
export function deletedStatus(resource: GroupResource, name: string, uid: string): StatusBody {
  const details = detailsOf(resource, name);
  if (uid !== '') details.uid = uid;
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}
