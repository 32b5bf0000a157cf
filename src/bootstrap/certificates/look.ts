import { connect } from 'node:tls';
import type { Duplex } from 'node:stream';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { parseCertificate } from '../../pki/parse.ts';
import { splitCertificates, toPem } from '../../pki/pem.ts';
import { runScript, type Host } from '../../provision/host.ts';
import type { Generation } from './rotate/generation.ts';

/** A certificate, and where it was found. */
export interface FoundCertificate {
  /** The server; undefined for the operator's state directory. */
  server: string | undefined;
  /** A path, or what answers on a port: 'port 6443 (apiserver)'. */
  where: string;
  /** The certificate itself. */
  pem: string;
  commonName: string;
  issuer: string;
  serialNumber: string;
  names: string[];
  isCertificateAuthority: boolean;
  /** While its authority is being replaced: which of the two has issued it. */
  generation?: Generation;
  notBeforeMs: number;
  notAfterMs: number;
}

/** Prints the certificates of every file that holds some; private keys stay where they are. */
const FILES = `
for path in $(find /etc/kubernetes /var/lib/kubelet/pki -xdev \\( -name '*.crt' -o -name '*.pem' -o -name '*.conf' \\) 2>/dev/null | sort); do
  printf 'path %s\\n' "$path"
  case "$path" in
    *.conf) sed -n 's/^ *"\\{0,1\\}client-certificate-data"\\{0,1\\}: *"\\{0,1\\}\\([A-Za-z0-9+/=]*\\).*/data \\1/p' "$path" ;;
    *) sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/p' "$path" ;;
  esac
done
`;

/** Every certificate that lies on a server. Needs SSH alone. */
export async function certificatesOn(host: Host, signal?: AbortSignal): Promise<FoundCertificate[]> {
  const text = await runScript(host, 'reading its certificates', FILES, signal ? { signal } : {});
  return text
    .split(/^path /m)
    .slice(1)
    .flatMap((part) => {
      const end = part.indexOf('\n');
      const path = part.slice(0, end);
      const body = part
        .slice(end + 1)
        .replaceAll(/^data (.*)$/gm, (_all, data: string) => Buffer.from(data, 'base64').toString());
      // A kubeconfig's or a leaf's first certificate is its own; a bundle's are all of interest.
      const all = splitCertificates(body);
      return all.map((pem) => described(pem, host.name, path));
    });
}

export function described(pem: string, server: string | undefined, where: string): FoundCertificate {
  const found = parseCertificate(pem);
  return {
    server,
    where,
    pem,
    commonName: found.subject.commonName,
    issuer: found.issuer.commonName,
    serialNumber: found.serialNumber,
    names: [...found.dnsNames, ...found.ipAddresses],
    isCertificateAuthority: found.isCertificateAuthority,
    notBeforeMs: found.notBeforeMs,
    notAfterMs: found.notAfterMs,
  };
}

const HANDSHAKE_MS = 5_000;

/** The certificate that a process shows on a port of a server, as PEM; undefined where none answers in TLS. */
export async function servedCertificate(
  host: Host,
  port: number,
  address = '127.0.0.1',
): Promise<string | undefined> {
  let channel: Duplex;
  try {
    channel = await host.forward(address, port);
  } catch {
    return undefined;
  }
  return await new Promise((resolve) => {
    // Whoever it is, and however old its certificate: it is looked at, and nothing is sent.
    const socket = connect({ socket: channel, rejectUnauthorized: false, timeout: HANDSHAKE_MS });
    const end = (pem: string | undefined): void => {
      resolve(pem);
      socket.destroy();
      channel.destroy();
    };
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
      end(raw && toPem('CERTIFICATE', raw));
    });
    socket.once('timeout', () => end(undefined));
    socket.once('error', () => end(undefined));
    socket.once('close', () => end(undefined));
    channel.once('close', () => end(undefined));
  });
}

/** Checks that a port shows the certificate that was written for it. E_CERTIFICATE_SERVED. */
export async function checkServed(
  host: Host,
  wantedPem: string,
  port: number,
  address?: string,
): Promise<void> {
  const pem = await servedCertificate(host, port, address);
  const wanted = parseCertificate(wantedPem).serialNumber;
  let found = 'nothing';
  try {
    if (pem !== undefined) found = parseCertificate(pem).serialNumber;
  } catch (error) {
    found = messageOf(error);
  }
  if (found === wanted) return;
  throw new SlipwayError(
    'E_CERTIFICATE_SERVED',
    `${host.name}: port ${port} shows the certificate ${found}, and not ${wanted}, which was written`,
    { hint: `look at "systemctl status" of the unit on ${host.name}, then run the same command again` },
  );
}
