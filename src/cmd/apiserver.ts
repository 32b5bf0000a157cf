import { Command, InvalidArgumentError } from 'commander';
import type { ApiServerOptions } from '../apiserver/api-server-options.ts';
import type { Storage } from '../storage/storage.ts';
import { accessOptions, addAccessFlags, type AccessFlags } from './apiserver-access.ts';
import { addAdmissionFlags, admissionOptions, type AdmissionFlags } from './apiserver-admission.ts';
import { addAuditFlags, auditOptions, type AuditFlags } from './apiserver-audit.ts';
import { openStore, type StoreFlags } from './open-store.ts';
import {
  addComponentFlags,
  port,
  readPem,
  runAsComponent,
  serveProcessMetrics,
  type BindAddress,
  type ComponentContext,
  type ComponentFlags,
} from './component.ts';

interface ApiServerFlags
  extends Omit<ComponentFlags, 'metricsBindAddress'>, StoreFlags, AccessFlags, AuditFlags, AdmissionFlags {
  metricsBindAddress?: BindAddress;
  bindAddress: string;
  securePort: number;
  advertiseAddress?: string;
  clientCaFile: string;
  tlsCertFile: string;
  tlsPrivateKeyFile: string;
  serviceAccountKeyFile: string[];
  serviceAccountSigningKeyFile: string;
  serviceAccountIssuer: string;
  serviceClusterIpRange: string;
  serviceNodePortRange: { from: number; to: number };
  kubeletClientCertificate?: string;
  kubeletClientKey?: string;
  kubeletCertificateAuthority?: string;
  requestheaderClientCaFile?: string;
  requestheaderAllowedNames: string;
  requestheaderUsernameHeaders: string;
  requestheaderUidHeaders: string;
  requestheaderGroupHeaders: string;
  requestheaderExtraHeadersPrefix: string;
  proxyClientCertFile?: string;
  proxyClientKeyFile?: string;
  encryptionProviderConfig?: string;
  encryptionProviderConfigAutomaticReload?: boolean;
}

const EXAMPLES = `
Examples:
  slipway-apiserver --data-dir=/var/lib/slipway/store --client-ca-file=/etc/kubernetes/pki/ca.crt \\
    --tls-cert-file=/etc/kubernetes/pki/apiserver.crt --tls-private-key-file=/etc/kubernetes/pki/apiserver.key \\
    --service-account-key-file=/etc/kubernetes/pki/sa.pub \\
    --service-account-signing-key-file=/etc/kubernetes/pki/sa.key
  slipway-apiserver --etcd-servers=https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379 \\
    --etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt --etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt \\
    --etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key …
  slipway server --data-dir ./cluster       a whole control plane without any of these`;

export function apiServerCommand(): Command {
  const command = new Command('apiserver')
    .description('serve the Kubernetes API from an embedded store or etcd')
    .option('--data-dir <dir>', 'directory of the embedded store; one process at a time')
    .option('--etcd-servers <urls>', 'client URLs of etcd, with commas between, instead of --data-dir')
    .option('--etcd-cafile <file>', 'authority of etcd’s certificates')
    .option('--etcd-certfile <file>', 'what this server shows to etcd')
    .option('--etcd-keyfile <file>', 'its key')
    .requiredOption('--client-ca-file <file>', 'authorities whose client certificates name users')
    .requiredOption('--tls-cert-file <file>', 'certificate of this server')
    .requiredOption('--tls-private-key-file <file>', 'its key')
    .requiredOption('--service-account-key-file <file>', 'public key of tokens (repeatable)', collect)
    .requiredOption('--service-account-signing-key-file <file>', 'private key that signs tokens')
    .option(
      '--service-account-issuer <url>',
      'issuer of tokens',
      'https://kubernetes.default.svc.cluster.local',
    )
    .option('--bind-address <address>', 'where to listen', '0.0.0.0')
    .option('--secure-port <port>', 'port to listen on', port, 6443)
    .option('--advertise-address <address>', 'address under which other servers reach this one')
    .option('--service-cluster-ip-range <range>', 'range of Service addresses', '10.96.0.0/12')
    .option('--service-node-port-range <from-to>', 'ports of NodePort Services', portRange, {
      from: 30_000,
      to: 32_767,
    })
    .option('--kubelet-client-certificate <file>', 'what this server shows to kubelets')
    .option('--kubelet-client-key <file>', 'its key')
    .option('--kubelet-certificate-authority <file>', 'authority of the kubelets’ certificates')
    .option('--requestheader-client-ca-file <file>', 'authority of the front proxy')
    .option('--requestheader-allowed-names <names>', 'names the front proxy may have', 'front-proxy-client')
    .option('--requestheader-username-headers <names>', 'headers that name the user', 'X-Remote-User')
    .option('--requestheader-uid-headers <names>', 'headers with the user’s uid', 'X-Remote-Uid')
    .option('--requestheader-group-headers <names>', 'headers that name groups', 'X-Remote-Group')
    .option(
      '--requestheader-extra-headers-prefix <prefixes>',
      'how headers with more begin',
      'X-Remote-Extra-',
    )
    .option('--proxy-client-cert-file <file>', 'what this server shows to aggregated API servers')
    .option('--proxy-client-key-file <file>', 'its key')
    .option('--encryption-provider-config <file>', 'which resources are encrypted in the store, and how')
    .option('--encryption-provider-config-automatic-reload', 'use the file anew whenever it changes')
    .option('--store-quota-bytes <bytes>', 'refuse writes once the embedded store is so large', wholeNumber)
    .addHelpText('after', EXAMPLES);
  addAccessFlags(command);
  addAuditFlags(command);
  addAdmissionFlags(command);
  return addComponentFlags(command).action((flags: ApiServerFlags) =>
    runAsComponent('slipway-apiserver', flags, (context) => runWithStore(flags, context)),
  );
}

