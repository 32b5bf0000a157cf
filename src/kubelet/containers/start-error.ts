import { SlipwayError } from '../../base/errors.ts';

/** Upstream's reasons of a waiting container. */
export type StartReason =
  | 'CrashLoopBackOff'
  | 'ImagePullBackOff'
  | 'ErrImagePull'
  | 'ErrImageNeverPull'
  | 'ImageInspectError'
  | 'InvalidImageName'
  | 'CreateContainerConfigError'
  | 'CreateContainerError'
  | 'RunContainerError'
  | 'PostStartHookError';

/** A container could not be started; reason and message go into its waiting state. */
export class StartError extends SlipwayError {
  readonly reason: StartReason;
  /** When to try again, where that is known. */
  readonly retryMs: number | undefined;

  constructor(reason: StartReason, message: string, options: { retryMs?: number; cause?: unknown } = {}) {
    super('E_CONTAINER_START', message, { cause: options.cause });
    this.reason = reason;
    this.retryMs = options.retryMs;
  }
}
