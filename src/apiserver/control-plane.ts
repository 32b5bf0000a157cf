import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { AdmissionPolicies } from './admission/policies/admission-policies.ts';
import { compileMatchConditions } from './admission/policies/match-conditions.ts';
import { PolicyTypeChecks } from './admission/policies/type-checks.ts';
import { admissionPlugins } from './admission/plugins.ts';
import { AdmissionWebhooks } from './admission/webhooks/admission-webhooks.ts';
import { AdmissionChain } from './admission-chain.ts';
import { Aggregator } from './aggregation/aggregator.ts';
import type { ApiHandlerOptions } from './api-handler.ts';
import { Auditor } from './audit/auditor.ts';
import type { ApiServerOptions } from './api-server-options.ts';
import { impersonate } from './authn/impersonation.ts';
import { OpenidHandler } from './authn/openid-handler.ts';
import { RoleAggregation } from './authz/role-aggregation.ts';
import { OBJECT_CODEC } from './codec/object-codec.ts';
import { genericDefinitions } from './definitions.ts';
import { CustomResources } from './crd/custom-resources.ts';
import { DiscoveryHandler } from './discovery/discovery-handler.ts';
import { BOOTSTRAP_STEPS, healthChecks } from './health/health-checks.ts';
import type { BootstrapStep } from './health/health-checks.ts';
import { HealthHandler } from './health/health-handler.ts';
import type { HttpLimits } from './http/limits.ts';
import type { EncryptedStorage } from './encryption/encrypted-storage.ts';
import { FairnessDebugHandler } from './fairness/debug-handler.ts';
import { Fairness } from './fairness/fairness.ts';
import { InFlight } from './in-flight.ts';
import { MetricsHandler, ServerMetrics } from './metrics.ts';
import { OpenApiHandler } from './openapi/openapi-handler.ts';
import { createPolicy } from './policy.ts';
import type { Policy } from './policy.ts';
import type { Random, RegistryEnv } from './registry/registry-env.ts';
import { ResourceTable } from './registry/resource-table.ts';
import { ServerObjectStore } from './registry/server-object-store.ts';
import { builtInResources } from './resources/all.ts';
import { KubeletConnector } from './resources/core/kubelet-connector.ts';
import { ServiceNetwork } from './resources/core/service-network.ts';
import type { ResourceEnvironment } from './resources/environment.ts';
import { VersionHandler, versionInfo } from './version-handler.ts';
import { CacheFeed } from './watch-cache/cache-feed.ts';
import { ParsedObjects } from './watch-cache/cache-entry.ts';
import { WatchCache } from './watch-cache/watch-cache.ts';
import { WatchHub } from './watch/watch-hub.ts';
import { ServiceResolver } from './webhook-client/service-resolver.ts';
import { WebhookClient } from './webhook-client/webhook-client.ts';

const PARSED_BYTES = 8 * 1024 * 1024;

export interface ControlPlaneOptions extends Omit<ApiServerOptions, 'limits'> {
  clock: Clock;
  log: Logger;
  limits: HttpLimits;
  random: Random;
  clientCa: () => string;
  serverAddress: () => string;
}