async function runWithStore(flags: ApiServerFlags, context: ComponentContext): Promise<void> {
  const { runApiServer } = await import('../apiserver/server.ts');
  const { clock, log, signal } = context;
  const options = await serverOptions(flags, context);
  const opened = await openStore(flags, context);
  const encrypted = await encryption(flags, opened, context);
  const storage = encrypted.encryptedStorage ?? opened;
  const metrics = flags.metricsBindAddress && (await serveProcessMetrics(flags.metricsBindAddress));
  try {
    await runApiServer({ ...options, ...encrypted, storage, clock, log }, signal);
  } finally {
    await metrics?.close();
    await storage.close();
  }
}

async function serverOptions(
  flags: ApiServerFlags,
  context: ComponentContext,
): Promise<Omit<ApiServerOptions, 'storage'>> {
  const { releaseInfo } = await import('../base/version.ts');
  const { advertiseAddress, requestheaderClientCaFile } = flags;
  return {
    bindAddress: flags.bindAddress,
    port: flags.securePort,
    ...(advertiseAddress ? { advertiseAddress } : {}),
    tls: {
      certFile: flags.tlsCertFile,
      keyFile: flags.tlsPrivateKeyFile,
      clientCaFiles: [flags.clientCaFile, ...(requestheaderClientCaFile ? [requestheaderClientCaFile] : [])],
    },
    clientCaPem: await readPem(flags.clientCaFile),
    ...(requestheaderClientCaFile
      ? {
          requestHeader: {
            caPem: await readPem(requestheaderClientCaFile),
            allowedNames: list(flags.requestheaderAllowedNames),
            names: {
              username: list(flags.requestheaderUsernameHeaders),
              uid: list(flags.requestheaderUidHeaders),
              group: list(flags.requestheaderGroupHeaders),
              extraPrefix: list(flags.requestheaderExtraHeadersPrefix),
            },
          },
        }
      : {}),
    serviceAccounts: {
      issuer: flags.serviceAccountIssuer,
      signingKeyPem: await readPem(flags.serviceAccountSigningKeyFile),
      keysPem: (await Promise.all(flags.serviceAccountKeyFile.map(readPem))).flatMap(pemTexts),
    },
    serviceClusterIpRanges: flags.serviceClusterIpRange.split(','),
    serviceNodePortRange: flags.serviceNodePortRange,
    ...(await kubeletAccess(flags)),
    ...(await proxyClient(flags)),
    ...(await accessOptions(flags, context)),
    ...(await auditOptions(flags)),
    ...(await admissionOptions(flags)),
    build: { ...releaseInfo(), date: '' },
  };
}

async function encryption(
  { encryptionProviderConfig, encryptionProviderConfigAutomaticReload }: ApiServerFlags,
  storage: Storage,
  context: ComponentContext,
): Promise<Pick<ApiServerOptions, 'encryptedStorage'>> {
  if (encryptionProviderConfig === undefined) return {};
  const [{ startEncryptionConfig, followEncryptionConfig }, { EncryptedStorage }] = await Promise.all([
    import('../apiserver/encryption/load-config.ts'),
    import('../apiserver/encryption/encrypted-storage.ts'),
  ]);
  const text = await readPem(encryptionProviderConfig);
  const config = await startEncryptionConfig(text, context);
  const encryptedStorage = new EncryptedStorage(storage, config);
  if (encryptionProviderConfigAutomaticReload) {
    void followEncryptionConfig(encryptionProviderConfig, text, encryptedStorage, context);
  }
  return { encryptedStorage };
}

async function kubeletAccess(flags: ApiServerFlags): Promise<Pick<ApiServerOptions, 'kubelet'>> {
  const { kubeletCertificateAuthority, kubeletClientCertificate, kubeletClientKey } = flags;
  if (!kubeletCertificateAuthority || !kubeletClientCertificate || !kubeletClientKey) return {};
  const [caPem, certPem, keyPem] = await Promise.all(
    ([kubeletCertificateAuthority, kubeletClientCertificate, kubeletClientKey] as const).map(readPem),
  );
  return { kubelet: { caPem: caPem!, certPem: certPem!, keyPem: keyPem! } };
}

async function proxyClient(flags: ApiServerFlags): Promise<Pick<ApiServerOptions, 'proxyClient'>> {
  const { proxyClientCertFile, proxyClientKeyFile } = flags;
  if (!proxyClientCertFile || !proxyClientKeyFile) return {};
  const [certPem, keyPem] = await Promise.all([readPem(proxyClientCertFile), readPem(proxyClientKeyFile)]);
  return { proxyClient: () => ({ certPem, keyPem }) };
}

/** A file may hold several keys, while one replaces another. */
function pemTexts(text: string): string[] {
  return text.match(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g) ?? [text];
}

function list(text: string): string[] {
  return text.split(',').filter((each) => each !== '');
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function portRange(text: string): { from: number; to: number } {
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to) };
  if (!(range.from > 0 && range.from <= range.to && range.to <= 65_535)) {
    throw new InvalidArgumentError('It is two ports, e.g. 30000-32767.');
  }
  return range;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}
