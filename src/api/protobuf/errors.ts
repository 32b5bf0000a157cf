import { SlipwayError } from '../../base/errors.ts';

/** Bytes that are no valid protobuf, or a value that does not fit its field. */
export class ProtobufError extends SlipwayError {
  constructor(message: string, cause?: unknown) {
    super('E_PROTOBUF', message, {
      hint: 'send the message as the Kubernetes API defines it',
      ...(cause === undefined ? {} : { cause }),
    });
  }
}
