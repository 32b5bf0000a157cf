import { readFileSync } from 'node:fs';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startHealthServer } from '../base/health-server.ts';
import { isAbort, messageOf } from '../base/errors.ts';
import { runTogether } from '../base/lifecycle.ts';
import { processMetrics } from '../base/process-metrics.ts';
import type { Client } from '../client/client.ts';
import { EventRecorder } from '../client/events.ts';
import { loadKubeconfig } from '../client/kubeconfig.ts';
import { RestClient } from '../client/rest-client.ts';
import { createAgent, type Agent } from './agent.ts';
import { bootstrapCredentials } from './certificates/bootstrap.ts';
import { CertificateManager } from './certificates/certificate-manager.ts';
import { isSuperseded } from './certificates/superseded.ts';
import { CertificateStore, type StoredCertificate } from './certificates/certificate-store.ts';
import { GrpcRuntime } from './cri/grpc-runtime.ts';
import type { CriRuntime, RuntimeVersion } from './cri/runtime.ts';
import { recordedEvents } from './events.ts';
import type { KubeletOptions } from './options.ts';
import { Authenticator } from './server/authentication.ts';
import { Authorizer } from './server/authorization.ts';
import { KubeletServer } from './server/kubelet-server.ts';

export type { KubeletOptions } from './options.ts';

/**
 * Runs the kubelet until the signal aborts: obtains credentials, registers the node, runs its pods. Containers
 * go on running after it. Rejects where it cannot begin: E_KUBELET_CREDENTIALS, E_KUBECONFIG.
 */
export async function runKubelet(options: KubeletOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  // What pods see of their volumes must not depend on the umask of the unit; secrets get their modes by name.
  process.umask(0o022);
  await mkdir(join(options.rootDir, 'pods'), { recursive: true, mode: 0o750 });
  await chmod(options.rootDir, 0o755);
  const store = new CertificateStore(options.certDir, 'kubelet-client', clock);
  const connect = (path: string): Client =>
    new RestClient({
      ...loadKubeconfig(path, { clock }),
      ...(options.apiServers ? { servers: options.apiServers } : {}),
      userAgent: 'slipway-kubelet',
      clock,
      log,
    });
  await bootstrapCredentials(
    {
      kubeconfigPath: options.kubeconfig,
      bootstrapPath: options.bootstrapKubeconfig,
      certDir: options.certDir,
      nodeName: options.nodeName,
      store,
      connect,
      clock,
      log,
    },
    signal,
  );
  const client = connect(options.kubeconfig);
  const runtime = new GrpcRuntime(options.containerRuntimeEndpoint, clock);
  try {
    await runWith(options, { client, runtime, store }, signal);
  } finally {
    runtime.close();
    client.close();
  }
}

interface Connections {
  client: Client;
  runtime: CriRuntime;
  store: CertificateStore;
}

async function runWith(
  options: KubeletOptions,
  connections: Connections,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, nodeName } = options;
  const { client, runtime } = connections;
  const version = await untilRuntimeAnswers(options, runtime, signal);
  log.info({ runtime: version.runtimeName, version: version.runtimeVersion }, 'container runtime found');
  const recorder = new EventRecorder({ client, component: 'kubelet', host: nodeName, clock, log });
  const agent = await createAgent(options, {
    client,
    runtime,
    version,
    events: recordedEvents(recorder, nodeName),
  });
  const registry = processMetrics();
  agent.registerMetrics(registry);
  const metrics = () => registry.metrics();
  const health = options.metrics
    ? await startHealthServer({ ...options.metrics, problem: () => agent.problem(), metrics })
    : undefined;
  const server = new ServerHolder(options, client, agent, metrics);
  try {
    const certificates = certificateLoops(options, connections, agent, (certificate) =>
      server.use(certificate),
    );
    await runTogether([...agent.loops(), ...certificates], signal);
  } finally {
    server.close();
    await health?.close();
    await agent.stop();
  }
}

