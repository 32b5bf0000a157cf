import { SlipwayError } from '../../base/errors.ts';

/** gRPC's status names, as far as the kubelet tells them apart. */
export type RuntimeErrorCode =
  | 'NotFound'
  | 'DeadlineExceeded'
  | 'Unimplemented'
  | 'Unavailable'
  | 'AlreadyExists'
  | 'Cancelled'
  | 'Unknown';

/** The container runtime refused or failed a call. The message is the runtime's own, without gRPC's prefix. */
export class RuntimeError extends SlipwayError {
  readonly reason: RuntimeErrorCode;

  constructor(reason: RuntimeErrorCode, message: string, cause?: unknown) {
    super('E_CRI', message, { cause, hint: 'journalctl -u containerd shows what the runtime says of it' });
    this.reason = reason;
  }
}

export function isRuntimeError(error: unknown, reason: RuntimeErrorCode): error is RuntimeError {
  return error instanceof RuntimeError && error.reason === reason;
}
