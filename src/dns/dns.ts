import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { ENDPOINTSLICES, NAMESPACES, SERVICES } from '../api/gen/resources.ts';
import type { Namespace, Service } from '../api/gen/types/core-v1.ts';
import type { EndpointSlice } from '../api/gen/types/discovery-v1.ts';
import type { Clock } from '../base/clock.ts';
import { runCommand, type RunCommand } from '../base/command.ts';
import { messageOf } from '../base/errors.ts';
import { startHealthServer } from '../base/health-server.ts';
import { runTogether, untilAborted } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { dropManagedFields, ResourceInformer } from '../client/informer.ts';
import { clusterIps, ClusterZone } from './cluster-zone.ts';
import { Forwarder } from './forwarder.ts';
import { Listener, type ListenAddress } from './listener.ts';
import { DnsMetrics } from './metrics.ts';
import { parseResolvConf } from './resolv-conf.ts';
import { Responder } from './responder.ts';
import { canonicalAddress } from './reverse.ts';
import type { Upstream } from './upstream.ts';

export interface DnsOptions {
  client: Client;
  /** Where to listen, by UDP and TCP: the cluster DNS address, port 53. */
  listen: readonly ListenAddress[];
  /** Default 'cluster.local'. */
  clusterDomain?: string;
  /** Where other names are asked; for tests and for a fixed set. */
  upstreams?: readonly Upstream[];
  /** A resolv.conf to take the upstream servers from, and to follow. Not read where `upstreams` is given. */
  resolvConf?: string;
  /** Puts the listening addresses on `lo` (needs CAP_NET_ADMIN). Default true; loopback ones are there already. */
  addAddresses?: boolean;
  clock: Clock;
  log: Logger;
  random?: () => number;
  run?: RunCommand;
  /** Where /healthz and /metrics answer (127.0.0.1:9153). Not served where absent. */
  metrics?: { address: string; port: number };
  /** Told the ports when it listens: for tests that let the system choose. */
  onListening?: (ports: readonly number[]) => void;
}

const CHECK_MS = 30_000;
const RESOLV_CONF_MS = 10_000;

/** Serves the cluster's names until the signal aborts. Until the cluster is known its names get SERVFAIL. */
export async function runDns(options: DnsOptions, signal: AbortSignal): Promise<void> {
  const dns = new ClusterDns(options);
  const health = options.metrics
    ? await startHealthServer({
        ...options.metrics,
        problem: () => dns.problem(),
        metrics: () => dns.metrics.text(),
      })
    : undefined;
  try {
    await dns.run(signal);
  } finally {
    await health?.close();
  }
}

class ClusterDns {
  readonly metrics = new DnsMetrics();
  readonly #options: DnsOptions;
  readonly #services: ResourceInformer<Service>;
  readonly #slices: ResourceInformer<EndpointSlice>;
  readonly #namespaces: ResourceInformer<Namespace>;
  readonly #forwarder: Forwarder;
  readonly #responder: Responder;
  #listening = false;

