import { SlipwayError } from '../../base/errors.ts';

/** The bytes are no JSON (or YAML), or a value does not fit its field. Messages are upstream's. */
export class JsonError extends SlipwayError {
  constructor(message: string) {
    super('E_JSON', message, { hint: 'send the object as the Kubernetes API defines it' });
  }
}
