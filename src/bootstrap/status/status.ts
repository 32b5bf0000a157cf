import { messageOf, SlipwayError } from '../../base/errors.ts';
import { parseCertificate } from '../../pki/parse.ts';
import type { ActionOptions } from '../actions/run-action.ts';
import { Cluster, type Node } from '../cluster.ts';
import { SUPER_ADMIN } from '../../pki/identities.ts';
import { askApi, askEtcd, type ApiStatus, type StoreStatus } from './cluster-status.ts';
import { findProblems } from './problems.ts';
import { findDrift, type Drift } from './drift.ts';
import { findUnfinished } from './unfinished.ts';
import { askServer, type ServerStatus } from './server-status.ts';

export interface ReachedServer extends ServerStatus {
  name: string;
  reached: true;
}

export interface LostServer {
  name: string;
  reached: false;
  message: string;
}

/** Everything about a cluster that fits on a screen. */
export interface ClusterStatus {
  cluster: string;
  /** Milliseconds since the epoch. */
  nowMs: number;
  servers: Array<ReachedServer | LostServer>;
  api: ApiStatus;
  /** Undefined where no server that could have one was reached. */
  store: StoreStatus | undefined;
  /** The certificate that expires first, on a server or in the state directory. */
  nearestExpiry: { where: string; notAfterMs: number } | undefined;
  /** Of the servers that were reached and run the release of this slipway. */
  drift: Drift;
  /** What was begun and stopped half-way, in sentences. */
  unfinished: string[];
  /** What is wrong, in sentences; empty where all is well. */
  problems: string[];
}

const ASK_MS = 20_000;
/** A watch compares the servers with the inventory so often; all else it asks at each look. */
const DRIFT_MS = 30_000;

/**
 * Looks at a cluster as often as asked, over connections that stay open. Whatever does not answer is told as such:
 * the API may be down, servers may be dead. E_NO_CLUSTER where the state directory has no cluster.
 */
export class StatusWatch {
  /** Whose servers are connected as far as they were reached. */
  readonly cluster: Cluster;
  readonly #open: ActionOptions['open'];
  readonly #options: ActionOptions;
  readonly #hashed = new Map<string, string>();
  #drift: { drift: Drift; atMs: number } | undefined;

  constructor(options: ActionOptions) {
    this.cluster = new Cluster(options);
    this.#open = options.open;
    this.#options = options;
  }

  async look(): Promise<ClusterStatus> {
    const cluster = this.cluster;
    cluster.pki = await cluster.state.readPki();
    if (cluster.pki[`${SUPER_ADMIN}.crt`] === undefined) {
      throw new SlipwayError('E_NO_CLUSTER', `${cluster.state.path} holds no cluster`, {
        hint: 'make one with "slipway up", or name its directory with --state-dir',
      });
    }
    const servers = await Promise.all(cluster.nodes.map((node) => this.#server(node)));
    const reached = servers.filter((server): server is ReachedServer => server.reached);
    const has = (test: (server: ReachedServer) => boolean): Node[] =>
      cluster.controlPlanes.filter((node) =>
        reached.some((server) => server.name === node.name && test(server)),
      );
    const [api, store, drift] = await Promise.all([
      askApi(
        cluster,
        has(() => true),
      ),
      this.#store(
        reached,
        has(({ etcd }) => etcd),
      ),
      this.#driftOf(reached),
    ]);
    const status = {
      cluster: cluster.inventory.cluster.name,
      nowMs: cluster.clock.now(),
      servers,
      api,
      store,
      nearestExpiry: this.#nearestExpiry(reached),
      drift,
      unfinished: await findUnfinished(cluster.state),
    };
    return { ...status, problems: findProblems(status, cluster) };
  }

  async close(): Promise<void> {
    const open = this.cluster.nodes.filter((node) => node.connected);
    await Promise.all(open.map((node) => node.host.close()));
  }

  async #server(node: Node): Promise<ReachedServer | LostServer> {
    const attempt = async (): Promise<ReachedServer> => {
      if (!node.connected) node.host = await this.#open(node);
      return { name: node.name, reached: true, ...(await askServer(node, ASK_MS, this.#hashed)) };
    };
    try {
      return await attempt();
    } catch (error) {
      this.cluster.signal.throwIfAborted();
      // A connection that broke since the last look is made anew at the next one.
      if (node.connected) await node.host.close().catch(() => {});
      node.disconnect();
      return { name: node.name, reached: false, message: messageOf(error) };
    }
  }

  /** Servers of another release differ in everything: that they do is told by itself. */
  async #driftOf(reached: readonly ReachedServer[]): Promise<Drift> {
    const nowMs = this.cluster.clock.monotonicMs();
    if (this.#drift !== undefined && nowMs - this.#drift.atMs < DRIFT_MS) return this.#drift.drift;
    const same = reached.filter(({ release }) => release === this.cluster.release.id);
    const nodes = this.cluster.nodes.filter(({ name }) => same.some((server) => server.name === name));
    const drift = await findDrift(this.#options, nodes, this.#hashed);
    this.#drift = { drift, atMs: nowMs };
    return drift;
  }

  async #store(reached: readonly ReachedServer[], etcd: Node[]): Promise<StoreStatus | undefined> {
    if (etcd.length > 0) return await askEtcd(this.cluster, etcd);
    const embedded = reached.find(({ storeBytes }) => storeBytes !== undefined);
    if (embedded === undefined) return undefined;
    const member = {
      name: embedded.name,
      leader: true,
      learner: false,
      answers: true,
      revision: 0,
      behind: 0,
    };
    const bytes = embedded.storeBytes ?? 0;
    return { kind: 'embedded', members: [{ ...member, bytes, message: '' }], error: undefined };
  }

  #nearestExpiry(reached: readonly ReachedServer[]): ClusterStatus['nearestExpiry'] {
    const there = reached.flatMap(({ name, certificates }) =>
      certificates.map(({ path, notAfterMs }) => ({ where: `${name}:${path}`, notAfterMs })),
    );
    const here = Object.entries(this.cluster.pki)
      .filter(([path, pem]) => path.endsWith('.crt') && pem !== '')
      .map(([path, pem]) => ({ where: path, notAfterMs: parseCertificate(pem).notAfterMs }));
    return [...there, ...here].toSorted((a, b) => a.notAfterMs - b.notAfterMs)[0];
  }
}
