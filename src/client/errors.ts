import { SlipwayError } from '../base/errors.ts';

/** metav1.Status, as far as clients read it. */
export interface StatusLike {
  kind?: string;
  apiVersion?: string;
  status?: string;
  message?: string;
  reason?: string;
  code?: number;
  details?: { name?: string; kind?: string; retryAfterSeconds?: number; causes?: unknown[] };
}

/** The API server answered with a Status. */
export class ApiError extends SlipwayError {
  readonly status: StatusLike;

  constructor(status: StatusLike) {
    super('E_API', status.message ?? `the API server answered ${status.code ?? 'with an error'}`);
    this.status = status;
  }

  /** The Status's reason: 'NotFound', 'Conflict', 'AlreadyExists', 'Forbidden', 'Expired' … */
  get reason(): string {
    return this.status.reason ?? '';
  }
}

/** Whether the error is an ApiError with this reason. */
export function hasReason(error: unknown, reason: string): error is ApiError {
  return error instanceof ApiError && error.reason === reason;
}

export const isNotFound = (error: unknown): boolean => hasReason(error, 'NotFound');
export const isConflict = (error: unknown): boolean => hasReason(error, 'Conflict');
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, 'AlreadyExists');

/** No API server could be reached. */
export class UnreachableError extends SlipwayError {
  constructor(servers: readonly string[], cause: unknown) {
    super('E_API_UNREACHABLE', `no API server answers (tried ${servers.join(', ')})`, {
      cause,
      hint: 'check that slipway-apiserver runs and that its port is reachable',
    });
  }
}

/** A connection broke, or an answer stayed out, after a request was sent: whether the server acted is unknown. */
export class ConnectionLostError extends SlipwayError {
  constructor(server: string, what: string, cause?: unknown) {
    super('E_API_CONNECTION_LOST', `${server}: ${what}`, { cause });
  }
}
