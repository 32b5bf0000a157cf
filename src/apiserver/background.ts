import { X509Certificate } from 'node:crypto';
import { hostname } from 'node:os';
import { messageOf } from '../base/errors.ts';
import { RemovedNodes } from './authn/removed-nodes.ts';
import { ensureDefaultRoles } from './bootstrap/default-roles.ts';
import {
  IDENTITY_EXPIRE_EVERY_MS,
  IDENTITY_RENEW_EVERY_MS,
  IdentityLease,
} from './bootstrap/identity-lease.ts';
import { ensureExtensionAuthentication } from './bootstrap/extension-authentication.ts';
import { ensureKubernetesService, writeKubernetesEndpoints } from './bootstrap/kubernetes-service.ts';
import { ensureNamespaces } from './bootstrap/namespaces.ts';
import { ServerLeases } from './bootstrap/server-leases.ts';
import type { ControlPlane } from './control-plane.ts';
import { keepFairnessObjects } from './fairness/keep-objects.ts';
import { fairnessUpkeep } from './fairness/upkeep.ts';
import { ensureSystemPriorityClasses } from './resources/scheduling/system-classes.ts';
import { StaleRewriter } from './encryption/rewrite.ts';
import { compactor, every, expirer } from './maintenance.ts';

const ENDPOINTS_EVERY_MS = 10_000;
const TRUST_EVERY_MS = 60_000;
const REPAIR_EVERY_MS = 180_000;
const MEMBERSHIP_EVERY_MS = 10_000;

/** What the server does by itself beside answering. */
export class Background {
  readonly #controlPlane: ControlPlane;
  readonly #address: string;
  readonly #port: number;
  readonly #leases: ServerLeases;
  readonly #identity: IdentityLease;
  readonly #stop = new AbortController();
  readonly #removed = new AbortController();
  readonly #certificate: () => string;
  readonly #rewriter: StaleRewriter | undefined;
  #loops: Promise<void>[] = [];

  constructor(
    controlPlane: ControlPlane,
    own: { advertiseAddress: string; port: number; certificate: () => string },
  ) {
    this.#controlPlane = controlPlane;
    this.#address = own.advertiseAddress;
    this.#port = own.port;
    this.#certificate = own.certificate;
    const { storage, clock } = controlPlane.options;
    this.#leases = new ServerLeases({ storage, clock });
    this.#rewriter = rewriterOf(controlPlane);
    this.#identity = new IdentityLease({ store: controlPlane.store, clock, hostname: hostname() });
  }

  /** Aborts when the cluster has removed this server. */
  get removed(): AbortSignal {
    return this.#removed.signal;
  }

