import type { Identity } from './issue.ts';

export interface KubeconfigOptions {
  clusterName: string;
  /** 'https://10.0.0.1:6443'. Several: our components try each; kubectl uses the first. */
  servers: readonly [string, ...string[]];
  /** PEM of the roots to trust. */
  caPem: string;
  /** The user's name in the file: a label, what counts is in the certificate. */
  user: string;
  /** A client certificate with its key, or a bearer token. */
  credential: Identity | { token: string };
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const quote = (text: string): string => JSON.stringify(text);

/** The cluster extension in which our clients look for further servers; src/client/kubeconfig.ts reads it. */
const SERVERS_EXTENSION = 'slipway.dev/servers';

/**
 * A kubeconfig that carries its certificates inside. kubectl talks to the first server; our own clients fail
 * over to the others, which an extension lists.
 */
export function renderKubeconfig(options: KubeconfigOptions): string {
  const { clusterName, credential, servers, user } = options;
  const context = `${user}@${clusterName}`;
  const others =
    servers.length === 1
      ? []
      : [
          '    extensions:',
          `    - name: ${SERVERS_EXTENSION}`,
          `      extension: ${JSON.stringify({ servers })}`,
        ];
  const secret =
    'token' in credential
      ? [`    token: ${quote(credential.token)}`]
      : [
          `    client-certificate-data: ${base64(credential.certPem)}`,
          `    client-key-data: ${base64(credential.keyPem)}`,
        ];
  return [
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    `- name: ${quote(clusterName)}`,
    '  cluster:',
    `    server: ${quote(servers[0])}`,
    `    certificate-authority-data: ${base64(options.caPem)}`,
    ...others,
    'contexts:',
    `- name: ${quote(context)}`,
    '  context:',
    `    cluster: ${quote(clusterName)}`,
    `    user: ${quote(user)}`,
    `current-context: ${quote(context)}`,
    'users:',
    `- name: ${quote(user)}`,
    '  user:',
    ...secret,
    '',
  ].join('\n');
}
