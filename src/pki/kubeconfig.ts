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

/**
 * A kubeconfig that carries its certificates inside. The first server is the current context; each further one
 * is a cluster and context of its own, which kubectl ignores and our clients fail over to.
 */
export function renderKubeconfig(options: KubeconfigOptions): string {
  const { credential, user } = options;
  const names = options.servers.map((_, index) =>
    index === 0 ? options.clusterName : `${options.clusterName}-${index + 1}`,
  );
  const clusters = options.servers.flatMap((server, index) => [
    `- name: ${quote(names[index] ?? '')}`,
    '  cluster:',
    `    server: ${quote(server)}`,
    `    certificate-authority-data: ${base64(options.caPem)}`,
  ]);
  const context = (name: string): string => `${user}@${name}`;
  const contexts = names.flatMap((name) => [
    `- name: ${quote(context(name))}`,
    '  context:',
    `    cluster: ${quote(name)}`,
    `    user: ${quote(user)}`,
  ]);
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
    ...clusters,
    'contexts:',
    ...contexts,
    `current-context: ${quote(context(names[0] ?? ''))}`,
    'users:',
    `- name: ${quote(user)}`,
    '  user:',
    ...secret,
    '',
  ].join('\n');
}