  /**
   * A control plane that was lost, removed and switched on again still has a way to the store: nobody must be led to it, and
   * it must not act on its own. Upstream knows nothing like it.
   */
  async #checkMembership(): Promise<void> {
    const { raw } = new X509Certificate(this.#certificate());
    const removed = new RemovedNodes(this.#controlPlane.store);
    if (await removed.refuses({ commonName: '', raw })) this.#removed.abort();
  }

  /** Makes what every cluster has; every step may be done again, and by several servers at once. */
  async bootstrap(): Promise<void> {
    const { store, options, pendingSteps } = this.#controlPlane;
    await this.#checkMembership();
    if (this.removed.aborted) return;
    await ensureNamespaces(store);
    pendingSteps.delete('poststarthook/start-system-namespaces-controller');
    await ensureDefaultRoles(store);
    await ensureSystemPriorityClasses(store);
    pendingSteps.delete('poststarthook/scheduling/bootstrap-system-priority-classes');
    await keepFairnessObjects(store, options.clock);
    pendingSteps.delete('poststarthook/priority-and-fairness-config-producer');
    await this.#controlPlane.network.repair(store, options.clock.now());
    pendingSteps.delete('poststarthook/start-service-ip-repair-controllers');
    const cidrs = options.serviceClusterIpRanges ?? ['10.96.0.0/12'];
    await ensureKubernetesService({
      store,
      serviceIp: firstAddress(cidrs[0] ?? '10.96.0.0/12'),
      port: this.#port,
      clock: options.clock,
    });
    pendingSteps.delete('poststarthook/start-kubernetes-service-cidr-controller');
    await this.#trust();
    pendingSteps.delete('poststarthook/start-cluster-authentication-info-controller');
    await this.#controlPlane.aggregator.registration.registerOwn();
    pendingSteps.delete('poststarthook/kube-apiserver-autoregistration');
    pendingSteps.delete('autoregister-completion');
    await this.#publish();
    pendingSteps.delete('poststarthook/bootstrap-controller');
    await this.#identity.renew();
    pendingSteps.delete('poststarthook/start-kube-apiserver-identity-lease-controller');
    await this.#controlPlane.roleAggregation.settled();
    pendingSteps.delete('poststarthook/rbac/bootstrap-roles');
  }

  start(): void {
    const { options, cache, table, store } = this.#controlPlane;
    const deps = { clock: options.clock, log: options.log };
    const { signal } = this.#stop;
    this.#controlPlane.aggregator.registration.start();
    this.#loops = [
      every(MEMBERSHIP_EVERY_MS, 'asking whether this server was removed', deps, signal, () =>
        this.#checkMembership(),
      ),
      every(TRUST_EVERY_MS, 'telling others whom to trust', deps, signal, () => this.#trust()),
      every(ENDPOINTS_EVERY_MS, "publishing the server's address", deps, signal, () => this.#publish()),
      every(REPAIR_EVERY_MS, 'repair of service addresses', deps, signal, () =>
        this.#controlPlane.network.repair(store, options.clock.now()),
      ),
      fairnessUpkeep(this.#controlPlane.fairness, { store, ...deps }, signal),
      every(IDENTITY_RENEW_EVERY_MS, "renewal of the server's lease", deps, signal, () =>
        this.#identity.renew(),
      ),
      every(IDENTITY_EXPIRE_EVERY_MS, 'expiry of leases of other servers', deps, signal, () =>
        this.#identity.expireOthers(),
      ),
      ...(this.#rewriter ? [this.#rewriter.run(signal)] : []),
      compactor(options.storage, cache, deps)(signal),
      expirer(() => table.all(), store, deps)(signal),
    ];
  }

  /** Stops the loops, and takes the server's address out of the Service `kubernetes`. */
  async stop(): Promise<void> {
    this.#controlPlane.stopping = true;
    this.#stop.abort();
    await Promise.all(this.#loops);
    await this.#controlPlane.roleAggregation.stop();
    await this.#controlPlane.policyTypeChecks.stop();
    await this.#controlPlane.customResources.stop();
    await this.#controlPlane.aggregator.stop();
    try {
      await this.#leases.remove(this.#address);
      const others = await this.#leases.living();
      // The last server leaves its address: nobody else would answer, and a restart is likely.
      if (others.length > 0) await writeKubernetesEndpoints(this.#controlPlane.store, others, this.#port);
    } catch (error) {
      const { log } = this.#controlPlane.options;
      log.warn({ error: messageOf(error) }, 'could not take the address of this server out of its Service');
    }
  }

  #trust(): Promise<void> {
    const { store, options } = this.#controlPlane;
    const { requestHeader } = options;
    return ensureExtensionAuthentication(store, { clientCaPem: options.clientCa(), requestHeader });
  }

  async #publish(): Promise<void> {
    await this.#leases.renew(this.#address);
    await writeKubernetesEndpoints(this.#controlPlane.store, await this.#leases.living(), this.#port);
  }
}

function rewriterOf({ options, table, metrics }: ControlPlane): StaleRewriter | undefined {
  const { encryptedStorage, clock, log } = options;
  if (!encryptedStorage) return undefined;
  const folders = () => [...new Set(table.all().map(({ cache }) => folderOf(cache.prefix)))];
  const rewriter = new StaleRewriter(encryptedStorage, folders, { clock, log });
  metrics.observeEncryption(() => rewriter.rewriting);
  return rewriter;
}

/** 'secrets' of '/registry/secrets/'. */
const folderOf = (prefix: string): string => prefix.split('/')[2] ?? '';

/** 10.96.0.1 of 10.96.0.0/12. */
export function firstAddress(cidr: string): string {
  const [address = ''] = cidr.split('/');
  if (address.includes(':')) return address.endsWith('::') ? `${address}1` : `${address}:1`;
  const parts = address.split('.').map(Number);
  return [...parts.slice(0, 3), (parts[3] ?? 0) + 1].join('.');
}
