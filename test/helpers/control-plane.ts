import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApiServer } from '../../src/apiserver/server.ts';
import type { ApiServerHandle, ApiServerOptions } from '../../src/apiserver/api-server-options.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { Clock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import type { Logger } from '../../src/base/log.ts';
import { RestClient } from '../../src/client/rest-client.ts';
import { createCertificateAuthority, issueCertificate } from '../../src/pki/issue.ts';
import type { Identity } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { renderKubeconfig } from '../../src/pki/kubeconfig.ts';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import type { Storage } from '../../src/storage/storage.ts';

export interface ControlPlaneOptions {
  /** Default: a new store in memory, closed with the server. A given one stays open. */
  storage?: Storage;
  clock?: Clock;
  log?: Logger;
  /** Anything else of the server's options. */
  server?: Partial<ApiServerOptions>;
}

/** A real API server in this process, on loopback, with certificates of its own. */
export interface TestControlPlane {
  readonly server: ApiServerHandle;
  readonly url: string;
  readonly storage: Storage;
  /** The cluster's CA; its key signs whatever identity a test wants. */
  readonly ca: Identity;
  readonly serviceAccountKeys: { privateKeyPem: string; publicKeyPem: string };
  /** A member of system:masters. */
  readonly admin: Identity;
  /** A client certificate for any user and groups. */
  identity(commonName: string, ...organizations: string[]): Identity;
  /** Our own client, as admin or as someone else. Closed with the control plane. */
  client(identity?: Identity): RestClient;
  /** Path of a kubeconfig file, for kubectl and other clients; as admin or as someone else. */
  kubeconfig(identity?: Identity): Promise<string>;
  close(): Promise<void>;
}

/**
 * Starts a control plane for a test. Close it in the teardown:
 *
 *     const plane = await startControlPlane();
 *     t.teardown(() => plane.close());
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<TestControlPlane> {
  // Certificates are for the real clock, which TLS asks, whatever clock the server runs on.
  const ca = createCertificateAuthority({ commonName: 'kubernetes', clock: systemClock });
  const serving = issueCertificate({
    ca,
    commonName: 'kube-apiserver',
    organizations: [],
    usages: ['digital signature', 'key encipherment', 'server auth'],
    dnsNames: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
    ipAddresses: ['127.0.0.1', '10.96.0.1'],
    clock: systemClock,
  });
  const serviceAccountKeys = generateKeyPair();
  const identity = (commonName: string, ...organizations: string[]): Identity =>
    issueCertificate({
      ca,
      commonName,
      organizations,
      usages: ['digital signature', 'client auth'],
      clock: systemClock,
    });
  const storage = options.storage ?? new MemoryStorage();
  const server = await startApiServer({
    storage,
    port: 0,
    tls: { cert: serving.certPem, key: serving.keyPem, clientCa: [ca.certPem] },
    serviceAccounts: {
      issuer: 'https://kubernetes.default.svc.cluster.local',
      signingKeyPem: serviceAccountKeys.privateKeyPem,
      keysPem: [serviceAccountKeys.publicKeyPem],
    },
    advertiseAddress: '192.0.2.1',
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLogger,
    ...options.server,
  });
  return new RunningControlPlane({
    server,
    storage,
    ownsStorage: !options.storage,
    ca,
    serviceAccountKeys,
    identity,
  });
}

class RunningControlPlane implements TestControlPlane {
  readonly server: ApiServerHandle;
  readonly storage: Storage;
  readonly ca: Identity;
  readonly serviceAccountKeys: { privateKeyPem: string; publicKeyPem: string };
  readonly admin: Identity;
  readonly identity: (commonName: string, ...organizations: string[]) => Identity;
  readonly #ownsStorage: boolean;
  readonly #clients: RestClient[] = [];
  #directory: string | undefined;
  #files = 0;

  constructor(parts: {
    server: ApiServerHandle;
    storage: Storage;
    ownsStorage: boolean;
    ca: Identity;
    serviceAccountKeys: { privateKeyPem: string; publicKeyPem: string };
    identity: (commonName: string, ...organizations: string[]) => Identity;
  }) {
    this.server = parts.server;
    this.storage = parts.storage;
    this.#ownsStorage = parts.ownsStorage;
    this.ca = parts.ca;
    this.serviceAccountKeys = parts.serviceAccountKeys;
    this.identity = parts.identity;
    this.admin = parts.identity('test-admin', 'system:masters');
  }

  get url(): string {
    return this.server.url;
  }

  client(identity: Identity = this.admin): RestClient {
    const client = new RestClient({
      servers: [this.url],
      credentials: { ca: this.ca.certPem, cert: identity.certPem, key: identity.keyPem },
    });
    this.#clients.push(client);
    return client;
  }

  async kubeconfig(identity: Identity = this.admin): Promise<string> {
    this.#directory ??= await mkdtemp(join(tmpdir(), 'slipway-plane-'));
    const path = join(this.#directory, `kubeconfig-${(this.#files += 1)}`);
    const text = renderKubeconfig({
      clusterName: 'test',
      servers: [this.url],
      caPem: this.ca.certPem,
      user: 'test',
      credential: identity,
    });
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.server.close();
    if (this.#ownsStorage) await this.storage.close();
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true });
  }
}
