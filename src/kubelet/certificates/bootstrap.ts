import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { load } from 'js-yaml';
import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { isAbort, messageOf, SlipwayError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { createCertificateRequest } from '../../pki/issue.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import { writeDurably, type CertificateStore } from './certificate-store.ts';
import { requestCertificate } from './request-certificate.ts';

export interface BootstrapOptions {
  /** Written by this: refers to the certificate's file. */
  kubeconfigPath: string;
  bootstrapPath: string | undefined;
  certDir: string;
  nodeName: string;
  store: CertificateStore;
  /** A client for the bootstrap kubeconfig. */
  connect: (path: string) => Client;
  clock: Clock;
  log: Logger;
}

/**
 * Makes sure that there is a kubeconfig with a valid certificate: with the bootstrap token a certificate is
 * asked for, and once it is signed the kubeconfig is written. Mirrors pkg/kubelet/certificate/bootstrap.
 */
export async function bootstrapCredentials(options: BootstrapOptions, signal: AbortSignal): Promise<void> {
  const { bootstrapPath, clock, kubeconfigPath, log, store } = options;
  const current = await store.current();
  const usable = current !== undefined && current.notAfterMs > clock.now();
  if (await exists(kubeconfigPath)) {
    const text = await readFile(kubeconfigPath, 'utf8');
    // Certificates inside the file are the operator's own affair.
    if (!text.includes(store.currentPath) || usable) return;
  }
  if (bootstrapPath === undefined || !(await exists(bootstrapPath))) {
    if (await exists(kubeconfigPath)) return;
    throw new SlipwayError(
      'E_KUBELET_CREDENTIALS',
      `neither ${kubeconfigPath} nor a bootstrap kubeconfig exists`,
      {
        hint: 'run slipway up again for this server, or write a bootstrap kubeconfig with a new token',
      },
    );
  }
  if (!usable) {
    log.info({ bootstrap: bootstrapPath }, 'asking for a client certificate');
    await obtain(options, bootstrapPath, signal);
  }
  await mkdir(dirname(kubeconfigPath), { recursive: true });
  const bootstrap = await readFile(bootstrapPath, 'utf8');
  await writeDurably(kubeconfigPath, kubeconfigFrom(bootstrap, store.currentPath, bootstrapPath));
  log.info({ kubeconfig: kubeconfigPath }, 'kubeconfig written');
}

async function obtain(options: BootstrapOptions, bootstrapPath: string, signal: AbortSignal): Promise<void> {
  const { certDir, clock, connect, log, nodeName, store } = options;
  const keyPath = join(certDir, 'kubelet-client.key.tmp');
  const backoff = new Backoff({ initialMs: 500, maxMs: 10_000 });
  for (;;) {
    const client = connect(bootstrapPath);
    try {
      // The key outlives a crash: the request that was filed with it is found again.
      const keyPem = await keyAt(keyPath);
      const requestPem = createCertificateRequest({
        keyPem,
        commonName: `system:node:${nodeName}`,
        organizations: ['system:nodes'],
      });
      const certPem = await requestCertificate({
        client,
        clock,
        keyPem,
        requestPem,
        namePrefix: 'node-csr-',
        signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
        usages: ['digital signature', 'client auth'],
        signal,
      });
      await store.save(certPem, keyPem);
      await rm(keyPath, { force: true });
      return;
    } catch (error) {
      if (isAbort(error) || signal.aborted) throw error;
      if (error instanceof SlipwayError && error.code === 'E_CSR_DENIED') await rm(keyPath, { force: true });
      log.warn({ error: messageOf(error) }, 'no client certificate yet, will retry');
      await clock.sleep(backoff.next(), signal);
    } finally {
      client.close();
    }
  }
}

async function keyAt(path: string): Promise<string> {
  if (await exists(path)) return readFile(path, 'utf8');
  const { privateKeyPem } = generateKeyPair();
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writeDurably(path, privateKeyPem);
  return privateKeyPem;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

interface Kubeconfig {
  clusters?: Array<{ name?: string; cluster?: Record<string, unknown> }>;
}

/** The bootstrap's cluster with the certificate in place of the token. JSON is YAML. */
export function kubeconfigFrom(bootstrap: string, certificatePath: string, path: string): string {
  const cluster = (load(bootstrap) as Kubeconfig | undefined)?.clusters?.[0]?.cluster;
  if (!cluster) throw new SlipwayError('E_KUBECONFIG', `${path} has no cluster`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'default-cluster', cluster }],
    contexts: [
      {
        name: 'default-context',
        context: { cluster: 'default-cluster', user: 'default-auth', namespace: 'default' },
      },
    ],
    'current-context': 'default-context',
    users: [
      {
        name: 'default-auth',
        user: { 'client-certificate': certificatePath, 'client-key': certificatePath },
      },
    ],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
