import { status, type ServiceError } from '@grpc/grpc-js';
import { codeOf, SlipwayError } from '../../base/errors.ts';
import { StorageCorruptError } from '../errors.ts';

/**
 * What an error means for the request: `final` it was refused and would be again; `undone` it was surely
 * not carried out, another try may succeed; `unknown` it may have been carried out.
 */
export type Failure = 'final' | 'undone' | 'unknown';

/** No member of etcd answers in time, or none knows a leader. */
export class StorageUnavailableError extends SlipwayError {
  constructor(endpoints: readonly string[], cause?: unknown) {
    super('E_STORAGE_UNAVAILABLE', `etcd does not answer at ${endpoints.join(', ')}: ${detailsOf(cause)}`, {
      hint: /certificate|alert|altnames/i.test(detailsOf(cause))
        ? 'Check --etcd-cafile, --etcd-certfile and --etcd-keyfile, and the certificates that the members show.'
        : 'More than half of its members must run and reach each other: systemctl status etcd on each.',
      cause,
    });
  }
}

/** A write was sent, its answer was lost, and history does not tell (any more) whether it took effect. */
export class UnknownOutcomeError extends SlipwayError {
  constructor(key: string, cause: unknown) {
    super(
      'E_STORAGE_UNKNOWN_OUTCOME',
      `it is unknown whether the write of ${key} took effect: ${detailsOf(cause)}`,
      { hint: 'Read the object before trying again.', cause },
    );
  }
}

/** An endpoint belongs to another cluster than the one this store was opened on. */
export class WrongClusterError extends SlipwayError {
  constructor(endpoint: string, expected: string, found: string) {
    super(
      'E_STORAGE_WRONG_CLUSTER',
      `${endpoint} belongs to the etcd cluster ${found}, not to ${expected} as the others`,
      { hint: 'Correct --etcd-servers, or restart the component if etcd was restored from a backup.' },
    );
  }
}

/** Words of etcd (api/v3rpc/rpctypes/error.go) that say that the request never reached its log. */
const UNDONE = ['no leader', 'too many requests', 'not capable', 'not supported for learner', 'not leader'];

export function failureOf(error: unknown): Failure {
  if (!isServiceError(error)) return 'final';
  const details = error.details;
  if (UNDONE.some((words) => details.startsWith('etcdserver: ') && details.includes(words))) return 'undone';
  switch (error.code) {
    case status.UNAVAILABLE:
      // What the client says of a connection that could not be made: nothing was sent.
      return details.startsWith('No connection established') || details.startsWith('Name resolution failed')
        ? 'undone'
        : 'unknown';
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
    case status.ABORTED:
    case status.INTERNAL:
    case status.UNKNOWN:
      return 'unknown';
    default:
      return 'final';
  }
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.code === 'number';
}

export function isCompacted(error: unknown): boolean {
  return isServiceError(error) && error.details.includes('has been compacted');
}

export function isFutureRevision(error: unknown): boolean {
  return isServiceError(error) && error.details.includes('is a future revision');
}

/** The error that callers see for one that is final; others pass through. */
export function toStorageError(error: unknown, endpoint: string): unknown {
  if (!isServiceError(error)) return error;
  const { details } = error;
  if (details.includes('database space exceeded')) {
    return new SlipwayError('E_STORAGE_FULL', 'etcd has reached its quota: the write was refused', {
      hint:
        'Reads go on. Compact and defragment every member (or raise --quota-backend-bytes), then run ' +
        '`etcdctl alarm disarm`: writes work again without a restart.',
      cause: error,
    });
  }
  if (details.includes('request is too large') || details.includes('received message larger than max')) {
    return new SlipwayError('E_STORAGE_TOO_LARGE', 'the object is too large for etcd: it was not written', {
      hint: 'Make the object smaller, or raise --max-request-bytes on every member.',
      cause: error,
    });
  }
  if (error.code === status.DATA_LOSS || details.includes('corrupt')) {
    return new StorageCorruptError(endpoint, details, error);
  }
  if (error.code === status.PERMISSION_DENIED || error.code === status.UNAUTHENTICATED) {
    return new SlipwayError('E_STORAGE_DENIED', `etcd at ${endpoint} refuses this client: ${details}`, {
      hint: 'Check --etcd-certfile: etcd must know the authority that signed it, and give it the rights.',
      cause: error,
    });
  }
  return new SlipwayError('E_STORAGE_ETCD', `etcd at ${endpoint} refuses the request: ${details}`, {
    cause: error,
  });
}

function detailsOf(error: unknown): string {
  if (isServiceError(error)) return error.details;
  if (error instanceof Error) return error.message;
  return error === undefined ? 'no answer in time' : (codeOf(error) ?? 'unknown error');
}
