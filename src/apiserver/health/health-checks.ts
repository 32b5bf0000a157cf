import type { HealthCheck } from './health-handler.ts';

/** What a server does before it is ready, each under the name of upstream's hook that does it. */
export const BOOTSTRAP_STEPS = [
  'poststarthook/start-system-namespaces-controller',
  'poststarthook/rbac/bootstrap-roles',
  'poststarthook/scheduling/bootstrap-system-priority-classes',
  'poststarthook/priority-and-fairness-config-producer',
  'poststarthook/start-service-ip-repair-controllers',
  'poststarthook/start-kubernetes-service-cidr-controller',
  'poststarthook/bootstrap-controller',
  'poststarthook/start-cluster-authentication-info-controller',
  'poststarthook/kube-apiserver-autoregistration',
  'autoregister-completion',
  'poststarthook/start-kube-apiserver-identity-lease-controller',
] as const;

export type BootstrapStep = (typeof BOOTSTRAP_STEPS)[number];

/** Hooks of upstream whose work is done as soon as the watch cache has read the store, as everything here reads it. */
const AFTER_FIRST_READ = [
  'start-apiserver-admission-initializer',
  'generic-apiserver-start-informers',
  'priority-and-fairness-config-consumer',
  'priority-and-fairness-filter',
  'storage-object-count-tracker-hook',
  'start-apiextensions-informers',
  'start-apiextensions-controllers',
  'crd-informer-synced',
  'storage-readiness',
  'start-kube-aggregator-informers',
  'apiservice-status-local-available-controller',
  'apiservice-status-remote-available-controller',
  'apiservice-registration-controller',
  'apiservice-discovery-controller',
  'apiservice-openapi-controller',
  'apiservice-openapiv3-controller',
];

/** What the checks ask. */
export interface HealthSources {
  /** Rejects where the store does not answer. */
  store(): Promise<unknown>;
  /** Whether the watch cache follows the store now. */
  following(): boolean;
  /** Whether it has read the whole store once. */
  wasRead(): boolean;
  pending(): ReadonlySet<BootstrapStep>;
  stopping(): boolean;
  /** Why the keys of the store cannot be used; undefined where they can. Absent where no service keeps them. */
  keys?(): string | undefined;
}

/** The checks that upstream's server lists, in its order; tools ask for some of them by name. */
export function healthChecks(sources: HealthSources): HealthCheck[] {
  const both = { livez: true, readyz: true };
  const ready = { livez: false, readyz: true };
  const store = async () => void (await sources.store());
  return [
    { name: 'ping', ...both, check: () => undefined },
    { name: 'log', ...both, check: () => undefined },
    { name: 'etcd', ...both, check: store },
    { name: 'etcd-readiness', ...ready, healthz: false, check: store },
    {
      name: 'informer-sync',
      ...ready,
      healthz: false,
      check: () => {
        if (!sources.following()) throw new Error('the watch cache does not follow the store');
      },
    },
    ...AFTER_FIRST_READ.map((hook) => ({
      name: `poststarthook/${hook}`,
      ...both,
      check: () => {
        if (!sources.wasRead()) throw new Error('not finished');
      },
    })),
    ...BOOTSTRAP_STEPS.map((name) => ({
      name,
      ...both,
      check: () => {
        if (sources.pending().has(name)) throw new Error('not finished');
      },
    })),
    ...(sources.keys
      ? [
          {
            name: 'kms-providers',
            ...ready,
            check: () => {
              const problem = sources.keys?.();
              if (problem !== undefined) throw new Error(problem);
            },
          },
        ]
      : []),
    {
      name: 'shutdown',
      ...ready,
      healthz: false,
      check: () => {
        if (sources.stopping()) throw new Error('process is shutting down');
      },
    },
  ];
}