/** The parts of the server behind HTTP, wired together. */
export class ControlPlane {
  readonly options: ControlPlaneOptions;
  readonly cache: WatchCache;
  readonly table: ResourceTable;
  readonly store: ServerObjectStore;
  readonly env: RegistryEnv;
  readonly hub: WatchHub;
  readonly customResources: CustomResources;
  readonly policy: Policy;
  readonly roleAggregation: RoleAggregation;
  readonly policyTypeChecks: PolicyTypeChecks;
  readonly network: ServiceNetwork;
  readonly aggregator: Aggregator;
  readonly auditor: Auditor | undefined;
  readonly webhookClient: WebhookClient;
  readonly admissionWebhooks: AdmissionWebhooks;
  readonly admissionPolicies: AdmissionPolicies;
  readonly metrics = new ServerMetrics();
  readonly #inFlight: InFlight;
  readonly fairness: Fairness | undefined;
  /** Names of start-up steps that are not done yet; while there are any, /readyz fails. */
  readonly pendingSteps = new Set<BootstrapStep>(BOOTSTRAP_STEPS);
  #wasRead = false;
  stopping = false;

  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const controlPlane = new ControlPlane(options);
    await controlPlane.cache.start();
    controlPlane.#wasRead = true;
    // Before the first request: what others serve must not look as if nobody did.
    controlPlane.aggregator.remotes.start();
    return controlPlane;
  }

  private constructor(options: ControlPlaneOptions) {
    this.options = options;
    const { storage, clock, log, random } = options;
    this.cache = new WatchCache({
      storage,
      clock,
      log,
      ...(options.watchWindow ? { window: options.watchWindow } : {}),
    });
    const parsed = new ParsedObjects(options.parsedCacheBytes ?? PARSED_BYTES, OBJECT_CODEC.parse);
    this.table = new ResourceTable(this.cache, parsed);
    this.store = new ServerObjectStore(this.table, () => this.env);
    const feed = new CacheFeed(this.cache, parsed);
    const resolver = new ServiceResolver(this.store);
    this.#inFlight = inFlightOf(options);
    this.fairness = this.#createFairness(feed);
    this.webhookClient = new WebhookClient({ resolver, clock });
    this.policy = createPolicy({
      reader: this.store,
      feed,
      clientCa: options.clientCa,
      requestHeader: options.requestHeader,
      serviceAccounts: options.serviceAccounts,
      authentication: options.authentication,
      authorization: options.authorization,
      client: this.webhookClient,
      clock,
      log,
    });
    options.followAccess?.((change) => this.policy.change(change));
    this.network = new ServiceNetwork(this.#networkOptions());
    for (const definition of builtInResources(this.#resourceEnvironment(), this.network)) {
      this.table.add(definition);
    }
    for (const definition of genericDefinitions(this.table)) this.table.add(definition);
    this.hub = new WatchHub({ cache: this.cache, clock, log });
    const lost = (events: number): void => this.metrics.auditLost(events);
    this.auditor =
      options.audit && new Auditor(options.audit, { client: this.webhookClient, clock, log, lost });
    this.admissionWebhooks = new AdmissionWebhooks({
      feed,
      store: this.store,
      table: this.table,
      client: this.webhookClient,
      clock,
      metrics: this.metrics.hooks,
      compile: (conditions) => compileMatchConditions(conditions, { authorizer: this.policy.authorizer }),
      uuid: () => random.uuid(),
      log,
    });
    this.admissionPolicies = new AdmissionPolicies({
      feed,
      store: this.store,
      table: this.table,
      authorizer: this.policy.authorizer,
    });
    const admission = new AdmissionChain(
      admissionPlugins({
        authorizer: this.policy.authorizer,
        clock,
        random: (limit) => random.below(limit),
        webhooks: this.admissionWebhooks,
        policies: this.admissionPolicies,
        ...(options.admission ? { config: options.admission } : {}),
      }),
    );
    const { cache, store, table } = this;
    this.env = { storage, cache, parsed, clock, log, random, admission, store, table };
    this.customResources = new CustomResources(this.env, this.hub, feed, this.webhookClient);
    const identity = () => options.proxyClient?.();
    this.aggregator = new Aggregator({ env: this.env, feed, resolver, identity, clock, log });
    this.roleAggregation = new RoleAggregation({ store: this.store, feed, clock, log });
    this.policyTypeChecks = new PolicyTypeChecks({ store, table, feed, clock, log });
    if (this.fairness) this.metrics.observeFairness(this.fairness);
    this.metrics.observeApiServices(() => this.aggregator.remotes.unavailable());
    this.metrics.observeSources({
      watchers: () => this.hub.counts(),
      objects: () =>
        this.cache.resources().map(({ info, size }) => ({ resource: qualifiedName(info), count: size })),
      inFlight: () => ({ reads: this.#inFlight.reads, writes: this.#inFlight.writes }),
      storeBytes: () => storage.size(),
    });
  }

  handlerOptions(): ApiHandlerOptions {
    const { clock, log, limits, encryptedStorage } = this.options;
    const { authenticator, authorizer } = this.policy;
    return {
      env: this.env,
      table: this.table,
      hub: this.hub,
      authenticator,
      authorizer,
      auditor: this.auditor,
      impersonate: (request, user) => impersonate(user, request.headers, authorizer),
      aggregated: this.aggregator.proxy,
      paths: [
        new HealthHandler(
          healthChecks({
            store: () => this.options.storage.currentRevision(),
            following: () => this.cache.ready,
            wasRead: () => this.#wasRead,
            pending: () => this.pendingSteps,
            stopping: () => this.stopping,
            ...(encryptedStorage ? { keys: () => problemOfKeys(encryptedStorage) } : {}),
          }),
        ),
        new VersionHandler(versionInfo(this.options.build ?? { version: '0.0.0', commit: '', date: '' })),
        new MetricsHandler(this.metrics),
        ...(this.fairness ? [new FairnessDebugHandler(this.fairness)] : []),
        new OpenidHandler({
          issuer: this.policy.issuer,
          keys: this.policy.tokenKeys,
          serverAddress: this.options.serverAddress,
        }),
        new OpenApiHandler({
          table: this.table,
          remotes: this.aggregator.remotes,
          gzipThresholdBytes: limits.gzipThresholdBytes,
        }),
        new DiscoveryHandler({
          table: this.table,
          remotes: this.aggregator.remotes,
          serverAddress: this.options.serverAddress,
          gzipThresholdBytes: limits.gzipThresholdBytes,
        }),
      ],
      limits,
      inFlight: this.#inFlight,
      fairness: this.fairness,
      metrics: this.metrics,
      clock,
      log,
    };
  }

  #createFairness(feed: CacheFeed): Fairness | undefined {
    const { clock, maxRequestsInflight = 400, maxMutatingRequestsInflight = 200 } = this.options;
    if (this.options.priorityAndFairness === false) return undefined;
    return new Fairness({
      feed,
      clock,
      concurrency: maxRequestsInflight + maxMutatingRequestsInflight,
      objects: (group, resource) =>
        this.cache.resources().find(({ info }) => info.resource === resource && info.group === group)?.size ??
        0,
      watchers: (group, resource) => this.hub.count(group, resource),
    });
  }

  #networkOptions(): Pick<ResourceEnvironment, 'serviceClusterIpRanges' | 'serviceNodePortRange'> {
    return {
      serviceClusterIpRanges: this.options.serviceClusterIpRanges ?? ['10.96.0.0/12'],
      serviceNodePortRange: this.options.serviceNodePortRange ?? { from: 30_000, to: 32_767 },
    };
  }

  #resourceEnvironment(): ResourceEnvironment {
    const { clock, log, kubelet } = this.options;
    const { authenticator, authorizer, escalation, tokens, apiAudiences } = this.policy;
    return {
      ...this.#networkOptions(),
      clock,
      log,
      authorizer,
      escalation,
      tokens,
      apiAudiences,
      checkStore: () => this.options.storage.currentRevision(),
      authenticateToken: (token, audiences) => authenticator.authenticateToken(token, audiences),
      kubelets:
        kubelet &&
        new KubeletConnector(() => {
          const { caPem, certPem, keyPem } = typeof kubelet === 'function' ? kubelet() : kubelet;
          return { ca: caPem, cert: certPem, key: keyPem };
        }),
    };
  }

  stop(): void {
    this.hub.stop();
    this.admissionWebhooks.stop();
    this.webhookClient.close();
    this.admissionPolicies.stop();
    this.policy.stop();
    this.fairness?.stop();
    this.cache.stop();
    this.metrics.close();
  }
}

function problemOfKeys({ services }: EncryptedStorage): string | undefined {
  return services.find(({ problem }) => problem !== undefined)?.problem;
}

/** With fairness it only counts: levels of priority limit. */
function inFlightOf(options: ControlPlaneOptions): InFlight {
  const { priorityAndFairness, maxRequestsInflight, maxMutatingRequestsInflight } = options;
  if (priorityAndFairness !== false) return new InFlight(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
  return new InFlight(maxRequestsInflight, maxMutatingRequestsInflight);
}

function qualifiedName(info: { group: string; resource: string }): string {
  return info.group === '' ? info.resource : `${info.resource}.${info.group}`;
}
