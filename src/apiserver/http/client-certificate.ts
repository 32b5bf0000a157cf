import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../request-context.ts';

/** What TLS found out about the client's certificate. */
export interface PeerIdentity {
  certificate: ClientCertificate | undefined;
  error: string | undefined;
}

const NOBODY: PeerIdentity = { certificate: undefined, error: undefined };

/** Read once a connection: the subject of the certificate, and its verified chain. */
export function peerIdentity(socket: TLSSocket): PeerIdentity {
  const peer = socket.getPeerCertificate(true);
  if (!peer?.raw) return NOBODY;
  if (!socket.authorized) {
    const why: unknown = socket.authorizationError;
    return { certificate: undefined, error: why instanceof Error ? why.message : String(why) };
  }
  const subject = new Map(Object.entries(peer.subject));
  const certificate: ClientCertificate = {
    commonName: values(subject.get('CN'))[0] ?? '',
    organizations: values(subject.get('O')),
    raw: peer.raw,
    chain: chainOf(peer),
  };
  const uid = values(subject.get('1.3.6.1.4.1.57683.2'))[0];
  if (uid !== undefined) certificate.uid = uid;
  return { certificate, error: undefined };
}

function values(attribute: unknown): string[] {
  if (typeof attribute === 'string') return [attribute];
  return Array.isArray(attribute) ? attribute.map(String) : [];
}

function chainOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  // A root certificate names itself as its issuer.
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw; at = at.issuerCertificate) {
    if (chain.some((seen) => seen.equals(at?.raw ?? seen))) break;
    chain.push(at.raw);
  }
  return chain;
}
