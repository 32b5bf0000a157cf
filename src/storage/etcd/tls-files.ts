import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext } from 'node:tls';
import { credentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { messageOf, SlipwayError } from '../../base/errors.ts';

/** PEM texts. Without `cert` and `key` the client shows no certificate. */
export interface EtcdTlsPem {
  ca: string;
  cert?: string;
  key?: string;
}

/** Paths of PEM files, which are read again as they change. */
interface EtcdTlsFiles {
  caFile: string;
  certFile?: string;
  keyFile?: string;
}

export type EtcdTls = EtcdTlsPem | EtcdTlsFiles;

/** Reads what TLS needs and checks that it fits together. Throws E_STORAGE_TLS. */
export async function loadTls(tls: EtcdTls): Promise<EtcdTlsPem> {
  try {
    const pem = 'caFile' in tls ? await readFiles(tls) : tls;
    // The context takes any text for an authority, and fails with the first connection.
    void new X509Certificate(pem.ca);
    createSecureContext({ ca: pem.ca, cert: pem.cert, key: pem.key });
    // The context passes over a key that is empty: of a file that is being written, say.
    if (
      pem.cert !== undefined &&
      !new X509Certificate(pem.cert).checkPrivateKey(createPrivateKey(pem.key ?? ''))
    ) {
      throw new Error('the key is not that of the certificate');
    }
    return pem;
  } catch (error) {
    throw new SlipwayError('E_STORAGE_TLS', `the certificates for etcd cannot be used: ${messageOf(error)}`, {
      hint: 'Check --etcd-cafile, --etcd-certfile and --etcd-keyfile: PEM files, the key fitting the certificate.',
      cause: error,
    });
  }
}

async function readFiles({ caFile, certFile, keyFile }: EtcdTlsFiles): Promise<EtcdTlsPem> {
  const ca = await readFile(caFile, 'utf8');
  if (!certFile || !keyFile) return { ca };
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
  return { ca, cert, key };
}

/** What a channel to `host` needs; `pem` is undefined for plain HTTP. */
export function channelSecurity(
  host: string,
  pem: EtcdTlsPem | undefined,
): { credentials: ChannelCredentials; options: ChannelOptions } {
  if (!pem) return { credentials: credentials.createInsecure(), options: {} };
  const buffer = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return {
    credentials: credentials.createSsl(buffer(pem.ca), buffer(pem.key), buffer(pem.cert), {
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    }),
    // TLS forbids an address as server name; the certificate is checked against the real host above.
    options: isIP(host) ? { 'grpc.ssl_target_name_override': 'etcd' } : {},
  };
}
