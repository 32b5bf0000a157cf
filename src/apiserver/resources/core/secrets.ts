import { SECRETS } from '../../../api/gen/resources.ts';
import type { Secret } from '../../../api/gen/types/core-v1.ts';
import { forbidden, invalid, required, tooLong } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkFormat, checkImmutable, key, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { configMapKey } from '../validation/formats.ts';
import { goJsonProblem } from '../validation/go-json.ts';
import { secretWarnings } from './secret-warnings.ts';

/** Of all values together; the same for config maps. */
export const MAX_DATA_BYTES = 1024 * 1024;
export const FROZEN = 'field is immutable when `immutable` is set';

/** Length of the bytes of a base64 text. */
export function base64Bytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return Math.max(0, (text.length / 4) * 3 - padding);
}

/** `stringData` is only ever written: it goes into `data`. */
function defaults(secret: Secret): void {
  if (secret.stringData) {
    secret.data ??= {};
    for (const [name, value] of Object.entries(secret.stringData)) {
      secret.data[name] = Buffer.from(value).toString('base64');
    }
    delete secret.stringData;
  }
  secret.type ||= 'Opaque';
}

/** Mirrors ValidateSecret of pkg/apis/core/validation/validation.go. */
function validate(secret: Secret): FieldError[] {
  const errors: Errors = [];
  const data = secret.data ?? {};
  let size = 0;
  for (const [name, value] of Object.entries(data)) {
    checkFormat(errors, key('data', name), name, configMapKey(name));
    size += base64Bytes(value);
  }
  if (size > MAX_DATA_BYTES) errors.push(tooLong('data', MAX_DATA_BYTES));
  const need = (name: string) => {
    if (data[name] === undefined) errors.push(required(key('data', name)));
  };
  switch (secret.type) {
    case 'kubernetes.io/service-account-token':
      if (!secret.metadata?.annotations?.['kubernetes.io/service-account.name']) {
        errors.push(required(key('metadata.annotations', 'kubernetes.io/service-account.name')));
      }
      break;
    case 'kubernetes.io/dockercfg':
      checkJson(errors, data, '.dockercfg');
      break;
    case 'kubernetes.io/dockerconfigjson':
      checkJson(errors, data, '.dockerconfigjson');
      break;
    case 'kubernetes.io/basic-auth':
      if (data['username'] === undefined && data['password'] === undefined) {
        need('username');
        need('password');
      }
      break;
    case 'kubernetes.io/ssh-auth':
      if (!data['ssh-privatekey']) errors.push(required(key('data', 'ssh-privatekey')));
      break;
    case 'kubernetes.io/tls':
      need('tls.crt');
      need('tls.key');
      break;
    default:
  }
  return errors;
}

function checkJson(errors: Errors, data: Record<string, string>, name: string): void {
  const value = data[name];
  if (value === undefined) {
    errors.push(required(key('data', name)));
    return;
  }
  const problem = goJsonProblem(Buffer.from(value, 'base64').toString('utf8'));
  if (problem !== undefined) errors.push(invalid(key('data', name), '<secret contents redacted>', problem));
}

/** Mirrors pkg/registry/core/secret/strategy.go. */
export const secrets = define(SECRETS, {
  strategy: {
    defaults,
    warningsOnCreate: secretWarnings,
    warningsOnUpdate: secretWarnings,
    validateCreate: validate,
    validateUpdate(secret, old) {
      const errors: Errors = [];
      checkImmutable(errors, 'type', secret.type, old.type);
      if (old.immutable) {
        if (!secret.immutable) errors.push(forbidden('immutable', FROZEN));
        if (!sameJson(secret.data, old.data)) errors.push(forbidden('data', FROZEN));
      }
      return [...errors, ...validate(secret)];
    },
    prepareForUpdate(secret, old) {
      // A client that sends no type means the one that there is.
      if (secret.type === 'Opaque' && old.type && old.type !== 'Opaque' && !secret.data)
        secret.type = old.type;
    },
  },
  fields: ({ type }) => ({ type: type ?? '' }),
  selectableFields: ['type'],
  columns: [
    nameColumn(),
    column('Type', 'string', ({ type }) => type ?? ''),
    column('Data', 'string', ({ data }) => String(Object.keys(data ?? {}).length)),
    ageColumn(),
  ],
});
