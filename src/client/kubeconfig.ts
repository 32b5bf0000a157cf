import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { load } from 'js-yaml';
import { systemClock } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import { fileCredentials } from './credentials.ts';
import type { Credentials, CredentialFiles, CredentialsProvider } from './credentials.ts';

/** What RestClient needs from a kubeconfig; spread it into RestClientOptions. */
export interface KubeconfigClient {
  servers: string[];
  credentials: CredentialsProvider;
  serverName?: string;
  insecureSkipTlsVerify?: boolean;
  namespace?: string;
}

/**
 * The name of the cluster extension that lists every API server. `server` stays the one that other tools
 * read; ours try `server` first and then the others:
 *
 *     clusters:
 *     - name: demo
 *       cluster:
 *         server: https://10.0.0.1:6443
 *         extensions:
 *         - name: slipway.dev/servers
 *           extension: { servers: ['https://10.0.0.1:6443', 'https://10.0.0.2:6443'] }
 */
export const SERVERS_EXTENSION = 'slipway.dev/servers';

interface ClusterEntry {
  server?: string;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'tls-server-name'?: string;
  'insecure-skip-tls-verify'?: boolean;
  extensions?: Array<{ name?: string; extension?: { servers?: unknown } }>;
}

interface UserEntry {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  exec?: unknown;
  'auth-provider'?: unknown;
  username?: string;
}

interface ConfigFile {
  'current-context'?: string;
  contexts?: Array<{ name?: string; context?: { cluster?: string; user?: string; namespace?: string } }>;
  clusters?: Array<{ name?: string; cluster?: ClusterEntry }>;
  users?: Array<{ name?: string; user?: UserEntry }>;
}

/**
 * Reads the current context (or `options.context`) of a kubeconfig. File references are relative to the
 * kubeconfig's folder; referenced files are read again when they change. Errors: E_KUBECONFIG.
 */
export function loadKubeconfig(
  path: string,
  options: { context?: string; clock?: Clock } = {},
): KubeconfigClient {
  const config = parse(path);
  const contextName = options.context ?? config['current-context'];
  const context = config.contexts?.find(({ name }) => name === contextName)?.context;
  if (!context) throw bad(path, `has no context "${contextName ?? ''}"`);
  const cluster = config.clusters?.find(({ name }) => name === context.cluster)?.cluster;
  if (!cluster?.server) throw bad(path, `has no server for the cluster "${context.cluster ?? ''}"`);
  const user = config.users?.find(({ name }) => name === context.user)?.user ?? {};
  if (user.exec !== undefined || user['auth-provider'] !== undefined || user.username !== undefined)
    throw bad(
      path,
      `uses a kind of sign-in for "${context.user}" that slipway does not offer: use a certificate or a token`,
    );
  const { inline, files } = credentialsOf(path, cluster, user);
  const servers = [...new Set([cluster.server, ...extraServers(path, cluster)])].map((server) =>
    checked(path, server),
  );
  return {
    servers,
    credentials: fileCredentials(files, inline, options.clock ?? systemClock),
    serverName: cluster['tls-server-name'],
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'],
    namespace: context.namespace,
  };
}

function parse(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw bad(path, 'cannot be read', cause);
  }
  try {
    const config = load(text);
    if (typeof config === 'object' && config !== null) return config;
  } catch (cause) {
    throw bad(path, 'is not YAML', cause);
  }
  throw bad(path, 'is empty');
}

/** Inline data wins over a file, as in client-go. */
function credentialsOf(
  path: string,
  cluster: ClusterEntry,
  user: UserEntry,
): { inline: Credentials; files: CredentialFiles } {
  const at = (file: string): string => resolve(dirname(path), file);
  const inline: Credentials = {};
  const files: CredentialFiles = {};
  if (cluster['certificate-authority-data']) inline.ca = pem(path, cluster['certificate-authority-data']);
  else if (cluster['certificate-authority']) files.caFile = at(cluster['certificate-authority']);
  if (user['client-certificate-data']) inline.cert = pem(path, user['client-certificate-data']);
  else if (user['client-certificate']) files.certFile = at(user['client-certificate']);
  if (user['client-key-data']) inline.key = pem(path, user['client-key-data']);
  else if (user['client-key']) files.keyFile = at(user['client-key']);
  // A token file wins over a token: it is the one that is kept fresh.
  if (user.tokenFile) files.tokenFile = at(user.tokenFile);
  else if (user.token) inline.token = user.token;
  return { inline, files };
}

function pem(path: string, base64: string): string {
  const text = Buffer.from(base64, 'base64').toString('utf8');
  if (!text.includes('-----BEGIN ')) throw bad(path, 'carries certificate data that is not base64 of PEM');
  return text;
}

function extraServers(path: string, cluster: ClusterEntry): string[] {
  const entry = cluster.extensions?.find(({ name }) => name === SERVERS_EXTENSION);
  if (entry === undefined) return [];
  const servers = entry.extension?.servers;
  if (Array.isArray(servers) && servers.every((server) => typeof server === 'string')) return servers;
  throw bad(path, `has an extension ${SERVERS_EXTENSION} without a list "servers" of addresses`);
}

function checked(path: string, server: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url.origin;
  throw bad(path, `names the server "${server}", which is not an https address`);
}

function bad(path: string, what: string, cause?: unknown): SlipwayError {
  return new SlipwayError('E_KUBECONFIG', `the kubeconfig ${path} ${what}`, { cause });
}
