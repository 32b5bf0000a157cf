import { SlipwayError } from '../../base/errors.ts';

/** An answer that is no success; the message is the body. */
export class HttpError extends SlipwayError {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super('E_KUBELET_REQUEST', message);
    this.statusCode = statusCode;
  }
}
