import { APISERVICES, CUSTOMRESOURCEDEFINITIONS } from '../../api/gen/resources.ts';
import type { APIService } from '../../api/gen/types/apiregistration-v1.ts';
import type { CustomResourceDefinition } from '../../api/gen/types/apiextensions-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { WorkQueue } from '../../base/work-queue.ts';
import type { ObjectFeed } from '../authz/object-feed.ts';
import { ignoreExisting } from '../bootstrap/namespaces.ts';
import type { ObjectStore } from '../object-store.ts';
import type { ResourceTable } from '../registry/resource-table.ts';
import { StatusError } from '../status-errors.ts';

/** 'onstart' for the server's own groups, 'true' for those of custom resources, which come and go. */
const MANAGED = 'kube-aggregator.kubernetes.io/automanaged';

/** Where groups stand in discovery. Mirrors pkg/controlplane/apiserver/aggregator.go and cmd/kube-apiserver/app/aggregator.go. */
const GROUP_PRIORITIES: Readonly<Record<string, number>> = {
  '': 18_000,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'apiextensions.k8s.io': 16_700,
  'admissionregistration.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'resource.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'internal.apiserver.k8s.io': 16_000,
  'storagemigration.k8s.io': 15_800,
};
/** 15 is what upstream gives to most. */
const VERSION_PRIORITIES: Readonly<Record<string, number>> = {
  '/v1': 1,
  'autoscaling/v2': 30,
  'flowcontrol.apiserver.k8s.io/v1': 21,
  'resource.k8s.io/v1': 21,
};
const CUSTOM_PRIORITIES = { groupPriorityMinimum: 1000, versionPriority: 100 };

export interface AutoRegistrationOptions {
  store: ObjectStore;
  table: ResourceTable;
  feed: ObjectFeed;
  clock: Clock;
  log: Logger;
}

/**
 * Keeps an APIService for every group and version that this server serves itself. Mirrors
 * kube-aggregator pkg/controllers/autoregister and pkg/controlplane/controller/crdregistration.
 */
export class AutoRegistration {
  readonly #options: AutoRegistrationOptions;
  readonly #queue: WorkQueue;
  /** Names of CRDs by the groups' versions that they serve. */
  readonly #served = new Map<string, Set<string>>();
  readonly #versionsOf = new Map<string, string[]>();
  readonly #ends: Array<() => void> = [];

  constructor(options: AutoRegistrationOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      clock: options.clock,
      workers: 1,
      process: (key) => this.#sync(key),
      onError: (key, error) =>
        options.log.warn({ apiService: key, error: messageOf(error) }, 'an APIService waits'),
    });
  }

  /** Registers the server's own groups, once. */
  async registerOwn(): Promise<void> {
    const { store, table } = this.#options;
    for (const served of table.all()) {
      if (served.definition.custom || served.definition.skipInDiscovery) continue;
      const { group, version } = served.info;
      const name = `${version}.${group}`;
      const groupPriorityMinimum = GROUP_PRIORITIES[group];
      if (groupPriorityMinimum === undefined || (await store.get(APISERVICES, name))) continue;
      const versionPriority = VERSION_PRIORITIES[`${group}/${version}`] ?? 15;
      await this.#create(group, version, 'onstart', { groupPriorityMinimum, versionPriority });
    }
  }

  /** Follows custom resource definitions from now on. */
  start(): void {
    const { feed } = this.#options;
    this.#ends.push(
      feed.follow(CUSTOMRESOURCEDEFINITIONS, {
        set: (crd) => this.#changed(crd, versionsOf(crd)),
        deleted: (crd) => this.#changed(crd, []),
      }),
      // One that someone deletes is made again.
      feed.follow(APISERVICES, {
        set: () => undefined,
        deleted: ({ spec }) => this.#queue.add(`${spec?.group ?? ''}/${spec?.version ?? ''}`),
      }),
    );
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.stop();
  }

  #changed(crd: CustomResourceDefinition, versions: string[]): void {
    const name = crd.metadata?.name ?? '';
    const before = this.#versionsOf.get(name) ?? [];
    this.#versionsOf.set(name, versions);
    for (const key of before) if (!versions.includes(key)) this.#served.get(key)?.delete(name);
    for (const key of versions) {
      const names = this.#served.get(key) ?? new Set();
      this.#served.set(key, names.add(name));
    }
    if (versions.length === 0) this.#versionsOf.delete(name);
    for (const key of new Set([...before, ...versions])) this.#queue.add(key);
  }

  /** `key` is 'group/version'. */
  async #sync(key: string): Promise<void> {
    const { store } = this.#options;
    const [group = '', version = ''] = key.split('/');
    if (GROUP_PRIORITIES[group] !== undefined) return;
    const name = `${version}.${group}`;
    const present = await store.getFresh(APISERVICES, name);
    if ((this.#served.get(key)?.size ?? 0) > 0) {
      if (!present) await this.#create(group, version, 'true', CUSTOM_PRIORITIES);
      return;
    }
    if (present?.metadata?.labels?.[MANAGED] !== 'true') return;
    const { uid } = present.metadata;
    try {
      await store.delete(APISERVICES, name, undefined, uid === undefined ? {} : { preconditions: { uid } });
    } catch (error) {
      if (!(error instanceof StatusError && error.reason === 'Conflict')) throw error;
    }
  }

  #create(
    group: string,
    version: string,
    managed: string,
    priorities: { groupPriorityMinimum: number; versionPriority: number },
  ): Promise<void> {
    const apiService: APIService = {
      metadata: { name: `${version}.${group}`, labels: { [MANAGED]: managed } },
      spec: { ...(group === '' ? {} : { group }), version, ...priorities },
    };
    return ignoreExisting(this.#options.store.create(APISERVICES, apiService));
  }
}

function versionsOf({ spec }: CustomResourceDefinition): string[] {
  return spec.versions.filter(({ served }) => served).map(({ name }) => `${spec.group}/${name}`);
}
