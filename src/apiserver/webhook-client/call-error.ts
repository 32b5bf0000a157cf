import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';
import type { StatusError } from '../status-errors.ts';

/** A call to someone else's server that failed; the message is in the words of Go, which people search for. */
export class CallError extends SlipwayError {
  /** What the other side answered, where it answered with a status. */
  readonly answer: StatusError | undefined;

  /** Whether the message says it all, without what was asked of whom. */
  readonly isWhole: boolean;

  constructor(message: string, options: { cause?: unknown; answer?: StatusError; isWhole?: boolean } = {}) {
    super('E_WEBHOOK_CALL', message, options.cause === undefined ? {} : { cause: options.cause });
    this.answer = options.answer;
    this.isWhole = options.isWhole ?? false;
  }
}

const AUTHORITY: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'x509: certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'x509: certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'x509: certificate signed by unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'x509: certificate signed by unknown authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'x509: certificate signed by unknown authority',
  CERT_SIGNATURE_FAILURE: 'x509: certificate signed by unknown authority',
  CERT_HAS_EXPIRED: 'x509: certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'x509: certificate has expired or is not yet valid',
  INVALID_PURPOSE: 'x509: certificate specifies an incompatible key usage',
};

/** What went wrong on the way to `host:port`, as Go would say it. */
export function networkErrorText(error: unknown, host: string, port: number, servername: string): string {
  const code = codeOf(error) ?? '';
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${where}: connect: connection refused`;
    case 'EHOSTUNREACH':
      return `dial tcp ${where}: connect: no route to host`;
    case 'ENETUNREACH':
      return `dial tcp ${where}: connect: network is unreachable`;
    case 'ETIMEDOUT':
      return `dial tcp ${where}: connect: connection timed out`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${host}: no such host`;
    case 'ECONNRESET':
      return 'EOF';
    case 'EPROTO':
      return `tls: first record does not look like a TLS handshake`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const names = namesOf(error);
      const valid = names === '' ? 'is not valid for any names' : `is valid for ${names}`;
      return `tls: failed to verify certificate: x509: certificate ${valid}, not ${servername}`;
    }
    default: {
      const why = AUTHORITY[code];
      return why === undefined ? messageOf(error) : `tls: failed to verify certificate: ${why}`;
    }
  }
}

function namesOf(error: unknown): string {
  const { cert } = error as { cert?: { subjectaltname?: string } };
  const names = (cert?.subjectaltname ?? '').split(', ').filter((name) => name.startsWith('DNS:'));
  return names.map((name) => name.slice('DNS:'.length)).join(', ');
}
