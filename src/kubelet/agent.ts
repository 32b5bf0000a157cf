import { readFile } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';
import { PODS, RUNTIMECLASSES, SERVICES } from '../api/gen/resources.ts';
import type { Pod } from '../api/gen/types/core-v1.ts';
import { isAbort, messageOf } from '../base/errors.ts';
import { ResourceInformer } from '../client/informer.ts';
import { parseResolvConf, type DnsSettings } from './environment/resolv-conf.ts';
import { ImageGc } from './images/image-gc.ts';
import { LogRotation } from './logs/log-rotation.ts';
import { NodeLease } from './node/lease.ts';
import { NodeRegistrar } from './node/node-registrar.ts';
import { nodeAllocatable, nodeLabels } from './node/node-status.ts';
import { createNodeWatch, type NodeWatch } from './node/node-watch.ts';
import { fileSystemFacts } from './node/machine.ts';
import type { AgentParts, KubeletOptions } from './options.ts';
import { createPodMachinery, type PodMachinery } from './pod-machinery.ts';
import { Housekeeping } from './pods/housekeeping.ts';
import { isMirrorPod, isStaticPod, specOf, uidOf } from './pods/pod-spec.ts';
import { podFromRuntime, Relist, type RuntimeInventory } from './pods/relist.ts';
import { StaticPods } from './pods/static-pods.ts';
import { KubeletRoutes } from './server/routes.ts';
import { StatsSummary } from './stats/summary.ts';

type Loop = (signal: AbortSignal) => Promise<void>;

const HOUSEKEEPING_MS = 60_000;
const IMAGE_GC_MS = 300_000;
const LOG_ROTATION_MS = 10_000;

/** Builds the kubelet from its parts; nothing runs before `loops`. */
export async function createAgent(options: KubeletOptions, parts: AgentParts): Promise<Agent> {
  const watch = await createNodeWatch(options, parts);
  return new Agent(options, parts, watch);
}

/** Everything of the kubelet but its credentials and its server. */
export class Agent {
  readonly hostname: string;
  readonly #options: KubeletOptions;
  readonly #parts: AgentParts;
  readonly #watch: NodeWatch;
  readonly #machinery: PodMachinery;
  readonly #relist: Relist;
  readonly #registrar: NodeRegistrar;
  readonly #pods: ResourceInformer<Pod>;
  readonly #services: ResourceInformer<NonNullable<typeof SERVICES.type>>;
  readonly #static: StaticPods | undefined;
  readonly #housekeeping: Housekeeping;
  readonly #stats: StatsSummary;
  #inventory: RuntimeInventory = { sandboxes: [], containers: [] };
  #sourcesReady = false;