  constructor(options: DnsOptions) {
    this.#options = options;
    const { client, clock, log } = options;
    const common = { client, clock, log };
    this.#services = new ResourceInformer({
      ...common,
      resource: SERVICES,
      indexes: { ip: (service) => clusterIps(service).map(canonicalAddress) },
      trim: trimService,
    });
    this.#slices = new ResourceInformer({
      ...common,
      resource: ENDPOINTSLICES,
      indexes: { service: (slice) => [serviceOf(slice)], ip: namedAddresses },
      trim: trimSlice,
    });
    this.#namespaces = new ResourceInformer({ ...common, resource: NAMESPACES, metadataOnly: true });
    this.#forwarder = new Forwarder({ clock, log });
    const zone = new ClusterZone({
      domain: options.clusterDomain ?? 'cluster.local',
      services: this.#services,
      slices: this.#slices,
      namespaces: this.#namespaces,
      addresses: options.listen.map(({ address }) => address),
    });
    this.#responder = new Responder({
      zone,
      forwarder: this.#forwarder,
      ready: () => this.#synced,
      random: options.random ?? Math.random,
      log,
      onAnswer: (rcode) => this.metrics.answered(rcode),
    });
  }

  get #synced(): boolean {
    return this.#services.synced && this.#slices.synced && this.#namespaces.synced;
  }

  problem(): string | undefined {
    if (!this.#listening) return 'the sockets are not open yet';
    return this.#synced ? undefined : 'the cluster is not known yet';
  }

  async run(signal: AbortSignal): Promise<void> {
    const { listen, log, clock } = this.#options;
    await this.#addAddresses();
    const listeners: Listener[] = [];
    try {
      for (const address of listen) listeners.push(await Listener.open(address, this.#responder, log));
      this.#listening = true;
      this.#options.onListening?.(listeners.map(({ port }) => port));
      const informers = [this.#services, this.#slices, this.#namespaces];
      await runTogether(
        [
          ...informers.map((informer) => (both: AbortSignal) => informer.run(both)),
          (both) => this.#followUpstreams(both),
          async (both) => {
            while (!both.aborted) {
              await clock.sleep(CHECK_MS, both).catch(() => {});
              if (!both.aborted) {
                await this.#addAddresses().catch((error: unknown) =>
                  log.warn({ err: messageOf(error) }, 'addresses'),
                );
              }
            }
          },
        ],
        signal,
      );
    } finally {
      await Promise.all(listeners.map((listener) => listener.close()));
    }
  }

  /** The addresses stay when we stop: a client that asks meanwhile is refused at once and tries again. */
  async #addAddresses(): Promise<void> {
    if (this.#options.addAddresses === false) return;
    const run = this.#options.run ?? runCommand;
    for (const { address } of this.#options.listen) {
      if (/^127\.|^0\.0\.0\.0$|^::1?$/.test(address)) continue;
      const prefix = isIP(address) === 6 ? 128 : 32;
      // A new v6 address must not wait for others to object: nobody else hears of it.
      const options = prefix === 128 ? ['nodad'] : [];
      await run('ip', ['address', 'replace', `${address}/${prefix}`, 'dev', 'lo', ...options]);
    }
  }

  async #followUpstreams(signal: AbortSignal): Promise<void> {
    const { upstreams, resolvConf, clock, log } = this.#options;
    if (upstreams || resolvConf === undefined) {
      void this.#forwarder.setUpstreams(this.#withoutUs(upstreams ?? []));
      await untilAborted(signal);
      return;
    }
    let known: string | undefined;
    while (!signal.aborted) {
      const text = await readFile(resolvConf, 'utf8').catch(() => '');
      if (text !== known) {
        known = text;
        const found = this.#withoutUs(parseResolvConf(text));
        log.info(
          { upstreams: found.map(({ address }) => address) },
          'names outside of the cluster are asked there',
        );
        void this.#forwarder.setUpstreams(found);
      }
      await clock.sleep(RESOLV_CONF_MS, signal).catch(() => {});
    }
  }

  /** A node's resolv.conf may name us, to give host processes the cluster's names. */
  #withoutUs(upstreams: readonly Upstream[]): Upstream[] {
    const { listen } = this.#options;
    return upstreams.filter(
      (upstream) =>
        !listen.some(({ address, port }) => address === upstream.address && port === upstream.port),
    );
  }
}

function serviceOf(slice: EndpointSlice): string {
  return `${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`;
}

function namedAddresses(slice: EndpointSlice): string[] {
  if (slice.addressType === 'FQDN') return [];
  const named = (slice.endpoints ?? []).filter(({ hostname }) => hostname);
  return named.flatMap(({ addresses }) =>
    addresses.filter((address) => isIP(address) !== 0).map(canonicalAddress),
  );
}

function trimService(service: Service): Service {
  if (service.metadata) delete service.metadata.annotations;
  delete service.status;
  return dropManagedFields(service);
}

function trimSlice(slice: EndpointSlice): EndpointSlice {
  if (slice.metadata) delete slice.metadata.annotations;
  for (const endpoint of slice.endpoints ?? []) {
    delete endpoint.targetRef;
    delete endpoint.deprecatedTopology;
    delete endpoint.hints;
  }
  return dropManagedFields(slice);
}
