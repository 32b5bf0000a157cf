import { X509Certificate, createHash } from 'node:crypto';
import type { ApiRequest, ClientCertificate, UserInfo } from '../request-context.ts';
import type { Authenticated } from '../authentication.ts';
import { CREDENTIAL_ID_KEY } from './service-account-tokens.ts';

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Certificates of a CA bundle, parsed once for each content of the file. */
export class CaBundle {
  readonly #read: () => string;
  #text = '';
  #certificates: X509Certificate[] = [];

  /** `read` gives the PEM as it stands now: bundles are replaced while the server runs. */
  constructor(read: () => string) {
    this.#read = read;
  }

  /** Whether the verified chain of a client's certificate leads to one of these. */
  signed(certificate: ClientCertificate): boolean {
    const text = this.#read();
    if (text !== this.#text) {
      this.#certificates = (text.match(PEM) ?? []).map((pem) => new X509Certificate(pem));
      this.#text = text;
    }
    const last = certificate.chain.at(-1) ?? certificate.raw;
    if (this.#certificates.some((ca) => certificate.chain.some((link) => link.equals(ca.raw)))) return true;
    const top = new X509Certificate(last);
    return this.#certificates.some((ca) => top.checkIssued(ca) && top.verify(ca.publicKey));
  }
}

/** Common name and organizations are user and groups. Mirrors apiserver pkg/authentication/request/x509/x509.go. */
export function certificateUser(certificate: ClientCertificate): UserInfo {
  const digest = createHash('sha256').update(certificate.raw).digest('hex');
  const user: UserInfo = {
    name: certificate.commonName,
    groups: [...certificate.organizations],
    extra: { [CREDENTIAL_ID_KEY]: [`X509SHA256=${digest}`] },
  };
  if (certificate.uid !== undefined) user.uid = certificate.uid;
  return user;
}

/** The user of the client's certificate, where the client CA signed it and it names someone. */
export function authenticateCertificate(request: ApiRequest, clientCa: CaBundle): Authenticated | undefined {
  const certificate = request.clientCertificate;
  if (!certificate || certificate.commonName === '' || !clientCa.signed(certificate)) return undefined;
  return { user: certificateUser(certificate) };
}

export interface RequestHeaderOptions {
  ca: CaBundle;
  /** Common names of the proxies that may say who asks; empty: whoever the CA has signed. */
  allowedNames: readonly string[];
  names: RequestHeaderNames;
}

/** Which headers say who asks, in any case; of several the first that is there counts. */
export interface RequestHeaderNames {
  username: readonly string[];
  uid: readonly string[];
  group: readonly string[];
  extraPrefix: readonly string[];
}

export const REQUEST_HEADER_NAMES: RequestHeaderNames = {
  username: ['X-Remote-User'],
  uid: ['X-Remote-Uid'],
  group: ['X-Remote-Group'],
  extraPrefix: ['X-Remote-Extra-'],
};

/**
 * A front proxy that authenticated the user itself says so in headers. Only a certificate of the front-proxy
 * CA makes the headers count. Mirrors apiserver pkg/authentication/request/headerrequest/requestheader.go.
 */
export function authenticateRequestHeaders(
  request: ApiRequest,
  options: RequestHeaderOptions,
): Authenticated | undefined {
  const certificate = request.clientCertificate;
  const { names } = options;
  const [name] = values(request, names.username);
  if (!certificate || !name || !options.ca.signed(certificate)) return undefined;
  if (options.allowedNames.length > 0 && !options.allowedNames.includes(certificate.commonName)) {
    return undefined;
  }
  const extra: Record<string, string[]> = {};
  for (const [header, value] of Object.entries(request.headers)) {
    const prefix = names.extraPrefix.find((each) => header.startsWith(each.toLowerCase()));
    if (prefix === undefined || value === undefined) continue;
    const key = decodeExtraKey(header.slice(prefix.length));
    extra[key] = [...(extra[key] ?? []), ...listOf(value)];
  }
  const user: UserInfo = { name, groups: values(request, names.group), extra };
  const [uid] = values(request, names.uid);
  if (uid !== undefined) user.uid = uid;
  return { user };
}

/** The values of headers, each of which may come several times. */
function values(request: ApiRequest, names: readonly string[]): string[] {
  return names.flatMap((name) => listOf(request.headers[name.toLowerCase()] ?? []));
}

function listOf(value: string | string[]): string[] {
  // Node joins a header that comes several times by a comma and a space, and takes bytes for characters.
  const parts = Array.isArray(value) ? value : value.split(', ');
  return parts
    .map((part) => Buffer.from(part.trim(), 'latin1').toString('utf8'))
    .filter((part) => part !== '');
}

/** Keys of extras are percent-encoded, as header names allow few characters. */
export function decodeExtraKey(key: string): string {
  try {
    return decodeURIComponent(key).toLowerCase();
  } catch {
    return key.toLowerCase();
  }
}