async function untilRuntimeAnswers(
  { clock, containerRuntimeEndpoint, log }: KubeletOptions,
  runtime: CriRuntime,
  signal: AbortSignal,
): Promise<RuntimeVersion> {
  for (let told = false; ; told = true) {
    try {
      return await runtime.version(signal);
    } catch (error) {
      if (isAbort(error) || signal.aborted) throw error;
      const fields = { endpoint: containerRuntimeEndpoint, error: messageOf(error) };
      if (!told) log.warn(fields, 'the container runtime does not answer yet');
      await clock.sleep(500, signal);
    }
  }
}

function certificateLoops(
  options: KubeletOptions,
  { client, store }: Connections,
  agent: Agent,
  onServing: (certificate: StoredCertificate) => void,
): Array<(signal: AbortSignal) => Promise<void>> {
  const { certDir, clientCaFile, clock, log, nodeIps, nodeName } = options;
  const names = () => ({ dnsNames: [agent.hostname], ipAddresses: nodeIps });
  // Read once: whoever changes it restarts the kubelet.
  const authorities = readFileSync(clientCaFile, 'utf8');
  const isOutdated = ({ certPem }: StoredCertificate): boolean => isSuperseded(certPem, authorities);
  const common = { client, clock, log, nodeName, names, isOutdated };
  const clientManager = new CertificateManager({
    ...common,
    kind: 'client',
    store,
    onCertificate: () => undefined,
  });
  const servingManager = new CertificateManager({
    ...common,
    kind: 'serving',
    store: new CertificateStore(certDir, 'kubelet-server', clock),
    onCertificate: onServing,
  });
  return [
    async (signal) => {
      // Credentials that an operator wrote into the kubeconfig are renewed by the operator.
      const kubeconfig = await readFile(options.kubeconfig, 'utf8');
      if (kubeconfig.includes(store.currentPath)) await clientManager.run(signal);
    },
    async (signal) => {
      // The signer answers for registered nodes alone.
      await agent.whenRegistered(signal);
      await servingManager.run(signal);
    },
  ];
}

/** The server begins with the first serving certificate, and takes each later one as it comes. */
class ServerHolder {
  readonly #options: KubeletOptions;
  readonly #client: Client;
  readonly #agent: Agent;
  readonly #metrics: () => Promise<string>;
  #server: KubeletServer | undefined;
  #closed = false;

  constructor(options: KubeletOptions, client: Client, agent: Agent, metrics: () => Promise<string>) {
    this.#options = options;
    this.#client = client;
    this.#agent = agent;
    this.#metrics = metrics;
  }

  use(stored: StoredCertificate): void {
    const certificate = { cert: stored.certPem, key: stored.keyPem };
    if (this.#server) this.#server.setCertificate(certificate);
    else void this.#start(certificate);
  }

  close(): void {
    this.#closed = true;
    this.#server?.close();
  }

  async #start(certificate: { cert: string; key: string }): Promise<void> {
    const { clientCaFile, clock, log, nodeName } = this.#options;
    const address = this.#options.address ?? '0.0.0.0';
    const port = this.#options.port ?? 10_250;
    try {
      this.#server = new KubeletServer({
        address,
        port,
        certificate,
        clientCa: await readFile(clientCaFile, 'utf8'),
        authenticator: new Authenticator(this.#client, clock),
        authorizer: new Authorizer({ client: this.#client, clock, nodeName }),
        routes: this.#agent.routes(this.#metrics),
        log,
      });
      if (this.#closed) return;
      const actual = await this.#server.listen();
      log.info({ address, port: actual }, 'kubelet server listens');
    } catch (error) {
      this.#server = undefined;
      if (this.#closed) return;
      log.error({ address, port, error: messageOf(error) }, 'kubelet server not started, will retry');
      clock.after(5_000, () => void (this.#closed || this.#start(certificate)));
    }
  }
}
