import { SlipwayError } from '../../base/errors.ts';

/**
 * A patch that cannot be read or applied; the message is upstream's. `status` is the HTTP status that the
 * API answers with: 400 for a patch that is wrong in itself, 413 for too many operations, 422 for one that
 * does not fit the object, 500 for what upstream has no code for.
 */
export class PatchError extends SlipwayError {
  readonly status: 400 | 413 | 422 | 500;

  constructor(status: 400 | 413 | 422 | 500, message: string, cause?: unknown) {
    super('E_PATCH', message, {
      hint: 'check the patch against the object as it is now',
      ...(cause === undefined ? {} : { cause }),
    });
    this.status = status;
  }
}