  constructor(options: KubeletOptions, parts: AgentParts, watch: NodeWatch) {
    const { clock, log, nodeName } = options;
    const { client, events, runtime } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#watch = watch;
    // As upstream: the override is the host's name to all who ask.
    this.hostname = options.nodeName;
    this.#pods = new ResourceInformer({
      client,
      resource: PODS,
      fieldSelector: `spec.nodeName=${nodeName}`,
      clock,
      log,
    });
    this.#services = new ResourceInformer({ client, resource: SERVICES, clock, log });
    this.#machinery = createPodMachinery({
      ...options,
      ...parts,
      hostIps: () => options.nodeIps,
      allocatable: () => nodeAllocatable(watch.last()),
      memoryCapacityBytes: watch.last().machine.memoryBytes,
      networkProblem: () => watch.networkProblem(),
      services: () => this.#services,
      dns: () => this.#dns(),
      runtimeHandler: (pod) => this.#runtimeHandler(pod),
    });
    this.#relist = new Relist({
      runtime,
      clock,
      log,
      onChange: (uid) => this.#machinery.workers.poke(uid),
      onRelist: (inventory) => this.#relisted(inventory),
    });
    this.#registrar = new NodeRegistrar({
      client,
      clock,
      log,
      nodeName,
      events,
      labels: { ...nodeLabels(this.hostname), ...options.nodeLabels },
      taints: options.registerWithTaints ?? [],
      facts: () => watch.look([this.#relist.problem()]),
    });
    watch.onNetworkReady(() => this.#registrar.poke());
    this.#static = this.#staticPods();
    this.#housekeeping = new Housekeeping({
      runtime,
      paths: this.#machinery.paths,
      volumes: this.#machinery.volumes,
      cgroups: this.#machinery.cgroups,
      clock,
      log,
      known: () => new Set(this.#machinery.workers.pods().map(uidOf)),
      unfinished: () => this.#machinery.workers.unfinished(),
    });
    this.#stats = new StatsSummary({
      runtime,
      clock,
      nodeName,
      rootDir: options.rootDir,
      pods: () => this.#machinery.workers.pods(),
    });
  }

  loops(): Loop[] {
    const { clock, log, nodeName } = this.#options;
    const { client, events, runtime } = this.#parts;
    const lease = new NodeLease({
      client,
      clock,
      log,
      nodeName,
      nodeUid: () => this.#registrar.node?.metadata?.uid,
    });
    const rotation = new LogRotation({ runtime, clock, log });
    const images = new ImageGc({
      runtime,
      clock,
      log,
      events,
      disk: () => fileSystemFacts(this.#options.rootDir),
      keep: (name) => name === this.#options.podInfraContainerImage,
    });
    const staticPods = this.#static;
    return [
      (signal) => this.#follow(signal),
      (signal) => this.#pods.run(signal),
      (signal) => this.#services.run(signal),
      (signal) => this.#relist.run(signal),
      (signal) => this.#watch.run(signal),
      (signal) => this.#registrar.run(signal),
      (signal) => lease.run(signal),
      this.#every(HOUSEKEEPING_MS, 'housekeeping', async () => {
        if (this.#sourcesReady) await this.#housekeeping.run(this.#inventory);
      }),
      this.#every(LOG_ROTATION_MS, 'log rotation', () => rotation.run()),
      this.#every(IMAGE_GC_MS, 'image removal', () => images.run()),
      ...(staticPods ? [(signal: AbortSignal) => staticPods.run(signal)] : []),
    ];
  }

  /** Why the kubelet itself is not healthy. A node that is not Ready is no reason to restart it. */
  problem(): string | undefined {
    const problem = this.#relist.problem();
    return problem?.startsWith('PLEG') ? problem : undefined;
  }

  async whenRegistered(signal: AbortSignal): Promise<void> {
    while (!this.#registrar.node) await this.#options.clock.sleep(100, signal);
  }

  routes(metrics: () => Promise<string>): KubeletRoutes {
    const { clock, log } = this.#options;
    return new KubeletRoutes({
      runtime: this.#parts.runtime,
      pods: () => this.#machinery.workers.pods(),
      status: (pod) => this.#machinery.status.get(uidOf(pod)) ?? pod.status ?? {},
      healthy: () => this.problem(),
      metrics,
      summary: () => this.#stats.read(),
      clock,
      log,
    });
  }

  registerMetrics(registry: Registry): void {
    const running = (state: string) => this.#inventory.containers.filter((one) => one.state === state).length;
    const pods = () => this.#inventory.sandboxes.filter(({ ready }) => ready).length;
    registry.registerMetric(
      new Gauge({
        name: 'kubelet_running_pods',
        help: 'Number of pods that have a running pod sandbox',
        registers: [],
        collect() {
          this.set(pods());
        },
      }),
    );
    registry.registerMetric(
      new Gauge({
        name: 'kubelet_running_containers',
        help: 'Number of containers by state',
        labelNames: ['container_state'],
        registers: [],
        collect() {
          for (const state of ['Created', 'Running', 'Exited', 'Unknown']) {
            this.set({ container_state: state.toLowerCase() }, running(state));
          }
        },
      }),
    );
  }

  async stop(): Promise<void> {
    await this.#machinery.stop();
  }

  /** Hands pods from the API to their workers, and from then on takes what nobody knows for an orphan. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { status, workers } = this.#machinery;
    await this.#machinery.cgroups.prepare();
    this.#pods.subscribe({
      added: (pod) => this.#update(pod),
      updated: (_old, pod) => this.#update(pod),
      deleted: (pod) => {
        if (isMirrorPod(pod)) {
          this.#static?.lookSoon();
          return;
        }
        workers.remove(uidOf(pod));
        status.forget(uidOf(pod));
      },
    });
    await this.#pods.whenSynced(signal);
    await this.#static?.look();
    this.#sourcesReady = true;
  }

  #update(pod: Pod): void {
    const { status, workers } = this.#machinery;
    if (isMirrorPod(pod)) {
      if (this.#sourcesReady && this.#static) {
        this.#static.dropMirror(pod).catch((error: unknown) => {
          this.#options.log.warn({ error: messageOf(error) }, 'mirror pod not removed');
        });
      }
      return;
    }
    status.observe(pod);
    workers.update(pod);
  }

  #relisted(inventory: RuntimeInventory): void {
    const { reader, workers } = this.#machinery;
    this.#inventory = inventory;
    reader.retain(new Set(inventory.containers.map(({ id }) => id)));
    if (!this.#sourcesReady) return;
    const alive = new Set([
      ...inventory.sandboxes.filter(({ ready }) => ready).map(({ metadata }) => metadata.uid),
      ...inventory.containers
        .filter(({ state }) => state === 'Running')
        .map(({ labels }) => labels['io.kubernetes.pod.uid'] ?? ''),
    ]);
    for (const uid of alive) {
      if (uid === '' || workers.has(uid)) continue;
      const pod = podFromRuntime(uid, inventory);
      if (!pod) continue;
      this.#options.log.info({ pod: pod.metadata?.name, uid }, 'ending a pod that no source knows');
      workers.adoptOrphan(pod);
    }
  }

  #staticPods(): StaticPods | undefined {
    const { clock, log, nodeName, podManifestPath } = this.#options;
    const { status, workers } = this.#machinery;
    if (podManifestPath === undefined) return undefined;
    const pods = new StaticPods({
      folder: podManifestPath,
      nodeName,
      client: this.#parts.client,
      clock,
      log,
      onUpdate: (pod) => workers.update(pod),
      onRemove: (uid) => workers.remove(uid),
      apiPod: (namespace, name) => this.#pods.get(name, namespace),
      node: () => this.#registrar.node,
    });
    status.mirrorUid = (pod) => (isStaticPod(pod) ? pods.mirrorUid(pod) : undefined);
    return pods;
  }

  async #dns(): Promise<DnsSettings> {
    const { clusterDns, clusterDomain, resolvConf } = this.#options;
    const paths = resolvConf ? [resolvConf] : ['/run/systemd/resolve/resolv.conf', '/etc/resolv.conf'];
    for (const path of paths) {
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text !== undefined) return { clusterDns, clusterDomain, node: parseResolvConf(text) };
    }
    return { clusterDns, clusterDomain, node: { servers: [], searches: [], options: [] } };
  }

  async #runtimeHandler(pod: Pod): Promise<string> {
    const name = specOf(pod).runtimeClassName;
    if (!name) return '';
    return (await this.#parts.client.get(RUNTIMECLASSES, { name })).handler;
  }

  #every(delayMs: number, what: string, run: () => Promise<void>): Loop {
    const { clock, log } = this.#options;
    return async (signal) => {
      while (!signal.aborted) {
        await clock.sleep(delayMs, signal).catch(() => undefined);
        if (signal.aborted) return;
        try {
          await run();
        } catch (error) {
          if (!isAbort(error)) log.warn({ error: messageOf(error) }, `${what} failed, will retry`);
        }
      }
    };
  }
}
